"""Golden data of CrossAttention and SimpleUNet: parameters, inputs, outputs and gradients.

Letters in shapes as in xattn_reference.py.
"""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from xattn_export import export, save_safetensors
from xattn_reference import CrossAttention, SimpleUNet

# (B, N, T, E, H)
ATTENTION_FLOAT32 = [
    (1, 1, 1, 8, 1), (1, 1, 1, 8, 8), (2, 1, 10, 16, 8), (1, 10, 1, 16, 4), (1, 2, 3, 8, 2),
    (2, 4, 5, 8, 4), (3, 7, 5, 10, 5), (4, 9, 6, 12, 4), (5, 11, 7, 16, 2), (1, 13, 8, 20, 10),
    (2, 16, 9, 24, 8), (3, 17, 10, 30, 10), (4, 19, 11, 32, 8), (5, 23, 12, 32, 16),
    (1, 25, 13, 40, 8), (2, 29, 14, 40, 5), (3, 31, 15, 48, 16), (1, 36, 16, 48, 4),
    (2, 37, 17, 56, 8), (3, 41, 18, 60, 10), (4, 43, 19, 64, 1), (2, 49, 20, 64, 2),
    (2, 53, 23, 64, 4), (2, 64, 24, 64, 8), (2, 59, 29, 64, 16), (1, 61, 31, 72, 8),
    (2, 67, 32, 80, 10), (1, 71, 37, 80, 16), (3, 81, 10, 88, 8), (2, 97, 41, 96, 4),
    (1, 100, 43, 100, 5), (1, 121, 47, 112, 16), (2, 128, 53, 120, 10), (1, 144, 59, 128, 8),
    (2, 149, 61, 128, 1), (1, 169, 64, 160, 10), (1, 196, 67, 160, 16), (1, 211, 71, 192, 8),
    (2, 256, 77, 200, 5), (1, 225, 73, 240, 16), (4, 64, 10, 256, 8), (1, 300, 77, 256, 4),
    (2, 293, 77, 320, 8), (1, 64, 77, 320, 5), (1, 16, 77, 640, 10),
    (1, 5, 0, 16, 4), (2, 0, 5, 16, 8), (0, 4, 5, 16, 2),
]  # fmt: skip
ATTENTION_FLOAT64 = [
    (1, 1, 1, 8, 8), (2, 7, 5, 16, 4), (3, 16, 10, 32, 8), (1, 36, 77, 40, 5), (5, 31, 13, 48, 16),
    (2, 64, 17, 64, 2), (1, 101, 29, 80, 10), (4, 25, 10, 96, 1), (1, 300, 77, 128, 8),
]  # fmt: skip
ATTENTION_HALF = [
    (1, 1, 1, 8, 1), (2, 17, 10, 32, 8), (1, 64, 77, 64, 4), (3, 49, 13, 160, 10),
]  # fmt: skip
ATTENTION_WIDE = [(1, 16, 77, 640, 8)]
ATTENTION_MASKED = [
    (1, 1, 1, 8, 2), (2, 5, 7, 16, 4), (3, 16, 10, 32, 8), (5, 9, 3, 40, 5), (2, 37, 77, 64, 1),
]  # fmt: skip

# (B, height, width, T, E); E divides into SimpleUNet's 8 heads
UNET_FLOAT32 = [
    (1, 2, 2, 1, 8), (2, 2, 2, 7, 16), (1, 3, 3, 5, 8), (3, 2, 3, 4, 24), (1, 2, 4, 3, 8),
    (1, 4, 2, 3, 8), (2, 4, 4, 6, 16), (1, 4, 5, 2, 16), (1, 5, 4, 2, 16), (4, 5, 5, 10, 8),
    (1, 6, 6, 11, 24), (2, 7, 7, 12, 32), (1, 6, 10, 13, 32), (1, 10, 6, 13, 32), (2, 8, 8, 1, 40),
    (5, 8, 8, 77, 8), (1, 9, 11, 14, 40), (1, 11, 9, 15, 48), (3, 10, 10, 16, 56),
    (1, 2, 64, 17, 8), (1, 64, 2, 17, 8), (3, 18, 26, 21, 48),
    (2, 12, 12, 19, 64), (1, 13, 13, 20, 64), (1, 13, 17, 23, 72),
    (1, 17, 13, 23, 72), (2, 16, 16, 10, 80), (1, 14, 22, 29, 88), (2, 19, 19, 31, 96),
    (1, 24, 16, 37, 104), (1, 16, 24, 37, 112), (1, 23, 29, 41, 120), (1, 32, 32, 77, 128),
    (1, 31, 33, 43, 16), (2, 32, 20, 10, 136), (1, 37, 41, 47, 32), (1, 48, 32, 53, 64),
    (1, 63, 65, 10, 8), (1, 64, 48, 59, 24), (1, 64, 64, 77, 16), (1, 8, 8, 77, 192),
    (4, 64, 64, 10, 256), (0, 4, 4, 3, 8), (1, 4, 4, 0, 8),
]  # fmt: skip
UNET_FLOAT64 = [
    (1, 2, 2, 1, 8), (2, 3, 5, 7, 16), (1, 8, 8, 10, 24), (3, 9, 7, 5, 32), (1, 16, 12, 77, 40),
    (2, 17, 17, 13, 48), (1, 32, 32, 10, 64), (1, 64, 64, 10, 16),
]  # fmt: skip
UNET_HALF = [(1, 2, 2, 1, 8), (2, 8, 8, 10, 32), (1, 15, 21, 77, 64)]
UNET_PUBLISHED = [
    (1, 2, 2, 1, 8), (2, 3, 3, 5, 16), (3, 2, 3, 10, 32), (4, 3, 2, 77, 64), (4, 2, 2, 10, 256),
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    """One golden: a module's options, the inputs' shapes by forward's argument names, a seed."""

    name: str
    module: str
    embed_dim: int
    num_heads: int
    inputs: dict[str, tuple[int, ...]]
    dtype: str
    seed: int
    token_layout: str | None = None
    mask: str = "none"

    def options(self) -> dict[str, str | int]:
        """What a reader needs to rebuild the module: the manifest's entry, the file's metadata."""
        options: dict[str, str | int] = {
            "name": self.name,
            "module": self.module,
            "embed_dim": self.embed_dim,
            "num_heads": self.num_heads,
            "dtype": self.dtype,
            "seed": self.seed,
            "mask": self.mask,
        }
        if self.token_layout is not None:
            options["token_layout"] = self.token_layout
        return options

    def build(self) -> nn.Module:
        """The module as its constructor draws it in float32 after manual_seed, then converted."""
        torch.manual_seed(self.seed)
        if self.module == "CrossAttention":
            module: nn.Module = CrossAttention(self.embed_dim, self.num_heads)
        else:
            module = SimpleUNet(self.embed_dim, self.token_layout)
        return module.to(getattr(torch, self.dtype)).eval()


def all_cases() -> list[Case]:
    """Every case, with consecutive seeds."""
    cases: list[Case] = []

    def attention(shapes: list[tuple[int, ...]], dtype: str, mask: str = "none") -> None:
        for b, n, t, e, h in shapes:
            name = f"cross_attention_b{b}_n{n}_t{t}_e{e}_h{h}_{dtype}"
            name += "" if mask == "none" else f"_{mask}"
            inputs = {"image_features": (b, n, e), "text_features": (b, t, e)}
            seed = len(cases)
            cases.append(Case(name, "CrossAttention", e, h, inputs, dtype, seed, mask=mask))

    def unet(shapes: list[tuple[int, ...]], dtype: str, layout: str) -> None:
        for b, height, width, t, e in shapes:
            name = f"simple_unet_{layout}_b{b}_{height}x{width}_t{t}_e{e}_{dtype}"
            inputs = {"images": (b, 3, height, width), "text_features": (b, t, e)}
            cases.append(Case(name, "SimpleUNet", e, 8, inputs, dtype, len(cases), layout))

    attention(ATTENTION_FLOAT32, "float32")
    attention(ATTENTION_FLOAT64, "float64")
    attention(ATTENTION_HALF, "float16")
    attention(ATTENTION_HALF + ATTENTION_WIDE, "bfloat16")
    for mask in ("boolean", "additive"):
        attention(ATTENTION_MASKED, "float32", mask)
        attention(ATTENTION_MASKED[:3], "float64", mask)
    for layout in ("spatial", "reinterpret"):
        unet(UNET_FLOAT32, "float32", layout)
        unet(UNET_FLOAT64, "float64", layout)
        unet(UNET_HALF, "float16", layout)
        unet(UNET_HALF, "bfloat16", layout)
    unet(UNET_PUBLISHED, "float32", "published")
    return cases


def masked_attention(
    module: CrossAttention, image_features: Tensor, text_features: Tensor, text_mask: Tensor
) -> tuple[Tensor, Tensor]:
    """CrossAttention with a mask over the text tokens: (output [B,N,E], weights [B,H,N,T]).

    weights = softmax(q k^T / sqrt(embed_dim) + mask). text_mask [B,T] is boolean, True where a
    token may be attended to, or is added to the scores. Where a row has no token left its weights
    are zero, so its output is out_proj.bias.
    """
    q = module.split_heads(module.query_proj(image_features))
    k = module.split_heads(module.key_proj(text_features))
    v = module.split_heads(module.value_proj(text_features))
    if text_mask.dtype == torch.bool:
        text_mask = torch.zeros(text_mask.shape, dtype=q.dtype).masked_fill(~text_mask, -math.inf)
    scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(module.embed_dim)
    scores = scores + text_mask[:, None, None, :]
    closed = (scores == -math.inf).all(dim=-1, keepdim=True)
    # Filled before softmax too: its gradient at a row of -inf is NaN.
    weights = torch.softmax(scores.masked_fill(closed, 0.0), dim=-1).masked_fill(closed, 0.0)
    return module.out_proj(module.merge_heads(torch.matmul(weights, v))), weights


def draw_inputs(case: Case) -> dict[str, Tensor]:
    """Normal inputs from a generator of their own, so that they do not depend on the parameters."""
    generator = torch.Generator().manual_seed(1_000_000 + case.seed)
    wide = torch.float64 if case.dtype == "float64" else torch.float32
    inputs = {
        name: torch.randn(shape, generator=generator, dtype=wide).to(getattr(torch, case.dtype))
        for name, shape in case.inputs.items()
    }
    if case.mask != "none":
        batch, tokens, _ = case.inputs["text_features"]
        keep = torch.rand(batch, tokens, generator=generator) < 0.6
        keep[0] = True
        if case.mask == "boolean":
            keep[-1] = False  # a row that may attend to nothing
            inputs["text_mask"] = keep
        else:
            keep[:, 0] = True
            bias = torch.randn(batch, tokens, generator=generator, dtype=wide)
            inputs["text_mask"] = bias.masked_fill(~keep, -math.inf)
    return inputs


def compute(case: Case, module: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs, and for float32 and float64 the gradients of sum(output * grad_output)."""
    with_gradients = case.dtype in ("float32", "float64")
    leaves = {
        name: value.clone().requires_grad_(with_gradients and name != "text_mask")
        for name, value in inputs.items()
    }
    found: dict[str, Tensor] = {}
    with torch.set_grad_enabled(with_gradients):
        if case.mask == "none":
            output = module(**leaves)
        else:
            output, found["output.attention_weights"] = masked_attention(module, **leaves)
    found["output.output"] = output
    if with_gradients:
        generator = torch.Generator().manual_seed(2_000_000 + case.seed)
        cotangent = torch.randn(output.shape, generator=generator, dtype=output.dtype)
        (output * cotangent).sum().backward()
        found["input.grad_output"] = cotangent
        for name, parameter in module.named_parameters():
            found[f"grad.param.{name}"] = parameter.grad
        for name, leaf in leaves.items():
            if leaf.requires_grad:
                found[f"grad.input.{name}"] = leaf.grad
    return found


def write(out_dir: Path) -> Iterator[dict[str, str | int]]:
    """Writes one folder a case into `out_dir` and yields the case's manifest entry."""
    for case in all_cases():
        module = case.build()
        inputs = draw_inputs(case)
        folder = out_dir / case.name
        folder.mkdir(parents=True)
        tensors = {f"param.{name}": value for name, value in module.state_dict().items()}
        tensors |= {f"input.{name}": value for name, value in inputs.items()}
        tensors |= compute(case, module, inputs)
        metadata = {key: str(value) for key, value in case.options().items()}
        save_safetensors(tensors, folder / "golden.safetensors", metadata)
        export(module, folder, [inputs[name] for name in case.inputs])
        yield case.options()
