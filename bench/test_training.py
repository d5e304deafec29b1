"""Tests of training.py with fake workers: what it measures, and what it makes of failures."""

import contextlib
import io
import sys
import unittest

import training
from training import Contender


def fake(name: str, seconds: float, losses: list[float]) -> Contender:
    program = f"print('ready', flush=True)\nlosses = iter({losses})\nimport sys\nfor _ in sys.stdin: print({seconds}, next(losses), flush=True)"
    return Contender(name, [sys.executable, "-c", program], 1)


class Training(unittest.TestCase):
    def test_asks_for_steps(self) -> None:
        contender = fake("fake", 0.25, [3.0, 2.0])
        self.assertEqual([contender.step(), contender.step()], [(0.25, 3.0), (0.25, 2.0)])
        with self.assertRaisesRegex(RuntimeError, "fake: the worker stopped"), contextlib.redirect_stderr(io.StringIO()):
            contender.step()
        contender.close()

    def test_names_a_worker_that_does_not_start(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "broken: the worker stopped"):
            Contender("broken", [sys.executable, "-c", ""], 1)

    def test_refuses_other_losses(self) -> None:
        training.check({"xattn": [1.0, 0.5], "eager": [1.0001, 0.5]})
        for losses in ([1.0, 0.51], [1.0, float("nan")]):
            with self.subTest(losses), self.assertRaisesRegex(RuntimeError, "xattn: loss .* in step 2"):
                training.check({"eager": [1.0, 0.5], "xattn": losses})

    def test_tells_pictures_and_ratios_to_our_faster_way(self) -> None:
        found = {"xattn": [0.2, 0.2], "xattn channels_last": [0.1, 0.1], "eager": [0.3, 0.1]}
        rows = [line.split() for line in training.table(found, batch=8).splitlines()[1:]]
        self.assertEqual(rows[0], ["xattn", "200.0", "40.0", "2.00"])
        self.assertEqual(rows[1][2:], ["100.0", "80.0", "1.00"])
        self.assertEqual(rows[2][1:], ["200.0", "40.0", "2.00"])

    def test_refuses_what_it_does_not_know(self) -> None:
        for arguments in (["--kinds", "video"], ["--contenders", "jax"], ["--rounds", "0"]):
            with self.subTest(arguments), self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
                training.parse(arguments)


if __name__ == "__main__":
    unittest.main()
