"""What people hand the programs by mistake: one line that says what it is and what to do."""

import sys
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from programs_test import FILES, ProgramTest  # noqa: E402
from xattn_export import save_safetensors  # noqa: E402

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3438167540\n"


class Mistaken(ProgramTest):
    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def tensors(self, name: str) -> Path:
        path = self.folder / "model.safetensors"
        save_safetensors({name: torch.zeros(2)}, path)
        return path

    def refuse(self, path: object, text: str, *commands: str) -> None:
        out = self.folder / "out"
        arguments = {
            "inspect": (),
            "convert": (out,),
            "run": ("--input", FILES / "cross_attention.input.safetensors", "--output", out),
            "verify": ("--golden", path) if Path(str(path)).is_dir() else (),
        }
        for command in commands or arguments:
            with self.subTest(path=path, command=command):
                self.assertIn(text, self.fail_with(3, "xattn", command, path, *arguments[command]))
                self.assertFalse(out.exists())

    def test_files_that_are_no_weights(self) -> None:
        for content, text in (
            (LFS, "is a Git LFS pointer"),
            (b"GGUF\3\0\0\0", "is a GGUF file"),
            (b"<!DOCTYPE html>\n<html>", "is a web page (HTML)"),
        ):
            path = self.file("model.safetensors", content)
            self.refuse(path, text)
            self.assertIn(text, self.fail_with(3, "xattn-demo", "--weights", path))
        given = self.file("in.safetensors", LFS)
        command = ("run", FILES / "cross_attention.scripted.pt", "--input", given, "--output", self.folder / "out")
        self.assertIn("is a Git LFS pointer", self.fail_with(3, "xattn", *command))

    def test_files_of_other_weights(self) -> None:
        for name, text in (
            ("model.diffusion_model.out.2.bias", "is a single-file checkpoint with Stable Diffusion's own names"),
            ("lora_unet_mid_block.lora_up.weight", "is a LoRA, changes to a model and no model"),
            ("unet.mid_block.to_q.lora_A.weight", "is a LoRA, changes to a model and no model"),
        ):
            path = self.tensors(name)
            self.refuse(path, text, "run")
            self.assertIn(text, self.fail_with(3, "xattn-demo", "--weights", path))
            self.assertIn(name, self.succeed("xattn", "inspect", path))

    def test_folders_of_other_things(self) -> None:
        for file, text in (
            ("pipeline/model_index.json", "is a pipeline's folder"),
            ("tokenizer/tokenizer_config.json", "is a tokenizer's folder"),
            ("scheduler/scheduler_config.json", "is a scheduler's folder"),
            ("hub/models--org--name/snapshots/0a1b/unet/config.json", "is the hub's cache: "),
        ):
            self.file(file, b"{}")
            self.refuse(self.folder / file.split("/")[0], text, "inspect", "convert", "run")
        self.refuse(self.folder / "hub/models--org--name", "such as 'snapshots/0a1b/unet'", "inspect", "convert", "run")

    def test_names_on_the_hub(self) -> None:
        hint = "if a name on the Hugging Face hub is meant: nothing is downloaded here, so run hf download"
        self.refuse("runwayml/stable-diffusion-v1-5", hint)
        self.assertIn(hint, self.fail_with(3, "xattn", "tokenize", "openai/clip-vit-large-patch14", "cat"))
        self.assertNotIn("hub", self.fail_with(3, "xattn", "inspect", self.folder / "missing"))

    def test_a_gpu_that_is_not_there(self) -> None:
        device = "cuda:99" if torch.cuda.is_available() else "cuda"
        for path in (self.folder, FILES / "cross_attention.scripted.pt"):
            command = ("run", path, "--input", "x", "--output", "y", "--device", device)
            self.assertIn(f"--device {device}: not available", self.fail_with(4, "xattn", *command))


# The discovery runs the other file's own tests by themselves.
del ProgramTest

if __name__ == "__main__":
    unittest.main()
