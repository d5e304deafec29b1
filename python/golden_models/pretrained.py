"""Folders as Python writes them: one file, shards, a variant, .bin, and keys as they are on the hub.

Each holds what diffusers or transformers saved and golden.safetensors with the parameters that loading must
give, by the key of our module (transformers 5 writes CLIPTextModel's without `text_model.`, the hub has it).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from common import randomize
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

Make = Callable[[], nn.Module]
Save = Callable[[nn.Module, Path], None]


def unet() -> nn.Module:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=4,
        norm_num_groups=4,
    )


def vae() -> nn.Module:
    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        sample_size=16,
    )


def text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=99,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=11,
        projection_dim=10,
        bos_token_id=97,
        eos_token_id=98,
    )


def text() -> nn.Module:
    return CLIPTextModel(text_config())


def text_with_projection() -> nn.Module:
    return CLIPTextModelWithProjection(text_config())


def single(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)


def sharded(model: Any, folder: Path) -> None:
    model.save_pretrained(folder, max_shard_size="9KB")


def variant(model: Any, folder: Path) -> None:
    model.half().save_pretrained(folder, variant="fp16")


def bfloat16(model: Any, folder: Path) -> None:
    model.bfloat16().save_pretrained(folder)


def pickled(model: Any, folder: Path) -> None:
    """transformers 5 writes no .bin any more; the hub is full of them."""
    model.save_pretrained(folder)
    names = {"diffusion_pytorch_model": "diffusion_pytorch_model", "model": "pytorch_model"}
    for written, read in names.items():
        if (folder / f"{written}.safetensors").exists():
            (folder / f"{written}.safetensors").unlink()
            torch.save(model.state_dict(), folder / f"{read}.bin")


def hub(model: Any, folder: Path) -> None:
    """CLIP's text encoders as stable-diffusion-v1-5 has them: with `text_model.` and a buffer of positions."""
    model.save_pretrained(folder)
    path = folder / "model.safetensors"
    tensors = {hub_key(model, key): value for key, value in load_file(path).items()}
    tensors["text_model.embeddings.position_ids"] = torch.arange(11)[None]
    save_file(tensors, path, metadata={"format": "pt"})


def hub_key(model: nn.Module, key: str) -> str:
    if not isinstance(model, CLIPTextModel) or key.startswith("text_model."):
        return key
    return f"text_model.{key}"


CASES: list[tuple[Make, Save]] = [
    *((make, save) for make in (unet, vae) for save in (single, sharded, variant, bfloat16, pickled)),
    *(
        (make, save)
        for make in (text, text_with_projection)
        for save in (single, sharded, variant, bfloat16, pickled, hub)
    ),
]


def write(out: Path) -> Iterator[dict[str, Any]]:
    for make, save in CASES:
        folder = out / f"{make.__name__}_{save.__name__}"
        torch.manual_seed(3)
        model = randomize(make(), seed=4)
        save(model, folder)
        parameters = {hub_key(model, key): value.contiguous() for key, value in model.state_dict().items()}
        save_file({f"param.{key}": value for key, value in parameters.items()}, folder / "golden.safetensors")
        yield {
            "name": folder.name,
            "module": type(model).__name__,
            "dtype": str(model.dtype).removeprefix("torch."),
            "arguments": {"variant": "fp16" if save is variant else ""},
            "keys": list(parameters),
        }
