"""Tests of generate.py with fake programs: what it measures, and what it makes of failures."""

import argparse
import sys
import unittest
from pathlib import Path
from unittest import mock

import generate
from generate import Contender, Run, Task

TASK = Task(Path("folder"), steps=5, size=512, threads=1)
NONE = argparse.Namespace()
STAGES = '{\\n "stages": {"load": 1.0, "denoise": 0.25, "decode": 0.5}, "peak_memory": 7}'
LOG = """\
[INFO ] stable-diffusion.cpp:3040 - get_learned_condition completed, taking 2141 ms
[INFO ] stable-diffusion.cpp:5317 - sampling completed, taking 9.50s
[INFO ] stable-diffusion.cpp:5339 - decode_first_stage completed, taking 850 ms
"""


def fake(program: str) -> Contender:
    return Contender("fake", lambda _: None, lambda *_: [sys.executable, "-c", program], generate.stages_of_json)


class Generate(unittest.TestCase):
    def test_measures_a_process(self) -> None:
        program = f"import sys; kept = bytearray(300_000_000); print('a {{warning}}', file=sys.stderr); print('{STAGES}')"
        run = generate.measure(fake(program), NONE, TASK)
        self.assertEqual((run.denoise, run.decode), (0.25, 0.5))
        self.assertAlmostEqual(run.start, run.wall - 0.75)
        self.assertGreater(run.peak, 300_000_000)
        self.assertLess(run.peak, 900_000_000)

    def test_reads_the_log_of_stable_diffusion_cpp(self) -> None:
        self.assertEqual(generate.stages_of_log("", LOG), (9.5, 0.85))
        with self.assertRaisesRegex(ValueError, "decode_first_stage"):
            generate.stages_of_log(LOG.replace("decode_first_stage", "decode"), "")

    def test_names_who_failed_and_why(self) -> None:
        for program, why in (("raise SystemExit('no such model')", "fake: exit status 1: no such model"),
                             ("print('nothing')", "fake: no JSON"), ("print('{}')", "fake: 'stages'")):  # fmt: skip
            with self.subTest(program), self.assertRaisesRegex(RuntimeError, why):
                generate.measure(fake(program), NONE, TASK)

    def test_tells_medians_and_ratios_within_a_round(self) -> None:
        ours = [Run(1, 1, 4, 1 << 30), Run(1, 1, 2, 1 << 30)]
        found = {"xattn": ours, "other": [Run(2, 1, 8, 3 << 30), Run(2, 1, 8, 2 << 30)]}
        rows = [line.split() for line in generate.table(found).splitlines()[1:]]
        self.assertEqual(rows[0], ["xattn", "1.00", "1.00", "1.00", "3.00", "1.00", "1.00"])
        self.assertEqual(rows[1], ["other", "5.00", "2.00", "1.00", "8.00", "3.00", "3.00"])

    def test_refuses_a_picture_that_differs(self) -> None:
        with mock.patch.object(Path, "exists", return_value=True):
            for largest in (0, generate.TOLERANCE):
                with mock.patch.object(generate, "difference", return_value=(largest, 0.1)):
                    generate.check(Path("folder"))
            with mock.patch.object(generate, "difference", return_value=(generate.TOLERANCE + 1, 0.1)):
                self.assertRaisesRegex(RuntimeError, "differs", generate.check, Path("folder"))

    def test_says_who_is_absent(self) -> None:
        with mock.patch("builtins.print") as printed:
            status = generate.main(["--contenders", "xattn", "--xattn", "/nonexistent/xattn"])
        self.assertEqual(status, 1)
        self.assertIn("not built", " ".join(str(call) for call in printed.call_args_list))

    def test_refuses_bad_usage(self) -> None:
        for wrong in (["--size", "500"], ["--rounds", "0"], ["--contenders", "nobody"]):
            with self.subTest(wrong), mock.patch("sys.stderr"), self.assertRaises(SystemExit) as stopped:
                generate.main(wrong)
            self.assertEqual(stopped.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
