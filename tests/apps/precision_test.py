"""--precision: how near to Python's fast and precise are, and beside what it is refused."""

import sys
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from pretrained_test import FOLDERS, have_folders, inputs_of, original  # noqa: E402
from programs_test import ProgramTest  # noqa: E402
from xattn_export import load_safetensors, save_safetensors  # noqa: E402


@unittest.skipUnless(have_folders(), "no golden data: they are made by a Python with diffusers")
class PrecisionTest(ProgramTest):
    def output(self, *options: object) -> torch.Tensor:
        given, out = self.folder / "in.safetensors", self.folder / "out.safetensors"
        save_safetensors({name: value.contiguous() for name, value in inputs_of("unet").items()}, given)
        self.succeed("xattn", "run", FOLDERS / "unet_single", "--input", given, "--output", out, *options)
        return load_safetensors(out)[0]["sample"]

    def test_both_are_as_near_to_python_as_they_say(self) -> None:
        with torch.no_grad():
            expected = original("unet", FOLDERS / "unet_single")(**inputs_of("unet")).sample
        plain, fast, precise = self.output(), self.output("--precision", "fast"), self.output("--precision", "precise")
        self.assertTrue(plain.equal(fast))
        for output, bound in ((fast, 1e-5), (precise, 3e-6)):
            self.assertLess((output - expected).abs().max() / expected.abs().max(), bound)

    def test_only_float32_on_the_cpu_has_it(self) -> None:
        run = ("xattn", "run", FOLDERS / "unet_single", "--input", "x", "--output", self.folder / "out")
        for options, words in ((("--dtype", "float16"), "expected none beside --dtype float16"),
                               (("--dtype", "float64"), "expected none beside --dtype float64")):  # fmt: skip
            for precision in ("fast", "precise"):
                self.assertIn(words, self.fail_with(2, *run, "--precision", precision, *options))
        self.assertIn("--precision: expected fast or precise, got 'banana'", self.fail_with(2, *run, "--precision", "banana"))


# The discovery runs the other files' own tests by themselves.
del ProgramTest

if __name__ == "__main__":
    unittest.main()
