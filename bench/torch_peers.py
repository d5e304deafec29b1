"""The PyTorch contenders: the same weights in four other ways to compute the same numbers."""

import math
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contenders import LIMIT_SIZE

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

from xattn_export import load_safetensors, save_safetensors  # noqa: E402
from xattn_reference import CrossAttention, SimpleUNet  # noqa: E402


class SdpaAttention(CrossAttention):
    """CrossAttention by torch's fused attention, with the scale of the whole width."""

    def forward(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        q = self.split_heads(self.query_proj(image_features))
        k = self.split_heads(self.key_proj(text_features))
        v = self.split_heads(self.value_proj(text_features))
        heads = F.scaled_dot_product_attention(q, k, v, scale=1 / math.sqrt(self.embed_dim))
        return self.out_proj(self.merge_heads(heads))


class MhaAttention(nn.Module):
    """CrossAttention by nn.MultiheadAttention.

    Its scale is that of one head, 1 / sqrt(E / H); ours is 1 / sqrt(E). The query projection times
    1 / sqrt(H) makes up for it.
    """

    def __init__(self, original: CrossAttention) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(
            original.embed_dim, original.num_heads, batch_first=True
        )
        q, k, v = original.query_proj, original.key_proj, original.value_proj
        scale = 1 / math.sqrt(original.num_heads)
        weight = torch.cat([q.weight * scale, k.weight, v.weight])
        bias = torch.cat([q.bias * scale, k.bias, v.bias])
        out = original.out_proj
        self.attention.load_state_dict(
            {
                "in_proj_weight": weight,
                "in_proj_bias": bias,
                "out_proj.weight": out.weight,
                "out_proj.bias": out.bias,
            }
        )

    def forward(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        return self.attention(image_features, text_features, text_features, need_weights=False)[0]


def load_module(folder: Path) -> nn.Module:
    """The reference module that weights.safetensors holds."""
    tensors, metadata = load_safetensors(folder / "weights.safetensors")
    if metadata["class"] == "SimpleUNet":
        module: nn.Module = SimpleUNet(int(metadata["embed_dim"]), metadata["token_layout"])
    else:
        module = CrossAttention(int(metadata["embed_dim"]), int(metadata["num_heads"]))
    module.load_state_dict(tensors)
    return module.eval().requires_grad_(False)


def load_inputs(folder: Path) -> list[Tensor]:
    """The arguments of forward."""
    tensors, _ = load_safetensors(folder / "input.safetensors")
    names = ("images", "text_features") if "images" in tensors else ("image_features", "text_features")
    return [tensors[name] for name in names]


def other_attention(original: CrossAttention, contender: str) -> nn.Module:
    """The attention of `contender` with the weights of `original`."""
    if contender == "torch-sdpa":
        attention = SdpaAttention(original.embed_dim, original.num_heads)
        attention.load_state_dict(original.state_dict())
        return attention
    return MhaAttention(original) if contender == "torch-mha" else original


def adapt(module: nn.Module, contender: str) -> nn.Module:
    """The module as `contender` runs it."""
    if isinstance(module, SimpleUNet):
        module.cross_attention = other_attention(module.cross_attention, contender)
    else:
        module = other_attention(module, contender)
    module = module.eval().requires_grad_(False)
    if contender == "torch-compile":
        return torch.compile(module, dynamic=False)
    if contender == "torch-compile-frozen":
        return torch.compile(module, dynamic=False, options={"freezing": True})
    return module


class TorchForward:
    """A PyTorch contender with its inputs."""

    def __init__(self, contender: str, folder: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self._module = adapt(load_module(folder), contender)
        self._inputs = load_inputs(folder)

    @torch.inference_mode()
    def __call__(self) -> Tensor:
        return self._module(*self._inputs)

    def save(self, path: Path) -> None:
        save_safetensors({"output": self()}, path)


class Sgemm:
    """What the machine can do: a large square product, by torch.mm or by oneDNN."""

    def __init__(self, contender: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._a, self._b = torch.randn(2, LIMIT_SIZE, LIMIT_SIZE)
        self._product = torch.mm if contender == "sgemm-mm" else onednn_product

    @torch.inference_mode()
    def __call__(self) -> Tensor:
        return self._product(self._a, self._b)

    def save(self, path: Path) -> None:
        save_safetensors({"output": self()}, path)


def onednn_product(a: Tensor, b: Tensor) -> Tensor:
    """a times b transposed, in float32, by the operator that frozen models use."""
    return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
