"""What the tests of `xattn train` share: pictures, models as small as can be, and runs of the program."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

XATTN = Path(os.environ["XATTN_BIN_DIR"]) / "xattn"
AUTOENCODER, TEXT_TO_IMAGE, TOKENIZER = "autoencoder", "text-to-image", "tokenizer"
WEIGHTS = "diffusion_pytorch_model.safetensors"
TEXT_WEIGHTS = "model.safetensors"
SIDE = 16
VAE_CONFIG = {
    "_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2,
    "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 4, "sample_size": SIDE,
    "scaling_factor": 0.5,
}  # fmt: skip
VOCABULARY, LENGTH = 560, 12
PIPELINE_CONFIG: dict[str, Any] = {
    "unet": {
        "_class_name": "UNet2DConditionModel", "in_channels": 4, "out_channels": 4, "sample_size": SIDE // 2,
        "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 4,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "cross_attention_dim": 16,
    },
    "text_encoder": {
        "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "vocab_size": VOCABULARY,
        "max_position_embeddings": LENGTH, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    "scheduler": {
        "_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1,
        "prediction_type": "epsilon",
    },
}  # fmt: skip

Result = subprocess.CompletedProcess[str]


def have_diffusers() -> bool:
    try:
        import diffusers  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        if os.environ.get("CI"):
            raise
        return False
    return True


def call(*words: object, given: str = "", **options: Any) -> Result:
    command = [str(XATTN), *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, **options)


def draw_pictures(folder: Path, count: int = 10, width: int = 28, height: int = 24) -> Path:
    """Waves of several colours, with two captions each."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[0:height, 0:width] / height
    lines = []
    for i in range(count):
        waves = (np.sin(i + 3 * x), np.cos(2 * i + 5 * y), np.sin(i * x * y))
        pixels = np.stack([127 + 120 * wave for wave in waves], axis=-1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        lines.append(json.dumps({"file_name": f"{i}.png", "text": [f"a wave of kind {i}", f"물결 {i}"]}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def tensors_of(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file in float32."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    entries = json.loads(data[8 : 8 + length])
    entries.pop("__metadata__", None)
    found = {}
    for name, entry in entries.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        found[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
    return found


def log_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def losses_of(run: Path) -> list[float]:
    return [entry["loss"] for entry in log_of(run)]


def checkpoints_of(run: Path) -> list[str]:
    return sorted(path.name for path in run.glob("checkpoint-*"))


def picture_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


class TrainTest(unittest.TestCase):
    """A folder for each test, and one that all of a class share, with `data`, `vae.json` and, where the class asks
    for it, a trained `vae`, a `tokenizer`, `pipeline.json` and a `model` of them."""

    has_model = False
    shared: Path

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shared = Path(folder.name)
        draw_pictures(cls.shared / "data")
        (cls.shared / "vae.json").write_text(json.dumps(VAE_CONFIG))
        if not cls.has_model:
            return
        (cls.shared / "pipeline.json").write_text(json.dumps(PIPELINE_CONFIG))
        cls.make("train", TOKENIZER, "--data", cls.shared / "data", "--output", cls.shared / "tokenizer",
                 "--vocab-size", VOCABULARY, "--model-max-length", LENGTH)  # fmt: skip
        cls.make(*cls.words(AUTOENCODER, "--max-train-steps", 2), "--output", cls.shared / "vae")
        cls.make(*cls.words(TEXT_TO_IMAGE, "--max-train-steps", 1, model=cls.from_configs()), "--output",
                 cls.shared / "model")  # fmt: skip

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.run_folder = self.folder / "run"

    @classmethod
    def make(cls, *words: object) -> None:
        result = call(*words)
        if result.returncode != 0:
            raise RuntimeError(result.stderr)

    @classmethod
    def from_configs(cls) -> tuple[object, ...]:
        return ("--config", cls.shared / "pipeline.json", "--vae", cls.shared / "vae", "--tokenizer",
                cls.shared / "tokenizer", "--train-text-encoder")  # fmt: skip

    @classmethod
    def words(cls, command: str, *more: object, model: tuple[object, ...] | None = None) -> tuple[object, ...]:
        """A run of few steps without its output. Options in `more` take the place of these."""
        if model is None:
            text_to_image = ("--model", cls.shared / "model")
            model = text_to_image if command == TEXT_TO_IMAGE else ("--config", cls.shared / "vae.json")
        standard: dict[str, object] = {
            "--data": cls.shared / "data",
            "--resolution": SIDE,
            "--train-batch-size": 4,
            "--learning-rate": 1e-3,
            "--threads": 1,
        }
        if "--num-train-epochs" not in more:
            standard["--max-train-steps"] = 3
        own = [word for name, value in standard.items() if name not in more for word in (name, value)]
        return ("train", command, *model, *own, "--quiet", *more)

    def train(self, command: str, *more: object, output: Path | None = None, **options: Any) -> Path:
        """A run that must succeed; returns its folder."""
        output = output or self.run_folder
        result = call(*self.words(command, *more, **options), "--output", output)
        self.assertEqual(result.returncode, 0, result.stderr)
        return output

    def refused(self, code: int, *words: object, **options: Any) -> str:
        """A run in a folder of its own that must fail with one line and leave no model; returns the line."""
        self.run_folder = Path(tempfile.mkdtemp(dir=self.folder)) / "run"
        if "--output" not in words:
            words = (*words, "--output", self.run_folder)
        result = call(*words, **options)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertRegex(result.stderr, "^xattn: ")
        self.assertEqual(self.saved_models(), [])
        return result.stderr

    def saved_models(self) -> list[str]:
        """What a run has written of its model."""
        names = ("config.json", "model_index.json", WEIGHTS, "unet", "text_encoder", "vae", "scheduler", "tokenizer")
        return [name for name in names if (self.run_folder / name).exists()]

    def assert_same_weights(self, one: Path, other: Path) -> None:
        """Bit for bit: one file of an autoencoder, or those of a pipeline."""
        names = [name for name in (WEIGHTS, f"unet/{WEIGHTS}", f"text_encoder/{TEXT_WEIGHTS}", f"vae/{WEIGHTS}")
                 if (other / name).exists()]  # fmt: skip
        self.assertTrue(names)
        for name in names:
            self.assertEqual((one / name).read_bytes(), (other / name).read_bytes(), name)
