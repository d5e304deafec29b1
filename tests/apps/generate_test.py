"""xattn generate: diffusers' pictures from the command line, seeds, files, parameters, and what is refused."""

import json
import os
import resource
import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from programs_test import BIN, ProgramTest, call  # noqa: E402
from xattn_export import load_safetensors  # noqa: E402

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
PIPELINES = Path(os.environ.get("XATTN_GOLDEN_MODELS_DIR", "")) / "pipelines"
MODEL = PIPELINES / "sd2"
PROMPT = "a photograph of a red cat on the moon"
FULL_TO_BE_SHORT = 2000  # bytes: less than a picture


def have_pipelines() -> bool:
    if (PIPELINES / "cases.json").exists():
        return True
    if os.environ.get("CI"):
        raise RuntimeError("CI without golden data of pipelines (XATTN_GOLDEN_MODELS_DIR)")
    return False


def pixels(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


# The runs by diffusers that are compared: each option of the command line is in one of them.
CASES = (
    "sd1_defaults sd1_txt2img_euler sd1_txt2img_heun sd1_korean sd1_guidance_rescale sd1_eta sd1_clip_skip_1 "
    "sd1_vae_tiling sd1_img2img_grey sd1_img2img_ddim_80 sd1_inpaint_soft_mask inpaint9_inpaint_ddim_80 "
    "sd2_size_72x56 xl_defaults xl_prompt_2 xl_img2img_defaults xl_inpaint xl_refiner_img2img turbo_four_steps "
    "lcm_txt2img lcm_defaults lcm_img2img"
).split()
SAME_NAME = ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2", "clip_skip", "guidance_scale",
             "guidance_rescale", "eta", "strength", "height", "width", "seed")  # fmt: skip


def words_of(case: dict[str, Any]) -> list[object]:
    """A run's options as the command line has them."""
    words: list[object] = ["--model", PIPELINES / case["pipeline"]]
    for name, value in case["options"].items():
        if name in SAME_NAME:
            words += [f"--{name.replace('_', '-')}", value]
        elif name == "num_inference_steps":
            words += ["--steps", value]
        elif name == "scheduler" and not value["overrides"]:
            words += ["--scheduler", value["class"]]
        elif name in ("init_image", "mask_image"):
            end = "_mask" if name == "mask_image" else ""
            words += [f"--{name.replace('_', '-')}", PIPELINES / "images" / f"{case['name']}{end}.png"]
        elif name == "vae_tiling" and value:
            words += ["--vae-tiling"]
        else:
            raise ValueError(f"{case['name']}: {name} has no option")
    return words


class GenerateTest(ProgramTest):
    def setUp(self) -> None:
        super().setUp()
        self.out = self.folder / "out.png"

    def words(self, *more: object, model: Path = MODEL) -> tuple[object, ...]:
        """A picture in few steps."""
        return ("xattn", "generate", "--model", model, "--output", self.out, "--threads", 1, *more)

    def fail_with(self, code: int, *arguments: object) -> str:
        """As the others', but what is said of a folder as it is read is no error."""
        result = call(*arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        lines = [line for line in result.stderr.splitlines() if not line.startswith("xattn: warning: ")]
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("xattn: "), result.stderr)
        return lines[0]

    def generate(self, *more: object, model: Path = MODEL) -> str:
        return self.succeed(*self.words("--prompt", PROMPT, "--steps", 2, *more, model=model))

    def refused(self, code: int, *more: object, model: Path = MODEL) -> str:
        """A run that must fail, and leave nothing behind."""
        before = sorted(self.folder.iterdir())
        line = self.fail_with(code, *self.words("--prompt", PROMPT, "--steps", 2, *more, model=model))
        self.assertEqual(sorted(self.folder.iterdir()), before)
        return line

    def same_picture(self, ours: np.ndarray, theirs: np.ndarray) -> None:
        """At most one value in a thousand is one off."""
        self.assertEqual(ours.shape, theirs.shape)
        difference = np.abs(ours.astype(int) - theirs.astype(int))
        self.assertLessEqual(difference.max(), 1)
        self.assertLessEqual((difference > 0).mean(), 1e-3)


@unittest.skipUnless(have_pipelines(), "no golden data: they are made by a Python with diffusers")
class Parity(GenerateTest):
    def test_pictures_and_latents_are_diffusers(self) -> None:
        cases = {case["name"]: case for case in json.loads((PIPELINES / "cases.json").read_text())}
        for name in CASES:
            with self.subTest(case=name):
                case, latents = cases[name], self.folder / "latents.safetensors"
                golden = load_safetensors(PIPELINES / case["file"])[0]
                words = ("--output", self.out, "--threads", 1, "--save-latents", latents, "--force")
                self.succeed("xattn", "generate", *words, *words_of(case))
                self.same_picture(pixels(self.out), golden["image"][0].numpy())
                ours = load_safetensors(latents)[0]
                self.assertEqual(list(ours), ["latents"])
                last = max(int(key.split(".")[1]) for key in golden if key.split(".")[-1].isdigit())
                theirs = golden[f"latents.{last}"]
                self.assertLessEqual((ours["latents"] - theirs).abs().max() / theirs.abs().max(), 1e-4)

    def test_the_defaults_are_diffusers(self) -> None:
        import diffusers

        for name in ("sd1", "xl", "lcm"):
            with self.subTest(pipeline=name):
                pipe = diffusers.DiffusionPipeline.from_pretrained(PIPELINES / name)
                pipe.set_progress_bar_config(disable=True)
                theirs = pipe(PROMPT, generator=torch.Generator().manual_seed(3)).images[0]
                self.succeed(*self.words("-p", PROMPT, "-s", 3, "--force", model=PIPELINES / name))
                self.same_picture(pixels(self.out), np.asarray(theirs))
                # The twin: another seed is another picture.
                self.succeed(*self.words("-p", PROMPT, "-s", 4, "--force", model=PIPELINES / name))
                with self.assertRaises(AssertionError):
                    self.same_picture(pixels(self.out), np.asarray(theirs))

    def test_words_are_weighed(self) -> None:
        self.generate("--seed", 1)
        plain = pixels(self.out)
        for syntax, prompt in (("a1111", "a photograph of a (red cat:1.5) on the moon"),
                               ("compel", "a photograph of a (red cat)++ on the moon")):  # fmt: skip
            words = self.words("--prompt", prompt, "--steps", 2, "--seed", 1, "--force")
            self.succeed(*words, "--prompt-syntax", syntax)
            weighed = pixels(self.out)
            self.assertFalse(np.array_equal(weighed, plain))
            self.succeed(*words)  # as plain text, the signs are words
            self.assertFalse(np.array_equal(weighed, pixels(self.out)))
        self.succeed(*self.words("-p", PROMPT, "--steps", 2, "-s", 1, "--prompt-syntax", "a1111", "--force"))
        self.same_picture(pixels(self.out), plain)


@unittest.skipUnless(have_pipelines(), "no golden data: they are made by a Python with diffusers")
class Files(GenerateTest):
    def test_pictures_are_numbered_and_can_be_made_alone(self) -> None:
        out = self.generate("--num-images", 3, "--seed", 40)
        made = [self.folder / f"out-{i:04}.png" for i in (1, 2, 3)]
        self.assertEqual(sorted(self.folder.iterdir()), made)
        for i, path in enumerate(made):
            self.assertIn(f"{path}: 64×64, seed {40 + i}\n", out)
            self.generate("--seed", 40 + i, "--force")
            np.testing.assert_array_equal(pixels(self.out), pixels(path))

    def test_a_seed_is_drawn_and_told(self) -> None:
        seeds = {json.loads(self.generate("--json", "--force"))["seeds"][0] for _ in range(2)}
        self.assertEqual(len(seeds), 2)
        drawn = pixels(self.out)
        seed = int(self.texts()["parameters"].split("Seed: ")[1].split(",")[0])
        self.assertLess(seed, 2**32)
        self.assertIn(f"seed {seed}\n", self.generate("--seed", seed, "--force"))
        np.testing.assert_array_equal(pixels(self.out), drawn)

    def test_each_line_of_a_file_makes_its_pictures(self) -> None:
        file = self.folder / "prompts.txt"
        file.write_text("a red cat\r\n\na blue dog")
        words = self.words("--prompt-file", file, "--steps", 2, "--seed", 5, "--num-images", 2, "--json")
        made = json.loads(self.succeed(*words))
        self.assertEqual(made["seeds"], [5, 6, 5, 6])
        self.assertEqual(made["parameters"]["prompt"], ["a red cat", "a blue dog"])
        self.succeed(*self.words("-p", "a blue dog", "--steps", 2, "--seed", 6))
        np.testing.assert_array_equal(pixels(self.out), pixels(Path(made["images"][3])))
        self.assertEqual(self.texts(Path(made["images"][1]))["parameters"].split("\n")[0], "a red cat")
        given = call(*self.words("--prompt-file", "-", "--steps", 2, "--seed", 6, "--force"), given="a blue dog\n")
        self.assertEqual(given.returncode, 0, given.stderr)
        np.testing.assert_array_equal(pixels(self.out), pixels(Path(made["images"][3])))

        file.write_bytes(b"a cat\n\nab\xff\n")
        line = self.fail_with(3, *self.words("--prompt-file", file, "--steps", 2, "--force"))
        self.assertIn("prompts.txt:3: [generate] prompt: expected UTF-8, got an invalid byte at offset 2", line)
        file.write_text("a cat\n(a dog:1.2.3)\n")
        line = self.fail_with(3, *self.words("--prompt-file", file, "--prompt-syntax", "a1111", "--force"))
        self.assertIn("prompts.txt:2: ", line)
        file.write_text("\n\n")
        self.assertIn("holds no prompt", self.fail_with(3, *self.words("--prompt-file", file)))
        self.fail_with(3, *self.words("--prompt-file", self.folder / "missing"))

    def test_files_that_are_there_stay(self) -> None:
        for name in ("out.png", "out-0002.png", "out.preview.png", "latents.safetensors"):
            (self.folder / name).write_text("mine")
        before = {path: path.read_bytes() for path in self.folder.iterdir()}
        preview = ("--output", self.folder / "out.png", "--force")
        self.assertIn("out.png exists; with --force", self.refused(2))
        self.assertIn("out-0002.png exists", self.refused(2, "--num-images", 3))
        free = ("xattn", "generate", "-m", MODEL, "-p", PROMPT, "--steps", 1, "-o", self.folder / "new.png")
        self.assertIn("latents.safetensors exists",
                      self.fail_with(2, *free, "--save-latents", self.folder / "latents.safetensors"))  # fmt: skip
        (self.folder / "new.preview.png").write_text("mine")
        self.assertIn("new.preview.png exists", self.fail_with(2, *free, "--preview-every", 1))
        (self.folder / "new.preview.png").unlink()
        self.assertEqual({path: path.read_bytes() for path in self.folder.iterdir()}, before)
        self.succeed("xattn", "generate", "-m", MODEL, "-p", PROMPT, "--steps", 1, *preview)
        self.assertEqual(pixels(self.out).shape, (64, 64, 3))

    def test_inputs_stay_even_by_force(self) -> None:
        given, model = self.folder / "given.png", self.folder / "model"
        shutil.copy(PIPELINES / "images/sd1_img2img_grey.png", given)
        shutil.copytree(MODEL, model)
        latents = model / "unet" / "diffusion_pytorch_model.safetensors"
        for bad in (("--output", given, "--init-image", given), ("--save-latents", latents)):
            output = () if "--output" in bad else ("--output", self.out)
            line = self.fail_with(2, "xattn", "generate", "-m", model, "-p", "x", "--force", *output, *bad)
            self.assertIn("expected another file than the input", line)

    def texts(self, path: Path | None = None) -> dict[str, str]:
        from PIL import Image

        with Image.open(path or self.out) as image:
            image.load()
            return dict(image.text)

    def test_a_picture_tells_what_it_was_made_with(self) -> None:
        more = ("--negative-prompt", "흐림, blurry", "--scheduler", "euler", "--seed", 9, "--guidance-scale", 6.5)
        printed = json.loads(self.generate(*more, "--clip-skip", 1, "-W", 72, "--json"))
        texts = self.texts()
        self.assertEqual(set(texts), {"parameters", "xattn"})
        expected = ("Steps: 2, Sampler: Euler, CFG scale: 6.5, Seed: 9, Size: 72x64, Model: sd2, Clip skip: 2, "
                    "Version: xattn 0.1.0")  # fmt: skip
        self.assertEqual(texts["parameters"].split("\n"), [PROMPT, "Negative prompt: 흐림, blurry", expected])
        parameters = json.loads(texts["xattn"])
        scheduler = parameters["scheduler"]
        self.assertEqual(scheduler["_class_name"], "EulerDiscreteScheduler")
        self.assertEqual((parameters["seed"], parameters["width"], parameters["dtype"]), (9, 72, "float32"))
        self.assertEqual(printed["parameters"], {k: v for k, v in parameters.items() if k != "seed"})
        self.assertEqual(set(printed["stages"]), {"load", "text", "image", "denoise", "decode", "save"})
        self.assertEqual((printed["seeds"], printed["images"], printed["steps"]), ([9], [str(self.out)], 2))
        self.assertGreater(printed["peak_memory"], 10_000_000)
        self.assertGreater(printed["seconds_to_first_step"], printed["stages"]["load"])

        shown = self.succeed("xattn", "inspect", self.out)
        self.assertIn(f"{self.out}: PNG, 72×64, RGB\n", shown)
        self.assertIn(f"\nparameters\n  {PROMPT}\n  Negative prompt: 흐림, blurry\n  Steps: 2, ", shown)
        document = json.loads(self.succeed("xattn", "inspect", self.out, "--json"))
        self.assertEqual(document["parameters"], parameters)
        self.assertEqual(document["text"], texts)
        self.assertEqual((document["format"], document["width"], document["height"]), ("PNG", 72, 64))

    def test_a_picture_without_parameters_says_so(self) -> None:
        from PIL import Image, PngImagePlugin

        Image.new("L", (3, 2)).save(self.out)
        self.assertEqual(
            self.succeed("xattn", "inspect", self.out),
            f"{self.out}: PNG, 3×2, grey\nit holds no text, so it does not say what it was made with\n",
        )
        self.assertIsNone(json.loads(self.succeed("xattn", "inspect", self.out, "--json"))["parameters"])
        texts = PngImagePlugin.PngInfo()
        texts.add_text("xattn", "[" * 100_000)
        texts.add_text("note", "a\x1b[31mb")
        Image.new("RGB", (3, 2)).save(self.out, pnginfo=texts)
        self.assertIn("note\n  a [31mb\n", self.succeed("xattn", "inspect", self.out))
        self.assertIsNone(json.loads(self.succeed("xattn", "inspect", self.out, "--json"))["parameters"])
        self.out.write_bytes(self.out.read_bytes()[:60])
        self.assertIn("out.png", self.fail_with(3, "xattn", "inspect", self.out))

    def test_a_full_disk_leaves_no_half_file(self) -> None:
        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_TO_BE_SHORT, FULL_TO_BE_SHORT))

        words = [BIN / "xattn", *map(str, self.words("-p", PROMPT, "--steps", 1, "--quiet")[1:])]
        # Python does not let the signal of a file that is too long through; what it starts inherits that.
        result = subprocess.run(words, preexec_fn=limit, restore_signals=False, capture_output=True, text=True)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(result.stderr, r"^xattn: \[save_png\] .*out\.png: cannot be written: File too large\n$")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_places_that_cannot_be_written(self) -> None:
        link = self.folder / "full.png"
        link.symlink_to("/dev/full")
        words = ("xattn", "generate", "-m", MODEL, "-p", PROMPT, "-o")
        self.assertIn("is not a regular file", self.fail_with(3, *words, link, "--force"))
        self.assertIn("cannot be created", self.fail_with(3, *words, self.folder / "no/out.png"))
        self.assertIn("cannot be created", self.fail_with(3, *words, self.folder / f"{300 * 'a'}.png"))
        (self.folder / "dir.png").mkdir()
        self.assertIn("is a directory", self.fail_with(3, *words, self.folder / "dir.png", "--force"))
        for name in ("out.jpg", "out", ""):
            self.assertIn("--output: expected a name that ends in .png", self.fail_with(2, *words, name))
        line = self.fail_with(2, *words, self.out, "--save-latents", "x.pt")
        self.assertIn("--save-latents: expected a name that ends in .safetensors", line)
        if os.geteuid() != 0:  # who may write everywhere
            self.folder.chmod(0o500)
            self.assertIn("cannot be created: Permission denied", self.fail_with(3, *words, self.out))
            self.folder.chmod(0o700)


@unittest.skipUnless(have_pipelines(), "no golden data: they are made by a Python with diffusers")
class Refused(GenerateTest):
    def test_what_is_no_pipeline(self) -> None:
        line = self.fail_with(3, "xattn", "generate", "-m", "", "-p", "x", "-o", self.out)
        self.assertIn("there is no such folder", line)
        self.assertIn("--output is required", self.fail_with(2, "xattn", "generate", "-p", "x", "-m", MODEL))
        self.assertIn("models are not downloaded", self.refused(3, model=Path("runwayml/stable-diffusion-v1-5")))
        unet = self.refused(3, model=MODEL / "unet")
        self.assertIn("is the folder of one model (UNet2DConditionModel), expected a pipeline's folder", unet)
        self.assertIn(f"; is {MODEL} meant?", unet)
        self.assertIn("has no model_index.json", self.refused(3, model=self.folder))
        file = MODEL / "unet" / "diffusion_pytorch_model.safetensors"
        self.assertIn("is a single file", self.refused(3, model=file))
        broken = self.folder / "broken"
        shutil.copytree(MODEL, broken)
        (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\x00" * 100)
        self.assertIn("unet/diffusion_pytorch_model.safetensors", self.refused(3, model=broken))
        (broken / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
        self.assertIn("FluxPipeline", self.refused(3, model=broken))

    def test_pictures_that_are_none(self) -> None:
        bad = self.folder / "bad.png"
        good = PIPELINES / "images/sd1_img2img_grey.png"
        bad.write_bytes(good.read_bytes()[:200])
        self.assertIn("bad.png", self.refused(3, "--init-image", bad))
        self.assertIn("bad.png", self.refused(3, "--init-image", good, "--mask-image", bad))
        self.assertIn("missing.png", self.refused(3, "--init-image", self.folder / "missing.png"))
        self.assertIn("--init-image", self.refused(2, "--mask-image", good))
        self.assertIn("--init-image", self.refused(2, "--strength", 0.5))
        self.assertIn("mask_image", self.refused(3, model=PIPELINES / "inpaint9"))

    def test_numbers_out_of_range(self) -> None:
        for option, *values in (
            ("--steps", 0, -1, "many", 1.5),
            ("--seed", -1, "x", 2**63),
            ("--num-images", 0, 10**9),
            ("--height", 0),
            ("--width", "1e3"),
            ("--guidance-scale", "nan", "x"),
            ("--guidance-rescale", 1.1, "nan"),
            ("--eta", -0.1),
            ("--clip-skip", -1),
            ("--preview-every", 0),
            ("--threads", 0, 10**6),
            ("--dtype", "banana"),
            ("--prompt-syntax", "banana"),
        ):
            for value in values:
                with self.subTest(option=option, value=value):
                    words = ("xattn", "generate", "-m", MODEL, "-p", "x", "-o", self.out, option, value)
                    line = self.fail_with(2, *words)
                    self.assertIn(option, line)
                    self.assertLess(len(line), 220)
        image = PIPELINES / "images/sd1_img2img_grey.png"
        self.assertIn("--strength", self.refused(2, "--init-image", image, "--strength", 1.5))
        self.assertIn("--seed", self.refused(2, "--seed", 2**63 - 1, "--num-images", 2))
        self.assertRegex(self.refused(3, "--height", 63), r"height: expected a multiple of 8, got 63")
        self.assertRegex(self.refused(3, "--width", 4), r"width: expected a multiple of 8, got 4")
        self.assertIn("clip_skip", self.refused(3, "--clip-skip", 99))

    def test_options_that_contradict_each_other(self) -> None:
        self.assertIn("--prompt or --prompt-file is required", self.fail_with(2, *self.words()))
        self.assertIn("--prompt-file", self.refused(2, "--prompt-file", "x"))
        self.assertIn("--negative-prompt", self.refused(2, "--negative-prompt-2", "x"))
        self.assertIn("--json", self.refused(2, "--show", "--json"))
        self.assertIn("--show: expected a terminal, stdout is none", self.refused(2, "--show"))

    def test_schedulers(self) -> None:
        line = self.refused(2, "--scheduler", "eular")
        for part in ("eulerancestral", "dpmsolvermultistep", "got 'eular'; did you mean euler?"):
            self.assertIn(part, line)
        for name in ("EulerDiscreteScheduler", "eulerdiscrete", "EULER"):
            made = json.loads(self.generate("--scheduler", name, "--json", "--force"))
            self.assertEqual(made["parameters"]["scheduler"]["_class_name"], "EulerDiscreteScheduler")

    def test_devices(self) -> None:
        self.assertIn("--device cuda:99: not available", self.refused(4, "--device", "cuda:99"))
        self.assertIn("--device", self.refused(2, "--device", "gpu"))


# The discovery runs programs_test.py's own tests by themselves.
del ProgramTest

if __name__ == "__main__":
    unittest.main()
