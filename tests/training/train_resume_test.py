"""xattn train --resume: Ctrl-C, other options, finished runs, full disks, damaged checkpoints."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from train_program import (  # noqa: E402
    AUTOENCODER, TEXT_TO_IMAGE, WEIGHTS, XATTN, Result, TrainTest, call, checkpoints_of, log_of,
)  # fmt: skip

EVERY_STEP = ("--checkpointing-steps", 1)
FULL_TO_BE_SHORT = 30_000  # bytes: less than an optimizer's state, more than a log


class Resume(TrainTest):
    has_model = True

    def interrupted(self, words: tuple[object, ...], after: int) -> Result:
        """A run that gets Ctrl-C when its log has so many steps."""
        log = self.run_folder / "log.jsonl"
        command = [str(XATTN), *map(str, words), "--output", str(self.run_folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            deadline = time.monotonic() + 60
            while program.poll() is None and time.monotonic() < deadline:
                if log.exists() and len(log.read_bytes().splitlines()) >= after:
                    break
                time.sleep(0.001)
            program.send_signal(signal.SIGINT)
            out, errors = program.communicate(timeout=60)
        return Result(command, program.returncode, out, errors)

    def test_ctrl_c_ends_a_run_that_goes_on(self) -> None:
        for command, options in ((AUTOENCODER, ("--use-ema",)), (TEXT_TO_IMAGE, ("--random-crop",))):
            with self.subTest(command=command):
                self.run_folder = self.folder / f"{command}-run"
                words = self.words(command, "--max-train-steps", 40, *options)
                whole = self.train(command, "--max-train-steps", 40, *options, output=self.folder / f"{command}-whole")
                stopped = self.interrupted(words, after=3)
                self.assertEqual((stopped.returncode, stopped.stdout), (130, ""), stopped.stderr)
                step = log_of(self.run_folder)[-1]["step"]
                self.assertEqual(stopped.stderr, f"xattn: stopped after {step} of 40 steps; --resume goes on\n")
                self.assertLess(step, 40)
                self.assertEqual(checkpoints_of(self.run_folder), [f"checkpoint-{step:06}"])
                self.assertEqual(self.saved_models(), [])
                self.train(command, "--max-train-steps", 40, *options, "--resume")
                self.assert_same_weights(self.run_folder, whole)
                self.assertEqual([entry["step"] for entry in log_of(self.run_folder)], list(range(1, 41)))

    def test_other_options_are_refused_by_name(self) -> None:
        run = self.train(AUTOENCODER, "--lr-scheduler", "cosine", "--random-flip")
        before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

        def refused(*words: object) -> str:
            result = call(*self.words(AUTOENCODER, *words), "--output", run, "--resume")
            self.assertEqual((result.returncode, result.stdout), (3, ""), result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
            return result.stderr

        line = refused("--lr-scheduler", "linear", "--learning-rate", 0.5, "--use-ema", "--max-train-steps", 9)
        self.assertEqual(line.count(", as the run began, got "), 5, line)
        for problem in ('lr-scheduler: expected "cosine", as the run began, got "linear"',
                        'learning-rate: expected "0.001", as the run began, got "0.5"',
                        "use-ema: expected nothing, as the run began, got ",
                        'max-train-steps: expected "3", as the run began, got "9"', "random-flip: expected "):  # fmt: skip
            self.assertIn(problem, line)
        self.assertEqual({path: path.read_bytes() for path in run.rglob("*") if path.is_file()}, before)
        # What the numbers do not depend on may be another.
        self.train(AUTOENCODER, "--lr-scheduler", "cosine", "--random-flip", "--resume", "--checkpointing-steps", 7,
                   "--dataloader-num-workers", 2, "--checkpoints-total-limit", 1)  # fmt: skip

    def test_longer_runs(self) -> None:
        """Where the learning rate does not fall, a run may be made longer."""
        whole = self.train(AUTOENCODER, "--max-train-steps", 5, output=self.folder / "whole")
        self.train(AUTOENCODER, "--max-train-steps", 2)
        self.train(AUTOENCODER, "--max-train-steps", 5, "--resume")
        self.assert_same_weights(self.run_folder, whole)

    def test_a_folder_with_a_run(self) -> None:
        run = self.train(AUTOENCODER)
        weights = (run / WEIGHTS).read_bytes()
        for folder in (run, self.folder / "log"):
            if folder != run:  # killed before its first checkpoint
                folder.mkdir()
                shutil.copy(run / "log.jsonl", folder)
            result = call(*self.words(AUTOENCODER), "--output", folder)
            self.assertEqual((result.returncode, result.stderr),
                             (2, f"xattn: --output: {folder} has a run; --resume goes on with it\n"))  # fmt: skip
        self.assertEqual((run / WEIGHTS).read_bytes(), weights)
        self.train(AUTOENCODER, "--resume", output=self.folder / "log")
        self.assert_same_weights(self.folder / "log", run)
        self.train(AUTOENCODER, "--resume", output=self.folder / "new")  # there is nothing to go on from
        self.assert_same_weights(self.folder / "new", run)

    def test_a_finished_run(self) -> None:
        run = self.train(AUTOENCODER, "--validation-steps", 2)
        kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        words = [word for word in self.words(AUTOENCODER, "--validation-steps", 2, "--resume") if word != "--quiet"]
        result = call(*words, "--output", run)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("xattn: went on from step 3\n", result.stderr)
        self.assertIn("the model, 3 steps", result.stdout)
        for path in run.rglob("*"):
            if path.is_file():
                self.assertEqual(path.read_bytes(), kept[path], path)

    def test_a_damaged_checkpoint_is_passed_over(self) -> None:
        whole = self.train(AUTOENCODER, "--max-train-steps", 4, *EVERY_STEP, output=self.folder / "whole")
        run = self.train(AUTOENCODER, "--max-train-steps", 3, *EVERY_STEP)
        weights = run / "checkpoint-000003" / "vae.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
        (run / "checkpoint-000002" / "optimizer.safetensors").unlink()
        result = call(*self.words(AUTOENCODER, "--max-train-steps", 4, *EVERY_STEP), "--output", run, "--resume")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 2, result.stderr)
        for line, name in zip(lines, ("checkpoint-000003: ", "checkpoint-000002: "), strict=True):
            self.assertRegex(line, rf"^xattn: warning: \[run_training\] passed over {name}")
        self.assert_same_weights(run, whole)
        self.assertEqual([entry["step"] for entry in log_of(run)], [1, 2, 3, 4])

    def test_a_full_disk(self) -> None:
        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_TO_BE_SHORT, FULL_TO_BE_SHORT))

        options = ("--max-train-steps", 4, *EVERY_STEP)
        whole = self.train(AUTOENCODER, *options, output=self.folder / "whole")
        shorter = tuple(2 if word == 4 else word for word in options)
        run = self.train(AUTOENCODER, *shorter)
        for name in (WEIGHTS, "config.json"):
            (run / name).unlink()
        # Python does not let the signal of a file that is too long through; what it starts inherits that.
        result = call(*self.words(AUTOENCODER, *options), "--output", run, "--resume", preexec_fn=limit,
                      restore_signals=False)  # fmt: skip
        self.assertEqual((result.returncode, result.stdout), (3, ""), result.stderr)
        self.assertRegex(result.stderr, r"^xattn: \[save_training_checkpoint\] .*/checkpoint-000003: cannot be saved: "
                                        r".*: cannot be written: File too large; checkpoint-000002 is as it was\n$")  # fmt: skip
        self.assertEqual(checkpoints_of(run), ["checkpoint-000001", "checkpoint-000002"])
        self.assertEqual(self.saved_models(), [])
        self.assertEqual(list(run.glob(".tmp-*")), [])
        self.train(AUTOENCODER, *options, "--resume")
        self.assert_same_weights(run, whole)

    def test_a_full_disk_for_the_model(self) -> None:
        """Nothing half is written where the checkpoint was saved and the model cannot be."""
        run = self.train(AUTOENCODER)
        weights = (run / WEIGHTS).read_bytes()
        for name in (WEIGHTS, "config.json"):
            (run / name).unlink()
        (run / WEIGHTS).mkdir()
        (run / WEIGHTS / "in the way").touch()
        result = call(*self.words(AUTOENCODER), "--output", run, "--resume")
        self.assertEqual((result.returncode, result.stdout), (3, ""), result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(WEIGHTS, result.stderr)
        shutil.rmtree(run / WEIGHTS)
        self.train(AUTOENCODER, "--resume")
        self.assertEqual((run / WEIGHTS).read_bytes(), weights)

    def test_outputs_that_cannot_be(self) -> None:
        (self.folder / "file").touch()
        for output in (self.folder / "file", self.folder / "file" / "run"):
            result = call(*self.words(AUTOENCODER), "--output", output)
            self.assertEqual((result.returncode, result.stdout), (3, ""), result.stderr)
            self.assertRegex(result.stderr, r"^xattn: \[run_training\] .*file.*: cannot be made: .*\n$")
        for inputs in (self.shared / "data", self.shared / "model"):
            result = call(*self.words(TEXT_TO_IMAGE), "--output", inputs)
            self.assertEqual((result.returncode, result.stderr),
                             (2, f"xattn: --output: expected another folder than the input {inputs}\n"))  # fmt: skip

    def test_a_log_that_is_none(self) -> None:
        run = self.train(AUTOENCODER)
        (run / "log.jsonl").write_text(json.dumps({"step": "one"}) + "\n")
        result = call(*self.words(AUTOENCODER), "--output", run, "--resume")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("log.jsonl: line 1: step: expected a whole number", result.stderr)


if __name__ == "__main__":
    unittest.main()
