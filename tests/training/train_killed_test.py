"""A run of xattn train that is killed again and again ends with the bits of one that was left alone."""

import contextlib
import random
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from train_program import (  # noqa: E402
    AUTOENCODER, TEXT_TO_IMAGE, XATTN, TrainTest, checkpoints_of, losses_of, log_of, picture_size,
)  # fmt: skip

EVERY = 2  # steps between checkpoints


def half_checkpoints(run: Path) -> set[tuple[str, int]]:
    """Those that are being written or were left, as folders of their own."""
    found = set()
    for path in run.glob(".tmp-*"):
        with contextlib.suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_ino))
    return found


class Killed(TrainTest):
    has_model = True

    def wait_and_kill(self, words: list[str], chance: random.Random, in_a_save: bool) -> int:
        """Starts a run, kills it while it saves a checkpoint or at any moment, and returns how it ended."""
        log = self.run_folder / "log.jsonl"
        size = log.stat().st_size if log.exists() else 0
        left, saves = half_checkpoints(self.run_folder), chance.randint(1, 2)
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as program:
            deadline = time.monotonic() + 60
            while program.poll() is None and time.monotonic() < deadline:
                if in_a_save:
                    now = half_checkpoints(self.run_folder)
                    saves -= bool(now - left)
                    left = now
                    if saves == 0:
                        break
                elif log.exists() and log.stat().st_size != size:
                    break  # it has cut off the lines behind its checkpoint, or written one
                time.sleep(0.0005)
            time.sleep(chance.uniform(0, 0.004 if in_a_save else 0.15))
            program.send_signal(signal.SIGKILL)
            errors = program.stderr.read() if program.stderr else ""
        self.assertIn(program.returncode, (0, -signal.SIGKILL), errors)
        return program.returncode

    def compare(self, kills: int, command: str, *options: object) -> None:
        words = self.words(command, "--checkpointing-steps", EVERY, "--max-train-steps", 3 * kills, *options)
        whole = self.folder / "whole"
        result = subprocess.run([XATTN, *map(str, words), "--output", whole], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)

        seed = random.randrange(2**32)
        chance = random.Random(seed)
        resumed = [str(XATTN), *map(str, words), "--output", str(self.run_folder), "--resume"]
        killed = in_saves = 0
        with self.subTest(seed=seed):
            for i in range(kills):
                if self.wait_and_kill(resumed, chance, in_a_save=i % 2 == 0) == 0:
                    break
                killed += 1
                in_saves += bool(half_checkpoints(self.run_folder))
            self.assertGreaterEqual(killed, kills // 2)
            self.assertGreater(in_saves, 0)
            last = subprocess.run(resumed, capture_output=True, text=True)
            self.assertEqual((last.returncode, last.stderr), (0, ""))
            self.assert_same_weights(self.run_folder, whole)
            steps = [entry["step"] for entry in log_of(self.run_folder)]
            self.assertEqual(steps, list(range(1, 3 * kills + 1)))
            self.assertEqual(losses_of(self.run_folder), losses_of(whole))
            self.assertEqual(half_checkpoints(self.run_folder), set())
            self.assertEqual(checkpoints_of(self.run_folder), checkpoints_of(whole))
            for name in checkpoints_of(whole)[-1:]:
                for path in (whole / name).iterdir():
                    self.assertEqual((self.run_folder / name / path.name).read_bytes(), path.read_bytes(), path.name)
            if "--validation-steps" in options:
                for path in (whole / "samples").iterdir():
                    self.assertEqual((self.run_folder / "samples" / path.name).read_bytes(), path.read_bytes())
                self.assertEqual(picture_size(self.run_folder / "samples.png"), picture_size(whole / "samples.png"))

    def test_an_autoencoder(self) -> None:
        self.compare(10, AUTOENCODER, "--random-crop", "--random-flip", "--dataloader-num-workers", 2, "--use-ema",
                     "--lr-scheduler", "cosine", "--lr-warmup-steps", 3, "--validation-steps", 7)  # fmt: skip

    def test_a_pipeline(self) -> None:
        self.compare(10, TEXT_TO_IMAGE, "--train-text-encoder", "--use-ema", "--gradient-accumulation-steps", 2,
                     "--caption-dropout", 0.3, "--random-flip", "--noise-offset", 0.1, "--train-batch-size", 3)  # fmt: skip

    def test_a_pipeline_whose_latents_are_not_kept(self) -> None:
        self.compare(4, TEXT_TO_IMAGE, "--random-crop", "--random-flip", "--use-ema", "--caption-dropout", 0.5)


if __name__ == "__main__":
    unittest.main()
