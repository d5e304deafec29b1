"""The embedded model: what is in its folder, Python's pictures, what generate and the demo make with it."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from generate_terminal_test import on_terminal, without_colours  # noqa: E402
from generate_test import BIN, GenerateTest, pixels  # noqa: E402
from programs_test import ProgramTest  # noqa: E402
from xattn_export import load_safetensors  # noqa: E402

MODEL = ROOT / "share/xattn/bada"
KOREAN, ENGLISH = "파란 하늘이 있는 바다", "the sea under a blue sky"
MOST_BYTES, MOST_PARAMETERS = 16_000_000, 8_000_000
DOES_NOT_KNOW = "xattn: warning: the embedded model does not know: "


def have_originals() -> bool:
    if all(importlib.util.find_spec(name) for name in ("diffusers", "transformers")):
        return True
    if os.environ.get("CI"):
        raise RuntimeError("CI without diffusers and transformers")
    return False


class EmbeddedTest(GenerateTest):
    def draw(self, prompt: str, *more: object, **options: object) -> subprocess.CompletedProcess[str]:
        words = (BIN / "xattn", "generate", "--prompt", prompt, "--output", self.out, "--threads", 1, "--seed", 3,
                 "--quiet", "--force", *more)  # fmt: skip
        return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, **options)

    def drawn(self, prompt: str, *more: object, **options: object) -> np.ndarray:
        """The picture, of which nothing is said."""
        result = self.draw(prompt, *more, **options)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        return pixels(self.out)


class Folder(unittest.TestCase):
    def test_it_is_small_and_has_a_card(self) -> None:
        files = [path for path in MODEL.rglob("*") if path.is_file()]
        self.assertLessEqual(sum(path.stat().st_size for path in files), MOST_BYTES)
        weights = [load_safetensors(path)[0] for path in files if path.suffix == ".safetensors"]
        self.assertEqual(len(weights), 3)
        tensors = [tensor for tensors in weights for tensor in tensors.values() if tensor.is_floating_point()]
        self.assertEqual({tensor.dtype for tensor in tensors}, {torch.float16})
        self.assertLessEqual(sum(tensor.numel() for tensor in tensors), MOST_PARAMETERS)
        self.assertTrue((MODEL / "README.md").read_text().strip())

    def test_it_is_a_diffusers_pipeline(self) -> None:
        index = json.loads((MODEL / "model_index.json").read_text())
        classes = {name: value[1] for name, value in index.items() if isinstance(value, list) and value[1]}
        self.assertEqual(classes.pop("scheduler"), "DPMSolverMultistepScheduler")
        self.assertIn(classes.pop("tokenizer"), ("CLIPTokenizer", "CLIPTokenizerFast"))
        self.assertEqual(
            classes, {"text_encoder": "CLIPTextModel", "unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
        )


@unittest.skipUnless(have_originals(), "no diffusers and transformers")
class Parity(EmbeddedTest):
    def test_the_pictures_are_pythons(self) -> None:
        import diffusers

        torch.set_num_threads(1)
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(MODEL)
        pipe.set_progress_bar_config(disable=True)
        for prompt in (KOREAN, ENGLISH):
            with self.subTest(prompt=prompt):
                generator = torch.Generator().manual_seed(3)
                theirs = np.asarray(pipe(prompt, num_inference_steps=25, guidance_scale=4, generator=generator).images[0])
                self.same_picture(self.drawn(prompt), theirs)
                # The twin: another seed is another picture.
                with self.assertRaises(AssertionError):
                    self.same_picture(self.drawn(prompt, "--seed", 4), theirs)


class Generate(EmbeddedTest):
    def test_without_a_model_it_draws(self) -> None:
        result = self.draw(KOREAN, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        parameters = json.loads(result.stdout)["parameters"]
        for name, value in (
            ("prompt", KOREAN),
            ("model", "bada"),
            ("steps", 25),
            ("guidance_scale", 4),
            ("width", 128),
            ("height", 128),
            ("dtype", "float32"),
        ):
            self.assertEqual(parameters[name], value, name)
        # Its scheduler's config has -Infinity, which JSON has no number for.
        self.assertEqual(parameters["scheduler"]["_class_name"], "DPMSolverMultistepScheduler")
        self.assertEqual(parameters["scheduler"]["lambda_min_clipped"], "-Infinity")
        texts = Image.open(self.out).text
        self.assertIn("Sampler: DPM++ 2M, ", texts["parameters"])
        self.assertEqual(json.loads(texts["xattn"])["scheduler"], parameters["scheduler"])
        same = self.draw(KOREAN, "--model", MODEL, "--steps", 25, "--cfg-scale", 4)
        self.assertEqual(same.returncode, 0, same.stderr)
        self.same_picture(pixels(self.out), self.drawn(KOREAN))

    def test_a_word_changes_the_picture(self) -> None:
        pictures = [self.drawn(f"a {colour} balloon over the sea") for colour in ("red", "yellow", "red")]
        np.testing.assert_array_equal(pictures[0], pictures[2])
        self.assertFalse(np.array_equal(pictures[0], pictures[1]))

    def test_options_are_honoured(self) -> None:
        plain = self.drawn(ENGLISH, "--steps", 3)
        for more in (("--dtype", "bf16"), ("--cfg-scale", 2), ("--scheduler", "euler"), ("--negative-prompt", "the sea")):
            result = self.draw(ENGLISH, "--steps", 3, *more)  # Euler's options are others, of which it warns
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertFalse(np.array_equal(plain, pixels(self.out)), more)
        self.assertEqual(self.drawn(ENGLISH, "--steps", 2, "-W", 96, "-H", 64).shape, (64, 96, 3))
        result = self.draw(ENGLISH, "--variant", "fp16")
        self.assertEqual(result.returncode, 3)
        self.assertIn(".fp16.", result.stderr)
        prompts = self.folder / "prompts.txt"
        prompts.write_text(f"{KOREAN}\n{ENGLISH}\n")
        words = ("xattn", "generate", "--prompt-file", prompts, "--steps", 3, "--seed", 3, "--threads", 1)
        self.succeed(*words, "--output", self.out)
        self.same_picture(pixels(self.folder / "out-0002.png"), plain)


class Places(EmbeddedTest):
    def test_any_working_directory_and_any_name_of_the_program(self) -> None:
        expected = self.drawn(ENGLISH, "--steps", 1)
        link = self.folder / "link"
        link.symlink_to(BIN / "xattn")
        for program, folder in ((BIN / "xattn", "/"), ("./xattn", BIN), ("xattn", self.folder), (link, self.folder)):
            with self.subTest(program=program):
                words = (program, "generate", "-p", ENGLISH, "-o", self.out, "--steps", 1, "-s", 3, "--threads", 1, "--force")
                environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
                subprocess.run([str(word) for word in words], cwd=folder, env=environment, check=True, capture_output=True)
                self.same_picture(pixels(self.out), expected)

    def test_the_variable_names_another_place(self) -> None:
        expected = self.drawn(ENGLISH, "--steps", 1)
        copy = self.folder / "elsewhere"
        shutil.copytree(MODEL, copy / "bada")
        environment = {**os.environ, "XATTN_SHARE_DIR": str(copy)}
        self.same_picture(self.drawn(ENGLISH, "--steps", 1, env=environment), expected)
        shutil.rmtree(copy / "bada/unet")
        self.refuses(f"{copy}/bada/unet", environment)
        (copy / "bada/model_index.json").unlink()
        self.refuses(f"expected a folder with bada/model_index.json, got {copy}, which has none", environment)
        missing = {**os.environ, "XATTN_SHARE_DIR": "/not/there"}
        self.refuses("[share_dir] XATTN_SHARE_DIR: expected a folder with bada/model_index.json, got /not/there", missing)
        self.assertEqual(self.draw(ENGLISH, "--steps", 1, "--model", MODEL, env=missing).returncode, 0)

    def refuses(self, text: str, environment: dict[str, str]) -> None:
        self.out.unlink(missing_ok=True)
        result = self.draw(ENGLISH, env=environment)
        self.assertEqual((result.returncode, result.stdout), (3, ""), result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(text, result.stderr)
        self.assertFalse(self.out.exists())


class UnknownWords(EmbeddedTest):
    def says(self, expected: str, prompt: str, *more: object) -> None:
        result = self.draw(prompt, "--steps", 1, *more)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", expected))

    def test_they_are_named_in_one_line(self) -> None:
        self.says("", KOREAN)
        self.says("", f"{ENGLISH.upper()}!")
        self.says(f"{DOES_NOT_KNOW}'dragon', 'castle'\n", "A Dragon, a castle: the dragon")
        self.says(f"{DOES_NOT_KNOW}'쿼카가'\n", "쿼카가 있는 바다")
        self.says(f"{DOES_NOT_KNOW}'dragon'\n", ENGLISH, "--negative-prompt", "dragon")
        many = " ".join(f"{letter}qqqq" for letter in "abcdefghijklm")
        self.assertTrue(self.draw(many, "--steps", 1).stderr.endswith(", 'jqqqq' and 3 more\n"))

    def test_the_signs_of_a_syntax_are_no_words(self) -> None:
        for syntax, prompt in (("a1111", "(the sea:1.3) BREAK (dragon)"), ("compel", "(the sea)++ dragon--")):
            self.says(f"{DOES_NOT_KNOW}'dragon'\n", prompt, "--prompt-syntax", syntax)

    def test_all_lines_of_a_file_are_one(self) -> None:
        prompts = self.folder / "prompts.txt"
        prompts.write_text("a dragon\nthe sea\na castle and a dragon\n")
        words = ["generate", "--prompt-file", prompts, "--output", self.out, "--steps", 1, "--threads", 1, "--quiet"]
        result = subprocess.run([str(BIN / "xattn"), *map(str, words)], capture_output=True, text=True, check=True)
        self.assertEqual(result.stderr.replace(", 'and'", ""), f"{DOES_NOT_KNOW}'dragon', 'castle'\n")

    def test_another_model_is_not_asked(self) -> None:
        self.says("", "a dragon", "--model", MODEL)


class Demo(ProgramTest):
    same_picture = GenerateTest.same_picture
    NAMES = ("bada-en.png", "bada-ko.png")

    def demo(self, *more: object) -> tuple[object, ...]:
        small = ("--embed-dim", 16, "--image-size", 8, "--batch", 1, "--device", "cpu")
        return ("xattn-demo", *small, "--pictures", self.folder / "pictures", *more)

    def test_it_ends_with_the_pictures(self) -> None:
        folder = self.folder / "pictures"
        for _ in range(2):  # its own pictures are written over
            out = self.succeed(*self.demo())
            lines = out.splitlines()
            self.assertEqual(out.count("as expected"), 2)
            seed = lines[-3].removeprefix("The embedded model draws, with seed ").removesuffix(":")
            self.assertEqual(lines[-2:], [f"{folder}/bada-ko.png: {KOREAN}", f"{folder}/bada-en.png: {ENGLISH}"])
            self.assertEqual(sorted(path.name for path in folder.iterdir()), list(self.NAMES))
        one = self.folder / "one.png"
        for name, prompt in zip(self.NAMES, (ENGLISH, KOREAN), strict=True):
            self.succeed("xattn", "generate", "-p", prompt, "-s", seed, "-o", one, "--force")
            self.same_picture(pixels(folder / name), pixels(one))

    def test_files_of_others_stay(self) -> None:
        folder = self.folder / "pictures"
        folder.mkdir()
        (folder / "bada-en.png").write_text("mine")
        line = self.fail_with(2, *self.demo())
        self.assertIn("--pictures: ", line)
        self.assertIn("bada-en.png exists and is not a picture of this program", line)
        self.assertEqual([path.read_text() for path in folder.iterdir()], ["mine"])

    def test_a_folder_that_cannot_be_made(self) -> None:
        (self.folder / "pictures").write_text("a file")
        result = subprocess.run([BIN / "xattn-demo", *map(str, self.demo()[1:])], capture_output=True, text=True)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(f"{self.folder}/pictures", result.stderr)

    def test_a_terminal_shows_them(self) -> None:
        words = [str(BIN / "xattn-demo"), *map(str, self.demo()[1:])]
        code, written = on_terminal(words, 300, 100)
        self.assertEqual(code, 0, written)
        shown = [line for line in without_colours(written).split("\n") if line.startswith("▀")]
        self.assertEqual((len(shown), {len(line) for line in shown}), (64, {128 + 4 + 128}))
        for environment in ({"COLORTERM": ""}, {"LC_ALL": "C"}, {"NO_COLOR": "1"}):
            code, written = on_terminal(words, 300, 100, **environment)
            self.assertEqual(code, 0, written)
            self.assertNotIn("▀", written)


# The discovery runs the other files' own tests by themselves.
del ProgramTest, GenerateTest, EmbeddedTest

if __name__ == "__main__":
    unittest.main()
