"""Each option of each command, with each kind of input: honoured, or refused by its name."""

import json
import re
import shutil
import subprocess
import sys
import unittest
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from generate_test import PIPELINES, PROMPT, have_pipelines, pixels  # noqa: E402
from programs_test import BIN, FILES, ProgramTest, call  # noqa: E402
from pretrained_test import FOLDERS, have_folders, inputs_of  # noqa: E402
from xattn_export import load_safetensors, save_safetensors  # noqa: E402

IMAGE, MASK = (PIPELINES / f"images/sd1_inpaint_soft_mask{end}.png" for end in ("", "_mask"))
FILE_KINDS = ("safetensors", "state_dict.pt", "scripted.pt", "traced.pt")
DIR, EMBEDDED = "folder", "embedded"
ALL = (*FILE_KINDS, DIR)
HONOURED, REFUSED = "honoured", "refused"
Words = tuple[object, ...]


def on(files: str, folder: str) -> dict[str, str]:
    return {**dict.fromkeys(FILE_KINDS, files), DIR: folder}


# command -> option -> its value, and what each kind of input does with it. What is honoured shows: in what is
# written or printed (EFFECTS below).
BOTH, FILE_ONLY, FOLDER_ONLY = on(HONOURED, HONOURED), on(HONOURED, REFUSED), on(REFUSED, HONOURED)
TABLE: dict[str, dict[str, tuple[Words, dict[str, str]]]] = {
    "inspect": {
        "--variant": (("fp16",), FOLDER_ONLY),
        "--json": ((), BOTH),
    },
    "convert": {
        "--dtype": (("float16",), BOTH),
        "--variant": (("fp16",), FOLDER_ONLY),
        "--output-variant": (("fp16",), FOLDER_ONLY),
        "--max-shard-size": (("20KB",), FOLDER_ONLY),
    },
    "run": {
        "--heads": ((4,), FILE_ONLY),
        "--token-layout": (("spatial",), FILE_ONLY),
        "--method": (("encode",), FOLDER_ONLY),
        "--variant": (("fp16",), FOLDER_ONLY),
        "--dtype": (("float16",), BOTH),
        "--weights-dtype": (("bf16",), FOLDER_ONLY),
        "--precision": (("precise",), BOTH),
        "--plan": (("absent.json",), BOTH),
        "--tune": (("plan.json",), BOTH),
        "--device": (("cuda:99",), BOTH),
        "--repeat": ((2,), BOTH),
        "--json": ((), BOTH),
    },
    "verify": {
        "--golden": (("golden.safetensors",), FOLDER_ONLY),
        "--variant": (("fp16",), FOLDER_ONLY),
        "--dtype": (("float64",), FOLDER_ONLY),
        "--weights-dtype": (("bf16", "--all"), FOLDER_ONLY),
        "--device": (("cuda:99",), FOLDER_ONLY),
        "--prefix": (("",), FOLDER_ONLY),
        "--tolerance": ((1e-30,), {**BOTH, "safetensors": REFUSED, "state_dict.pt": REFUSED}),
        "--all": ((), FOLDER_ONLY),
        "--json": ((), {**BOTH, "safetensors": REFUSED, "state_dict.pt": REFUSED}),
    },
    # The kinds are pipelines; without a model it is the embedded one.
    "generate": {
        "--negative-prompt": (("dark",), {"sd2": HONOURED, EMBEDDED: HONOURED, "xl": HONOURED, "lcm": REFUSED}),
        "--prompt-2": (("dark",), {"xl": HONOURED, "sd2": REFUSED, EMBEDDED: REFUSED, "lcm": REFUSED}),
        "--negative-prompt-2": (("dark", "--negative-prompt", "night"), {"xl": HONOURED, "sd2": REFUSED, EMBEDDED: REFUSED}),
        "--prompt-syntax": (("a1111",), {"sd2": HONOURED, EMBEDDED: HONOURED, "xl": HONOURED}),
        "--clip-skip": ((1,), {"sd2": HONOURED, EMBEDDED: HONOURED, "xl": HONOURED, "lcm": HONOURED}),
        "--steps": ((3,), {"sd2": HONOURED, EMBEDDED: HONOURED, "lcm": HONOURED}),
        "--guidance-scale": ((2.5,), {"sd2": HONOURED, EMBEDDED: HONOURED, "xl": HONOURED, "lcm": HONOURED}),
        "--guidance-rescale": ((0.7,), {"sd2": HONOURED, EMBEDDED: HONOURED, "xl": HONOURED}),
        "--eta": ((0.5,), {"sd2": HONOURED, EMBEDDED: REFUSED, "xl": REFUSED}),
        "--seed": ((8,), {"sd2": HONOURED, EMBEDDED: HONOURED}),
        "--scheduler": (("euler",), {"sd2": HONOURED, EMBEDDED: HONOURED}),
        "--height": ((72,), {"sd2": HONOURED, EMBEDDED: HONOURED, "xl": HONOURED, "lcm": HONOURED}),
        "--width": ((56,), {"sd2": HONOURED, EMBEDDED: HONOURED}),
        "--init-image": ((IMAGE, "--strength", 0.6), {"sd2": HONOURED, EMBEDDED: HONOURED, "xl": HONOURED, "lcm": HONOURED}),
        "--strength": ((0.6, "--init-image", IMAGE), {"sd2": HONOURED, "lcm": HONOURED}),
        "--mask-image": ((MASK, "--init-image", IMAGE), {"sd2": HONOURED, "xl": HONOURED, "lcm": REFUSED}),
        "--num-images": ((2,), {"sd2": HONOURED, EMBEDDED: HONOURED}),
        "--prompt-file": (("prompts.txt",), {"sd2": HONOURED, EMBEDDED: HONOURED}),
        "--device": (("cuda:99",), {"sd2": HONOURED, EMBEDDED: HONOURED}),
        "--dtype": (("bf16",), {"sd2": HONOURED, EMBEDDED: HONOURED, "xl": HONOURED}),
        "--precision": (("precise",), {"sd2": HONOURED, EMBEDDED: HONOURED}),
        "--plan": (("absent.json",), {"sd2": HONOURED, EMBEDDED: HONOURED}),
        "--weights-dtype": (("bf16",), {"sd2": HONOURED, EMBEDDED: HONOURED, "xl": HONOURED, "lcm": HONOURED}),
        "--variant": (("fp16",), {"sd2": HONOURED, EMBEDDED: HONOURED}),
        "--threads": ((1, "--json"), {"sd2": HONOURED}),
        "--vae-tiling": (("--height", 128), {"sd2": HONOURED}),
        "--save-latents": (("latents.safetensors",), {"sd2": HONOURED}),
        "--preview-every": ((1,), {"sd2": HONOURED}),
        "--show": ((), {"sd2": HONOURED}),
        "--quiet": ((), {"sd2": HONOURED}),
        "--json": ((), {"sd2": HONOURED, EMBEDDED: HONOURED}),
        "--force": ((), {"sd2": HONOURED, EMBEDDED: HONOURED}),
    },
}  # fmt: skip
# In every call that is not of the embedded model.
GIVEN = {"run": ("--input", "--output"), "generate": ("--model", "--prompt", "--output")}


def options_of(command: str) -> set[str]:
    text = subprocess.run([BIN / "xattn", command, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ +(?:-\w,)?(--[\w-]+)", text, re.MULTILINE)) - {"--help"}


@unittest.skipUnless(have_folders(), "no golden data: they are made by a Python with diffusers")
class Options(ProgramTest):
    def setUp(self) -> None:
        super().setUp()
        self.out = self.folder / "out.safetensors"
        self.golden: Path | None = None
        self.pictures: dict[str, np.ndarray] = {}

    def test_the_table_has_every_option(self) -> None:
        for command, options in TABLE.items():
            self.assertEqual(options_of(command) - set(GIVEN.get(command, ())), set(options), command)

    def test_each_is_honoured_or_refused_by_name(self) -> None:
        for command, options in TABLE.items():
            for option, (value, kinds) in options.items():
                for kind, fate in kinds.items():
                    if command == "generate" and not have_pipelines():
                        continue
                    with self.subTest(command=command, option=option, kind=kind):
                        shutil.rmtree(self.out, ignore_errors=True)
                        self.out.unlink(missing_ok=True)
                        given = self.command(command, option, kind)
                        if fate == HONOURED:
                            self.honours(command, option, kind, given, value)
                        else:
                            self.refuses(command, option, kind, given, value)

    def command(self, command: str, option: str, kind: str) -> Words:
        """The command without the option, which must succeed."""
        model = "simple_unet_spatial" if option == "--token-layout" else "cross_attention"
        path = FILES / f"{model}.{kind}"
        if kind == DIR:
            name = "vae" if option == "--method" else "unet"
            path = FOLDERS / f"{name}_{'variant' if option == '--variant' else 'single'}"
        if command == "generate":
            self.out = self.folder / "out.png"
            prompt = () if option == "--prompt-file" else ("--prompt", PROMPT)
            own = {"--seed": (), "--steps": ("--seed", 7)}.get(option, ("--seed", 7, "--steps", 2))
            model = () if kind == EMBEDDED else ("--model", PIPELINES / kind)
            return (command, *model, *prompt, "--output", self.out, *own)
        if command == "inspect":
            return (command, path)
        if command == "convert":
            return (command, path, self.out)
        if command == "verify":
            needs_golden = kind == DIR and option != "--golden"
            return (command, path, "--golden", self.record()) if needs_golden else (command, path)
        given = FILES / f"{model}.input.safetensors"
        if kind == DIR:
            given = self.folder / "in.safetensors"
            save_safetensors({k: v.contiguous() for k, v in inputs_of(name).items()}, given)
        more = () if kind == DIR or option == "--heads" or model != "cross_attention" else ("--heads", 4)
        return (command, path, "--input", given, "--output", self.out, *more)

    def record(self) -> Path:
        if self.golden is None:
            from pretrained_test import original
            from xattn_record import record

            self.golden = self.folder / "golden.safetensors"
            model = original("unet", FOLDERS / "unet_single")
            with torch.no_grad(), record(model, self.golden):
                model(**inputs_of("unet"))
        return self.golden

    def refuses(self, command: str, option: str, kind: str, given: Words, value: Words) -> None:
        if option in ("--tolerance", "--json"):  # verify, of a file without a program: refused as it is
            self.assertIn("expected TorchScript", self.fail_with(3, "xattn", *given, option, *value))
            return
        if command == "generate":  # what a pipeline does not know, it says when it is there
            result = call("xattn", *given, option, *value)
            self.assertEqual((result.returncode, result.stdout), (3, ""), result.stderr)
            line = result.stderr.splitlines()[-1]
            self.assertRegex(line, rf"Pipeline\] {option[2:].replace('-', '_')}: expected ")
            self.assertFalse(self.out.exists())
            return
        line = self.fail_with(2, "xattn", *given, option, *value)
        self.assertIn(f"{option}: expected none for a {'folder' if kind == DIR else 'file'}, ", line)
        self.assertFalse(self.out.exists())

    def honours(self, command: str, option: str, kind: str, given: Words, value: Words) -> None:
        if option == "--golden":
            value = (self.record(),)
        if option == "--prompt-file":
            (self.folder / "prompts.txt").write_text("a blue dog\n")
        if option in ("--prompt-file", "--save-latents", "--plan", "--tune"):
            value = (self.folder / str(value[0]),)
        if option == "--force":
            self.out.write_text("another's")
        if option == "--prompt-syntax":
            given = tuple("a (red cat:1.4)" if word == PROMPT else word for word in given)
        result = call("xattn", *given, option, *value)
        effect = EFFECTS.get((command, option)) or EFFECTS["", option]
        effect(self, result, kind)


def parameters_of(picture: Path) -> dict[str, object]:
    """What is embedded in it."""
    from PIL import Image

    with Image.open(picture) as image:
        return json.loads(image.text["xattn"])


Result = subprocess.CompletedProcess[str]
Effect = Callable[[Options, Result, str], None]


def succeeded(test: Options, result: Result) -> None:
    test.assertEqual(result.returncode, 0, result.stderr)


def prints_json(test: Options, result: Result, kind: str) -> None:
    succeeded(test, result)
    test.assertTrue(json.loads(result.stdout))


def asks_for_a_device(test: Options, result: Result, kind: str) -> None:
    test.assertEqual(result.returncode, 4, result.stderr)
    test.assertRegex(result.stderr, r"^xattn: --device cuda:99: not available, .*\n$")


def reads_the_variant(test: Options, result: Result, kind: str) -> None:
    succeeded(test, result)  # the folder has no other weights


def writes_halves(test: Options, result: Result, kind: str) -> None:
    succeeded(test, result)
    path = test.out / "diffusion_pytorch_model.safetensors" if test.out.is_dir() else test.out
    test.assertEqual({tensor.dtype for tensor in load_safetensors(path)[0].values()}, {torch.float16})


def writes_files(pattern: str) -> Effect:
    def effect(test: Options, result: Result, kind: str) -> None:
        succeeded(test, result)
        test.assertTrue(list(test.out.glob(pattern)))

    return effect


def writes_tensors(*names: str) -> Effect:
    def effect(test: Options, result: Result, kind: str) -> None:
        succeeded(test, result)
        test.assertEqual(set(load_safetensors(test.out)[0]), set(names))

    return effect


def takes_heads(test: Options, result: Result, kind: str) -> None:
    writes_tensors("output")(test, result, kind)
    test.assertIn("num_heads=4", result.stdout)


def tells_times(test: Options, result: Result, kind: str) -> None:
    succeeded(test, result)
    test.assertRegex(result.stdout, r"\nseconds: [^,\n]+, [^,\n]+\n")


def compares(test: Options, result: Result, kind: str) -> None:
    succeeded(test, result)
    test.assertIn("are within", result.stdout)


def compares_every_call(test: Options, result: Result, kind: str) -> None:
    compares(test, result, kind)
    test.assertNotIn("more (--all)", result.stdout)


def compares_in_doubles(test: Options, result: Result, kind: str) -> None:
    compares(test, result, kind)
    line = "xattn: verify: the recording is in float32, its inputs are converted to float64\n"
    test.assertEqual(result.stderr, line)


def finds_all_too_far(test: Options, result: Result, kind: str) -> None:
    test.assertEqual(result.returncode, 1, result.stderr)
    test.assertRegex(result.stdout, "diverge|MISMATCH")


def plain_picture(test: Options, kind: str) -> np.ndarray:
    """What a pipeline makes without an option."""
    if kind not in test.pictures:
        out = test.folder / f"plain-{kind}.png"
        test.succeed("xattn", *(out if word == test.out else word for word in test.command("generate", "", kind)))
        test.pictures[kind] = pixels(out)
    return test.pictures[kind]


def makes_another_picture(name: str, value: object) -> Effect:
    """Another one than without the option, which is among the picture's parameters."""

    def effect(test: Options, result: Result, kind: str) -> None:
        succeeded(test, result)
        made, plain = pixels(test.out), plain_picture(test, kind)
        test.assertFalse(made.shape == plain.shape and (made == plain).all())
        test.assertEqual(parameters_of(test.out)[name], value)

    return effect


def makes_the_same_picture(test: Options, result: Result, kind: str) -> None:
    succeeded(test, result)
    test.assertTrue((pixels(test.out) == plain_picture(test, kind)).all())


def makes_two_pictures(test: Options, result: Result, kind: str) -> None:
    succeeded(test, result)
    made = sorted(test.folder.glob("out-*.png"))
    test.assertEqual([path.name for path in made], ["out-0001.png", "out-0002.png"])
    for path in made:
        path.unlink()


def says_nothing(test: Options, result: Result, kind: str) -> None:
    makes_the_same_picture(test, result, kind)
    test.assertEqual((result.stdout, result.stderr), ("", ""))


def tells_the_threads(test: Options, result: Result, kind: str) -> None:
    prints_json(test, result, kind)
    test.assertEqual(json.loads(result.stdout)["threads"], 1)


def is_precise(test: Options, result: Result, kind: str) -> None:
    """At most a rounding away."""
    succeeded(test, result)
    test.assertEqual(parameters_of(test.out)["precision"], "precise")
    off = pixels(test.out).astype(int) - plain_picture(test, kind)
    test.assertLessEqual(np.abs(off).max(), 1)


def writes_outputs(test: Options, result: Result, kind: str) -> None:
    succeeded(test, result)
    test.assertTrue(load_safetensors(test.out)[0])


def takes_the_scheduler(test: Options, result: Result, kind: str) -> None:
    succeeded(test, result)
    test.assertFalse((pixels(test.out) == plain_picture(test, kind)).all())
    parameters = parameters_of(test.out)
    test.assertEqual(parameters["scheduler"]["_class_name"], "EulerDiscreteScheduler")


def asks_for_a_terminal(test: Options, result: Result, kind: str) -> None:
    test.assertEqual(result.returncode, 2)  # on one: generate_terminal_test.py
    test.assertIn("--show: expected a terminal", result.stderr)


def has_no_such_weights(test: Options, result: Result, kind: str) -> None:
    test.assertEqual(result.returncode, 3)
    test.assertIn(".fp16.", result.stderr)


def asks_for_a_plan(test: Options, result: Result, kind: str) -> None:
    test.assertEqual(result.returncode, 3)  # one that is there: plan_test.py
    test.assertIn("absent.json: ", result.stderr)


def writes_a_plan(test: Options, result: Result, kind: str) -> None:
    writes_outputs(test, result, kind)
    test.assertTrue(json.loads((test.folder / "plan.json").read_text())["layers"])


def saves_latents(test: Options, result: Result, kind: str) -> None:
    makes_the_same_picture(test, result, kind)
    test.assertEqual(set(load_safetensors(test.folder / "latents.safetensors")[0]), {"latents"})


EFFECTS: dict[tuple[str, str], Effect] = {
    ("generate", "--negative-prompt"): makes_another_picture("negative_prompt", "dark"),
    ("generate", "--prompt-2"): makes_another_picture("prompt_2", "dark"),
    ("generate", "--negative-prompt-2"): makes_another_picture("negative_prompt_2", "dark"),
    ("generate", "--prompt-syntax"): makes_another_picture("prompt_syntax", "a1111"),
    ("generate", "--clip-skip"): makes_another_picture("clip_skip", 1),
    ("generate", "--steps"): makes_another_picture("steps", 3),
    ("generate", "--guidance-scale"): makes_another_picture("guidance_scale", 2.5),
    ("generate", "--guidance-rescale"): makes_another_picture("guidance_rescale", 0.7),
    ("generate", "--eta"): makes_another_picture("eta", 0.5),
    ("generate", "--seed"): makes_another_picture("seed", 8),
    ("generate", "--height"): makes_another_picture("height", 72),
    ("generate", "--width"): makes_another_picture("width", 56),
    ("generate", "--init-image"): makes_another_picture("task", "image-to-image"),
    ("generate", "--strength"): makes_another_picture("strength", 0.6),
    ("generate", "--mask-image"): makes_another_picture("task", "inpainting"),
    ("generate", "--prompt-file"): makes_another_picture("prompt", "a blue dog"),
    ("generate", "--dtype"): makes_another_picture("dtype", "bfloat16"),
    ("generate", "--weights-dtype"): makes_another_picture("weights_dtype", "bfloat16"),
    ("generate", "--precision"): is_precise,
    ("run", "--precision"): writes_outputs,  # which: precision_test.py
    ("run", "--weights-dtype"): writes_tensors("sample"),  # which: stored_weights_test.py
    ("verify", "--weights-dtype"): compares_every_call,
    ("generate", "--vae-tiling"): makes_another_picture("vae_tiling", True),
    ("generate", "--scheduler"): takes_the_scheduler,
    ("generate", "--num-images"): makes_two_pictures,
    ("generate", "--variant"): has_no_such_weights,
    ("generate", "--threads"): tells_the_threads,
    ("generate", "--save-latents"): saves_latents,
    ("generate", "--preview-every"): makes_the_same_picture,  # while it runs: generate_terminal_test.py
    ("generate", "--show"): asks_for_a_terminal,
    ("generate", "--quiet"): says_nothing,
    ("generate", "--force"): makes_the_same_picture,
    ("", "--json"): prints_json,
    ("verify", "--json"): prints_json,
    ("", "--device"): asks_for_a_device,
    ("", "--variant"): reads_the_variant,
    ("verify", "--variant"): lambda test, result, kind: test.assertIn(result.returncode, (0, 1), result.stderr),
    ("", "--dtype"): writes_halves,
    ("verify", "--dtype"): compares_in_doubles,
    ("", "--output-variant"): writes_files("diffusion_pytorch_model.fp16.safetensors"),
    ("", "--max-shard-size"): writes_files("*-00002-of-*.safetensors"),
    ("", "--plan"): asks_for_a_plan,
    ("", "--tune"): writes_a_plan,
    ("", "--heads"): takes_heads,
    ("", "--token-layout"): writes_tensors("output"),
    ("", "--method"): writes_tensors("mean", "logvar"),
    ("", "--repeat"): tells_times,
    ("", "--golden"): compares,
    ("", "--prefix"): compares,
    ("", "--tolerance"): finds_all_too_far,
    ("", "--all"): compares_every_call,
}


# The discovery runs the other files' own tests by themselves.
del ProgramTest

if __name__ == "__main__":
    unittest.main()
