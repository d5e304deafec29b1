"""What commands do with an option's value, with typing mistakes and with outputs that are inputs."""

import os
import shutil
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from programs_test import FILES, ProgramTest  # noqa: E402
from pretrained_test import FOLDERS, have_folders, inputs_of  # noqa: E402
from xattn_export import save_safetensors  # noqa: E402


@unittest.skipUnless(have_folders(), "no golden data: they are made by a Python with diffusers")
class Values(ProgramTest):
    def test_a_dtype_that_is_none(self) -> None:
        given = FILES / "cross_attention.input.safetensors"
        for path in (FILES / "cross_attention.scripted.pt", FOLDERS / "unet_single", self.folder / "missing"):
            for command in (
                ("convert", path, self.folder / "out"),
                ("run", path, "--input", given, "--output", self.folder / "out"),
                ("verify", path),
            ):
                with self.subTest(command=command):
                    line = self.fail_with(2, "xattn", *command, "--dtype", "banana")
                    self.assertIn("--dtype: expected float32, float16, bfloat16 or float64, got 'banana'", line)

    def test_a_method_that_is_none(self) -> None:
        save_safetensors(inputs_of("unet"), self.folder / "in.safetensors")
        more = ("--input", self.folder / "in.safetensors", "--output", self.folder / "out", "--method", "banana")
        line = self.fail_with(2, "xattn", "run", FOLDERS / "unet_single", *more)
        self.assertIn("--method: expected forward, forward_prepared of a UNet2DConditionModel, got 'banana'", line)
        self.assertIn("--method: ", self.fail_with(2, "xattn", "run", FILES / "cross_attention.scripted.pt", *more))

    def test_bounds_are_short(self) -> None:
        file = FILES / "cross_attention.scripted.pt"
        for bad in (
            ("verify", file, "--tolerance", 0),
            ("verify", file, "--tolerance", "inf"),
            ("verify", file, "--tolerance", "nan"),
            ("run", file, "--input", "x", "--output", "y", "--heads", -1),
            ("run", file, "--input", "x", "--output", "y", "--heads", "1e3"),
            ("run", file, "--input", "x", "--output", "y", "--repeat", 0),
            ("convert", FOLDERS / "unet_single", self.folder / "x", "--max-shard-size", 0),
            ("bench", "--rounds", 0),
        ):
            with self.subTest(bad=bad):
                line = self.fail_with(2, "xattn", *bad)
                self.assertIn(str(bad[-2]), line)
                self.assertLess(len(line), 200)
        self.assertLess(len(self.fail_with(2, "xattn-demo", "--embed-dim", 0)), 200)

    def test_sizes_as_python_writes_them(self) -> None:
        def shards(size: str) -> int:
            out = self.folder / size.replace(" ", "_")
            self.succeed("xattn", "convert", FOLDERS / "unet_single", out, "--max-shard-size", size)
            return len(list(out.glob("*.safetensors")))

        by_bytes = shards("20000")
        self.assertGreater(by_bytes, 1)
        for same in ("20KB", "0.02MB", "20 kb", "2e4"):
            self.assertEqual(shards(same), by_bytes, same)
        self.assertEqual(shards("19.53125KiB"), by_bytes)  # the same 20,000 bytes
        for one in ("1GB", "1GiB", "10MB", "1TB"):
            self.assertEqual(shards(one), 1, one)
        for bad in ("", "KB", "1PB", "-1KB", "0.1", "1e30GB", "nan", "1 2"):
            command = ("convert", FOLDERS / "unet_single", self.folder / "x", f"--max-shard-size={bad}")
            line = self.fail_with(2, "xattn", *command)
            self.assertIn("--max-shard-size", line)

    def test_a_worker_has_no_rounds(self) -> None:
        for more in (("--json",), ("--rounds", 3)):
            line = self.fail_with(2, "xattn", "bench", "--worker", "xattn", "--folder", self.folder, *more)
            self.assertIn(more[0], line)


class Typos(ProgramTest):
    def test_commands(self) -> None:
        for typo, meant in (("insepct", "inspect"), ("conv", "convert"), ("Run", "run"), ("tokenise", "tokenize")):
            line = self.fail_with(2, "xattn", typo, "file")
            self.assertIn(f"'{typo}' is no command", line)
            self.assertIn(f"did you mean {meant}?", line)
        line = self.fail_with(2, "xattn", "foo")
        self.assertIn("'foo' is no command, they are bench, ", line)
        self.assertNotIn("did you mean", line)

    def test_options(self) -> None:
        file = FILES / "cross_attention.scripted.pt"
        for command, typo, meant in (
            (("run", file, "--inputs", "x", "--output", "y"), "--inputs", "--input"),
            (("run", file, "--inputs=x", "--output", "y"), "--inputs", "--input"),
            (("run", "--output", "y", "--imput", "x", file), "--imput", "--input"),
            (("inspect", file, "--jsn"), "--jsn", "--json"),
            (("convert", file, "out", "--max-shard", "2GB"), "--max-shard", "--max-shard-size"),
        ):
            with self.subTest(command=command):
                line = self.fail_with(2, "xattn", *command)
                self.assertIn(f"{command[0]}: there is no option {typo}; did you mean {meant}?", line)
        self.assertIn("no option --frobnicate (", self.fail_with(2, "xattn", "inspect", file, "--frobnicate"))
        self.assertIn("did you mean --batch?", self.fail_with(2, "xattn-demo", "--batchs", 3))
        self.assertIn("did you mean --version?", self.fail_with(2, "xattn", "--versoin"))

    def test_arguments(self) -> None:
        line = self.fail_with(2, "xattn", "inspect", FILES / "cross_attention.scripted.pt", "more")
        self.assertIn("inspect: one argument too many: 'more'", line)
        self.assertIn("--input is required", self.fail_with(2, "xattn", "run", "x", "--output", "y"))


class Outputs(ProgramTest):
    def test_never_over_an_input(self) -> None:
        model, given = self.folder / "model.safetensors", self.folder / "in.safetensors"
        shutil.copy(FILES / "cross_attention.safetensors", model)
        shutil.copy(FILES / "cross_attention.input.safetensors", given)
        before = {path: path.read_bytes() for path in (model, given)}
        links = [model, given, self.folder / ".." / self.folder.name / "in.safetensors"]
        for i, target in enumerate((model, given)):
            hard, symbolic = self.folder / f"hard{i}", self.folder / f"symbolic{i}"
            os.link(target, hard)
            symbolic.symlink_to(target)
            links += [hard, symbolic]
        for out in links:
            with self.subTest(out=out):
                line = self.fail_with(2, "xattn", "run", model, "--input", given, "--output", out)
                self.assertIn("--output: expected another file than the input", line)
        line = self.fail_with(2, "xattn", "convert", model, self.folder / "hard0")
        self.assertIn("OUT: expected another file than the input", line)
        self.assertEqual({path: path.read_bytes() for path in before}, before)

    @unittest.skipUnless(have_folders(), "no golden data: they are made by a Python with diffusers")
    def test_never_over_a_folders_weights(self) -> None:
        folder, given = self.folder / "unet", self.folder / "in.safetensors"
        shutil.copytree(FOLDERS / "unet_single", folder)
        save_safetensors(inputs_of("unet"), given)
        weights = folder / "diffusion_pytorch_model.safetensors"
        before = weights.read_bytes()
        self.fail_with(2, "xattn", "run", folder, "--input", given, "--output", weights)
        self.assertEqual(weights.read_bytes(), before)


# The discovery runs the other files' own tests by themselves.
del ProgramTest

if __name__ == "__main__":
    unittest.main()
