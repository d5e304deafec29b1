"""--weights-dtype: weights that are kept in half precision, what they give and beside what they are refused."""

import sys
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from generate_test import PIPELINES, PROMPT, have_pipelines, pixels  # noqa: E402
from pretrained_test import FOLDERS, FolderTest, inputs_of, original  # noqa: E402


class StoredWeights(FolderTest):
    def test_of_the_files_type_lose_nothing(self) -> None:
        for name, more in (("unet_variant", ("--variant", "fp16")), ("vae_bfloat16", ()), ("text_bfloat16", ())):
            inputs = inputs_of(name.split("_")[0])
            with self.subTest(name=name):
                dtypes = ("bf16", "fp16") if name.endswith("bfloat16") else ("fp16", "bf16")
                whole, same, other = (self.run_model(FOLDERS / name, inputs, *more, *given) for given in (
                    (), ("--weights-dtype", dtypes[0]), ("--weights-dtype", dtypes[1])))  # fmt: skip
                for key, value in whole.items():
                    self.assertEqual(same[key].dtype, torch.float32)
                    self.assert_near(same[key], value, 5e-6)  # perhaps by other kernels
                if name == "unet_variant":  # the twin that must fail: bfloat16 is less precise than float16
                    with self.assertRaises(AssertionError):
                        self.assert_near(other["sample"], whole["sample"], 5e-6)

    def test_are_those_of_python_rounded(self) -> None:
        for name in ("unet", "vae", "text"):
            with self.subTest(name=name), torch.no_grad():
                model = original(name, FOLDERS / f"{name}_single")
                for module in model.modules():
                    if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
                        module.weight.copy_(module.weight.to(torch.bfloat16))
                expected = model(**inputs_of(name))
                outputs = self.run_model(FOLDERS / f"{name}_single", inputs_of(name), "--weights-dtype", "bfloat16")
                for key, value in outputs.items():
                    self.assert_near(value, expected[key])

    def test_are_refused_where_another_option_leaves_them_no_part(self) -> None:
        given = self.file("in.safetensors", inputs_of("unet"))
        commands = [("run", FOLDERS / "unet_single", "--input", given, "--output", self.folder / "out.safetensors")]
        if have_pipelines():
            commands += [("generate", *model, "--prompt", PROMPT, "--output", self.folder / "out.png")
                         for model in ((), ("--model", PIPELINES / "sd2"))]  # fmt: skip
        for command in commands:
            for dtype in ("float16", "bfloat16", "float64"):
                line = self.fail_with(2, "xattn", *command, "--weights-dtype", "fp16", "--dtype", dtype)
                self.assertIn(f"--weights-dtype: expected none beside --dtype {dtype}", line)
            self.fail_with(4, "xattn", *command, "--weights-dtype", "fp16", "--device", "cuda:99")
            for wrong in ("float32", "int8", ""):
                line = self.fail_with(2, "xattn", *command, "--weights-dtype", wrong)
                self.assertIn(f"--weights-dtype: expected fp16 or bf16, got '{wrong}'", line)
        self.succeed("xattn", *commands[0], "--weights-dtype", "fp16", "--dtype", "float32", "--device", "cpu")

    @unittest.skipUnless(have_pipelines(), "no golden data of pipelines")
    def test_of_the_embedded_model_in_float16_draw_the_same_picture(self) -> None:
        out = self.folder / "out.png"
        command = ("generate", "--prompt", "a lake", "--seed", 7, "--steps", 2, "--output", out, "--force")
        pictures = []
        for more in ((), ("--weights-dtype", "fp16"), ("--weights-dtype", "bf16")):
            self.succeed("xattn", *command, *more)
            pictures.append(pixels(out).astype(int))
        off = [abs(picture - pictures[0]) for picture in pictures[1:]]
        self.assertLessEqual(off[0].max(), 1)  # perhaps by other kernels
        self.assertLess((off[0] > 0).mean(), 0.001)
        self.assertGreater((off[1] > 0).mean(), 0.01)


# The discovery runs the other files' own tests by themselves.
del FolderTest

if __name__ == "__main__":
    unittest.main()
