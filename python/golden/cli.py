"""Files for the tests of the command-line tool: exports of both modules with inputs and outputs."""

from pathlib import Path

import torch
from torch import Tensor, nn

from xattn_export import export, save_safetensors
from xattn_reference import CrossAttention, SimpleUNet


def write(out_dir: Path) -> None:
    """Writes NAME.{scripted.pt,traced.pt,state_dict.pt,safetensors} and NAME.{input,expected}.

    cross_attention        E=64, 4 heads: image_features [2,30,64], text_features [2,7,64]
    simple_unet_LAYOUT     E=64, spatial and reinterpret: images [2,3,16,12], text_features [2,5,64]
    simple_unet_published  E=256, runs on a 1x1 latent only: images [4,3,2,2], text_features [4,10,256]
    """
    out_dir.mkdir(parents=True)
    torch.manual_seed(3_000_000)
    attention_inputs = {
        "image_features": torch.randn(2, 30, 64),
        "text_features": torch.randn(2, 7, 64),
    }
    _write(out_dir / "cross_attention", CrossAttention(64, 4), attention_inputs)
    unet_inputs = {"images": torch.randn(2, 3, 16, 12), "text_features": torch.randn(2, 5, 64)}
    for layout in ("spatial", "reinterpret"):
        _write(out_dir / f"simple_unet_{layout}", SimpleUNet(64, layout), unet_inputs)
    published_inputs = {"images": torch.randn(4, 3, 2, 2), "text_features": torch.randn(4, 10, 256)}
    _write(out_dir / "simple_unet_published", SimpleUNet(256, "published"), published_inputs)


def _write(path: Path, module: nn.Module, inputs: dict[str, Tensor]) -> None:
    module.eval()
    export(module, path, list(inputs.values()))
    save_safetensors(inputs, f"{path}.input.safetensors")
    with torch.no_grad():
        save_safetensors({"output": module(**inputs)}, f"{path}.expected.safetensors")
