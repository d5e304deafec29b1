"""Each option of `xattn train autoencoder` and `text-to-image`: what it changes, or what refuses it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train_program import TrainTest, call, checkpoints_of, log_of, losses_of, picture_size

Words = tuple[object, ...]


@dataclass
class Row:
    """`words` are the option's value and what it needs; `base` is in the run that it is compared with, too."""

    words: Words
    effect: Callable[["OptionsTest", Path, Path], None] | str  # a text is what the refusal says
    base: Words = ()
    code: int = 2


class OptionsTest(TrainTest):
    """A table of rows by option, each of them tried."""

    has_model = True
    command: str
    weights: str  # the file that is trained
    table: dict[str, list[Row]]
    by_all: set[str]  # options that all runs have, with tests of their own

    def listed(self) -> set[str]:
        text = call("train", self.command, "--help").stdout
        return set(re.findall(r"^ +(?:-\w,)?(--[\w-]+)", text, re.MULTILINE)) - {"--help"}

    def check_names(self) -> None:
        self.assertEqual(self.listed(), set(self.table) | self.by_all)

    def check_rows(self) -> None:
        bases: dict[Words, Path] = {}
        for option, rows in self.table.items():
            for i, row in enumerate(rows):
                with self.subTest(option=option, words=row.words):
                    words = tuple(self.shared / word[1:] if str(word).startswith("@") else word for word in row.words)
                    if isinstance(row.effect, str):
                        line = self.refused(row.code, *self.words(self.command, option, *words, *row.base))
                        self.assertIn(row.effect, line)
                        self.assertLess(len(line), 350)
                        continue
                    if row.base not in bases:
                        bases[row.base] = self.train(self.command, *row.base, output=self.folder / f"base{len(bases)}")
                    run = self.train(self.command, option, *words, *row.base, output=self.folder / f"{option[2:]}{i}")
                    row.effect(self, bases[row.base], run)


def rates_of(run: Path) -> list[float]:
    return [entry["lr"] for entry in log_of(run)]


def norms_of(run: Path) -> list[float]:
    return [entry["grad_norm"] for entry in log_of(run)]


def losses(test: OptionsTest, base: Path, run: Path) -> None:
    """Other losses from the first step on, by more than rounding."""
    first, expected = losses_of(run)[0], losses_of(base)[0]
    test.assertGreater(abs(first - expected), 1e-4 * abs(expected))


def later_losses(test: OptionsTest, base: Path, run: Path) -> None:
    """What is learned in the first step is another."""
    test.assertEqual(losses_of(run)[0], losses_of(base)[0])
    test.assertNotEqual(losses_of(run)[1:], losses_of(base)[1:])


def weights_only(test: OptionsTest, base: Path, run: Path) -> None:
    """The same steps; what is saved is another."""
    test.assertEqual(losses_of(run), losses_of(base))
    test.assertNotEqual((run / test.weights).read_bytes(), (base / test.weights).read_bytes())


def gradients(test: OptionsTest, base: Path, run: Path) -> None:
    """The same loss, but for the rounding of kernels that take what needs no gradient."""
    test.assertAlmostEqual(losses_of(run)[0], losses_of(base)[0], delta=1e-6 * abs(losses_of(base)[0]))
    test.assertNotEqual(norms_of(run)[0], norms_of(base)[0])


def is_not_clipped(test: OptionsTest, base: Path, run: Path) -> None:
    test.assertEqual(losses_of(run)[0], losses_of(base)[0])
    test.assertNotIn("grad_norm", log_of(run)[0])


def nothing(test: OptionsTest, base: Path, run: Path) -> None:
    """The same bits: it changes what a run costs, or what it keeps."""
    test.assertEqual(losses_of(run), losses_of(base))
    test.assertEqual((run / test.weights).read_bytes(), (base / test.weights).read_bytes())


def rounding(test: OptionsTest, base: Path, run: Path) -> None:
    np.testing.assert_allclose(losses_of(run), losses_of(base), rtol=1e-4)


def brain_floats(test: OptionsTest, base: Path, run: Path) -> None:
    test.assertNotEqual(losses_of(run), losses_of(base))
    np.testing.assert_allclose(losses_of(run), losses_of(base), rtol=0.05)


def rates(*expected: float) -> Any:
    """The learning rates as parts of the given one."""

    def effect(test: OptionsTest, base: Path, run: Path) -> None:
        np.testing.assert_allclose(np.array(rates_of(run)) / 1e-3, expected, atol=1e-3)

    return effect


def steps(count: int) -> Any:
    return lambda test, base, run: test.assertEqual(len(log_of(run)), count)


def checkpoints(*numbers: int) -> Any:
    names = [f"checkpoint-{number:06}" for number in numbers]
    return lambda test, base, run: test.assertEqual(checkpoints_of(run), names)


def sheets(count: int) -> Any:
    """Sample pictures side by side."""

    def effect(test: OptionsTest, base: Path, run: Path) -> None:
        test.assertFalse((base / "samples").exists())
        width, height = picture_size(run / "samples.png")
        for path in (run / "samples").iterdir():
            test.assertGreater(width, picture_size(path)[0])
        test.assertEqual(len(list((run / "samples").iterdir())), count)

    return effect


def samples(test: OptionsTest, base: Path, run: Path) -> None:
    """The same model, other samples."""
    nothing(test, base, run)
    name = "samples/step-000003.png"
    test.assertNotEqual((run / name).read_bytes(), (base / name).read_bytes())


# What both commands have.
VALIDATED = ("--validation-steps", 2)
COMMON: dict[str, list[Row]] = {
    "--config": [Row(("@missing",), "excludes", code=2)],
    "--resolution": [Row((24,), losses), Row((4,), "--resolution")],
    "--random-flip": [Row((), losses)],
    "--skip-bad": [Row((), nothing)],  # train_data_test.py
    "--train-batch-size": [Row((3,), losses), Row((0,), "--train-batch-size")],
    "--dataloader-num-workers": [Row((3,), nothing), Row((0,), "--dataloader-num-workers")],
    "--max-train-steps": [Row((2,), steps(2)), Row((0,), "--max-train-steps")],
    "--num-train-epochs": [Row((1,), steps(3)), Row((2, "--gradient-accumulation-steps", 2), steps(3)),
                           Row((1, "--max-train-steps", 3), "excludes")],
    "--learning-rate": [Row((2e-3,), rates(2, 2, 2)), Row((0,), "--learning-rate"), Row(("nan",), "--learning-rate")],
    "--lr-scheduler": [Row(("linear",), rates(1, 2 / 3, 1 / 3)), Row(("cosine",), rates(1, 0.75, 0.25)),
                       Row(("banana",), "--lr-scheduler"), Row(("piecewise_constant",), "--step-rules")],
    "--lr-warmup-steps": [Row((2, "--lr-scheduler", "constant_with_warmup"), rates(0, 0.5, 1)),
                          Row((2,), "--lr-warmup-steps: expected a --lr-scheduler that warms up"),
                          Row((-1,), "--lr-warmup-steps")],
    "--lr-num-cycles": [Row((3, "--lr-scheduler", "cosine_with_restarts"), rates(1, 1, 1)),
                        Row((2,), "--lr-num-cycles: expected --lr-scheduler cosine_with_restarts")],
    "--lr-power": [Row((2, "--lr-scheduler", "polynomial"), rates(1, 4 / 9, 1 / 9)),
                   Row((2, "--lr-scheduler", "linear"), "--lr-power: expected --lr-scheduler polynomial")],
    "--step-rules": [Row(("1:1,0.1:2,0.01", "--lr-scheduler", "piecewise_constant"), rates(1, 0.1, 0.01)),
                     Row(("1:1,0.1",), "expected both or none"),
                     Row(("x:1,y", "--lr-scheduler", "piecewise_constant"), "--step-rules: ")],
    "--adam-beta1": [Row((0.5,), later_losses), Row((1,), "--adam-beta1")],
    "--adam-beta2": [Row((0.5,), later_losses), Row((1,), "--adam-beta2")],
    "--adam-weight-decay": [Row((1,), later_losses), Row((-1,), "--adam-weight-decay")],
    "--adam-epsilon": [Row((0.1,), later_losses), Row((0,), "--adam-epsilon")],
    "--max-grad-norm": [Row((1e-9,), later_losses), Row((0,), is_not_clipped),
                        Row((-1,), "--max-grad-norm")],
    "--gradient-accumulation-steps": [Row((2,), losses), Row((0,), "--gradient-accumulation-steps")],
    "--gradient-checkpointing": [Row((), nothing)],
    "--mixed-precision": [Row(("bf16",), brain_floats), Row(("fp16",), "--mixed-precision")],
    "--use-ema": [Row((), weights_only)],
    "--ema-decay": [Row((0.1,), weights_only, ("--use-ema",)), Row((0.1,), "--use-ema"),
                    Row((2, "--use-ema"), "--ema-decay")],
    "--device": [Row(("cpu",), nothing), Row(("gpu",), "--device"),
                 Row(("cuda:99",), "--device cuda:99: not available", code=4)],
    "--no-channels-last": [Row((), rounding)],
    "--seed": [Row((1,), losses), Row((-1,), "--seed")],
    "--checkpointing-steps": [Row((2,), checkpoints(2, 3)), Row((0,), "--checkpointing-steps")],
    "--checkpoints-total-limit": [Row((1,), checkpoints(3), ("--checkpointing-steps", 1)),
                                  Row((0,), "--checkpoints-total-limit")],
    "--resume": [Row((), nothing)],  # train_resume_test.py
}  # fmt: skip
# In every run here; that they are needed is in check_required.
GIVEN = {"--model", "--data", "--output", "--threads", "--quiet"}


def check_required(test: OptionsTest) -> None:
    words = list(test.words(test.command))
    without_quiet = [word for word in words if word != "--quiet"]
    for option in ("--data", "--max-train-steps"):
        at = words.index(option)
        test.assertIn(option, test.refused(2, *words[:at], *words[at + 2 :]))
    test.assertIn("one of --model and --config is required", test.refused(2, *test.words(test.command, model=())))
    result = call(*words)
    test.assertEqual((result.returncode, result.stderr), (2, "xattn: --output is required (see --help)\n"))
    test.assertIn("--threads", test.refused(2, *(0 if word == 1 else word for word in words)))
    loud, quiet = (call(*given, "--output", test.folder / name) for given, name in
                   ((without_quiet, "loud"), (words, "quiet")))  # fmt: skip
    test.assertEqual((quiet.returncode, quiet.stdout, quiet.stderr), (0, "", ""))
    test.assertIn("step 3 of 3", loud.stderr)
