"""Every snippet of the documents runs, in a folder that has what they name: a pipeline, an export.

The C++ ones are compiled into XATTN_SNIPPETS (see extract_snippets.py); the CMake one is a part of the
consumer test's project; of the shell ones, the commands must be those that the programs know.
"""

import os
import re
import runpy
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/models.md", "docs/pipelines.md", "python/README.md", "bench/README.md")]
TOKENIZER = Path(os.environ.get("XATTN_GOLDEN_MODELS_DIR", "")) / "tokenizer/sd1"
PIPELINES = Path(os.environ.get("XATTN_GOLDEN_MODELS_DIR", "")) / "pipelines"
WIDTH = 12


def snippets(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


def save_pipeline(folder: str):
    """A Stable Diffusion in miniature, with the published tokenizer."""
    import diffusers
    import transformers

    levels = {"block_out_channels": (8, 16), "norm_num_groups": 4}
    pipeline = diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(
            **levels, down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2
        ),
        text_encoder=transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                hidden_size=WIDTH, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, vocab_size=49408
            )
        ),
        tokenizer=transformers.CLIPTokenizer.from_pretrained(TOKENIZER),
        unet=diffusers.UNet2DConditionModel(
            **levels, sample_size=8, layers_per_block=1, cross_attention_dim=WIDTH, attention_head_dim=2,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ),
        scheduler=diffusers.DDIMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    return pipeline


@unittest.skipUnless(TOKENIZER.exists(), "no golden data: they are made by a Python with transformers and open_clip")
class Snippets(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        from PIL import Image

        cls.before = os.getcwd(), list(sys.path)
        cls.folder = tempfile.TemporaryDirectory()
        os.chdir(cls.folder.name)
        sys.path[:0] = [cls.folder.name, str(ROOT / "python")]
        Path("xattn").symlink_to(ROOT)
        cls.pipe = save_pipeline("stable-diffusion-v1-5")
        for name, golden in (("base", "xl"), ("refiner", "xl_refiner")):
            Path(f"stable-diffusion-xl-{name}-1.0").symlink_to(PIPELINES / golden)
        Image.new("RGB", (16, 16), (30, 90, 160)).save("photo.png")

    @classmethod
    def tearDownClass(cls) -> None:
        os.chdir(cls.before[0])
        sys.path[:] = cls.before[1]
        cls.folder.cleanup()

    def run_python(self, code: str, **names: object) -> None:
        Path("snippet.py").write_text(code)
        runpy.run_path("snippet.py", init_globals=names)

    def test_python_then_cpp(self) -> None:
        import torch

        of_folder, export = snippets(ROOT / "README.md", "python")
        # No downloads here: the small pipeline stands for the published one.
        with mock.patch("diffusers.StableDiffusionPipeline.from_pretrained", return_value=self.pipe):
            self.run_python(of_folder)
        self.assertTrue(Path("sd15/model_index.json").exists())
        self.run_python(export)
        self.assertTrue(Path("unet.scripted.pt").exists())

        Path("my_project.py").write_text("from xattn_reference import SimpleUNet as MyUNet\n")
        of_export, of_record = snippets(ROOT / "python/README.md", "python")
        self.run_python(of_export, images=torch.randn(1, 3, 8, 8), text=torch.randn(1, 5, 256))
        self.assertTrue(Path("out/my_unet.safetensors").exists())
        (of_models,) = snippets(ROOT / "docs/models.md", "python")
        for code in (of_record, of_models):
            Path("golden.safetensors").unlink(missing_ok=True)
            self.run_python(code, pipe=self.pipe)
            self.assertTrue(Path("golden.safetensors").exists())

        ran = subprocess.run([os.environ["XATTN_SNIPPETS"]], capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(ran.stdout.splitlines(), ["[4, 3, 64, 64]"] * 2)

    def test_cmake_is_the_consumers(self) -> None:
        consumer = (ROOT / "tests/package/project/CMakeLists.txt").read_text().replace("consumer", "my_program")
        for code in snippets(ROOT / "README.md", "cmake"):
            for line in code.splitlines():
                self.assertIn(line.split("#")[0].strip(), consumer)

    def test_shell_commands_are_there(self) -> None:
        known = subprocess.run([ROOT / "x", "help"], capture_output=True, text=True, check=True).stdout
        commands = re.findall(r"^  (\w+)", known, re.MULTILINE)
        for document in DOCUMENTS:
            for command in re.findall(r"(?:^|[ `])\./x (\w+)", document.read_text(), re.MULTILINE):
                self.assertIn(command, commands, f"{document.name}: ./x {command}")


if __name__ == "__main__":
    unittest.main()
