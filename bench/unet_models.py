"""The models of unet.py: shapes, random weights that diffusers draws, and the tensors of a pass."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from process import ROOT

if TYPE_CHECKING:
    import torch

sys.path.insert(0, str(ROOT / "tests/full_size"))
from full_size_pipeline_test import TINY_UNET, TINY_VAE, UNET, VAE  # noqa: E402

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")

BLOCKS = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
XL = {
    "block_out_channels": (320, 640, 1280), "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), "cross_attention_dim": 2048,
    "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816, "sample_size": 128,
}  # fmt: skip
TINY_XL = {
    **XL, "block_out_channels": (32, 64, 64), "transformer_layers_per_block": (1, 1, 2), "attention_head_dim": (2, 4, 4),
    "cross_attention_dim": 32, "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 80,
}  # fmt: skip
TOKENS, TIMESTEP = 77, 501


@dataclass(frozen=True)
class Model:
    """`class_name` is diffusers', `config` what differs from its defaults; `method` is what a pass calls of it."""

    about: str
    class_name: str
    config: dict[str, Any]
    millions: float
    method: str = "forward"


UNET_CLASS, VAE_CLASS = "UNet2DConditionModel", "AutoencoderKL"
MODELS = {
    "sd15": Model("Stable Diffusion 1.5's UNet", UNET_CLASS, {"sample_size": 64, **UNET}, 860),
    "sdxl": Model("Stable Diffusion XL's UNet", UNET_CLASS, XL, 2567),
    "vae": Model("Stable Diffusion 1.5's VAE, decoding", VAE_CLASS, {**BLOCKS, **VAE}, 84, "decode"),
    "tiny": Model("a UNet to try this script", UNET_CLASS, {"sample_size": 64, **TINY_UNET}, 2.4),
    "tiny-xl": Model("a UNet like XL's to try this script", UNET_CLASS, TINY_XL, 3),
    "tiny-vae": Model("a VAE to try this script, decoding", VAE_CLASS, {**BLOCKS, **TINY_VAE}, 0.4, "decode"),
}


@dataclass(frozen=True)
class Case:
    """A model and the shape of its input, with the places of their files below `folder`."""

    folder: Path
    kind: str
    batch: int
    size: int
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", self.folder / self.kind / f"{self.batch}x{self.size}")

    @property
    def model(self) -> Model:
        return MODELS[self.kind]

    @property
    def weights(self) -> Path:
        return self.folder / self.kind / "model"

    @property
    def inputs(self) -> Path:
        return self.home / "input.safetensors"

    @property
    def expected(self) -> Path:
        """What diffusers computes."""
        return self.home / "expected.safetensors"

    @property
    def title(self) -> str:
        return f"{self.model.about}, {self.model.millions} M parameters, {self.batch}×4×{self.size}×{self.size}, float32"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place for what shall be at `path` all at once, or not at all where its making is stopped."""
    part = path.with_name(path.name + ".part")
    if part.is_dir():
        shutil.rmtree(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    yield part
    part.rename(path)


def make(case: Case) -> None:
    """The weights and the inputs, where they are not there yet."""
    import diffusers
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    if not case.weights.exists():
        with whole(case.weights) as folder:
            getattr(diffusers, case.model.class_name)(**case.model.config).save_pretrained(folder, max_shard_size="5GB")
    if not case.inputs.exists():
        with whole(case.inputs) as file:
            save_file(_draw_inputs(case), file)


def _draw_inputs(case: Case) -> "dict[str, torch.Tensor]":
    import torch

    torch.manual_seed(2)
    inputs = {"sample": torch.randn(case.batch, 4, case.size, case.size)}
    config = case.model.config
    if case.model.class_name == UNET_CLASS:
        inputs["timestep"] = torch.tensor(TIMESTEP)
        inputs["encoder_hidden_states"] = torch.randn(case.batch, TOKENS, config["cross_attention_dim"])
    if config.get("addition_embed_type") == "text_time":
        pixels = 8.0 * case.size
        sizes = torch.tensor([pixels, pixels, 0, 0, pixels, pixels])  # of the original, where it is cut, of the target
        width = config["projection_class_embeddings_input_dim"] - len(sizes) * config["addition_time_embed_dim"]
        inputs["text_embeds"] = torch.randn(case.batch, width)
        inputs["time_ids"] = sizes.repeat(case.batch, 1)
    return inputs
