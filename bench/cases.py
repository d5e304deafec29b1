"""The cases: shapes, the files that every contender reads, the fp64 result, the operations."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))

from xattn_export import module_metadata, save_safetensors  # noqa: E402
from xattn_reference import CrossAttention, SimpleUNet  # noqa: E402

SEED = 0


@dataclass(frozen=True)
class Case:
    """B batch, N image tokens, T text tokens; image_size is that of a SimpleUNet, else 0."""

    embed_dim: int
    num_heads: int
    batch: int
    image_tokens: int
    text_tokens: int
    image_size: int = 0

    @property
    def name(self) -> str:
        if self.image_size:
            return f"unet{self.image_size}-E{self.embed_dim}-B{self.batch}-T{self.text_tokens}"
        return (
            f"E{self.embed_dim}-H{self.num_heads}-B{self.batch}"
            f"-N{self.image_tokens}-T{self.text_tokens}"
        )

    @property
    def title(self) -> str:
        kind = f"SimpleUNet {self.image_size}²" if self.image_size else "CrossAttention"
        return (
            f"{kind}: batch {self.batch}, {self.image_tokens} image tokens, "
            f"{self.text_tokens} text tokens, E {self.embed_dim}, {self.num_heads} heads"
        )

    @property
    def explicit_flops(self) -> int:
        """Floating-point operations of the explicit algorithm, multiplications and additions."""
        B, N, T, E = self.batch, self.image_tokens, self.text_tokens, self.embed_dim
        attention = 2 * B * (2 * N * E * E + 2 * T * E * E + 2 * N * T * E)
        convolutions = 2 * (2 * B * N * E * 3 * 4 * 4) if self.image_size else 0
        return attention + convolutions

    def build(self) -> nn.Module:
        """The reference module with seeded weights."""
        torch.manual_seed(SEED)
        if self.image_size:
            return SimpleUNet(self.embed_dim, "spatial").eval()
        return CrossAttention(self.embed_dim, self.num_heads).eval()

    def inputs(self) -> dict[str, Tensor]:
        """The arguments of forward, by name and in order, seeded."""
        generator = torch.Generator().manual_seed(SEED + 1)
        text = (self.batch, self.text_tokens, self.embed_dim)
        if self.image_size:
            image = (self.batch, 3, self.image_size, self.image_size)
            shapes = {"images": image, "text_features": text}
        else:
            image = (self.batch, self.image_tokens, self.embed_dim)
            shapes = {"image_features": image, "text_features": text}
        return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}

    def write(self, folder: Path) -> None:
        """Writes weights.safetensors and input.safetensors into `folder`."""
        module = self.build()
        save_safetensors(
            module.state_dict(), folder / "weights.safetensors", module_metadata(module)
        )
        save_safetensors(self.inputs(), folder / "input.safetensors")

    @torch.inference_mode()
    def reference(self) -> Tensor:
        """What the explicit module computes from the same numbers in float64."""
        arguments = [tensor.double() for tensor in self.inputs().values()]
        return self.build().double()(*arguments)


CASES = (
    Case(256, 8, 4, 1024, 10),
    Case(256, 8, 4, 4096, 10),
    Case(256, 8, 4, 1024, 77),
    Case(256, 8, 4, 4096, 77),
    Case(1280, 8, 2, 256, 77),
    Case(640, 8, 2, 1024, 77),
    Case(256, 8, 1, 256 * 256, 77, image_size=512),
)


def select(names: Sequence[str], patterns: str) -> list[str]:
    """The names that match one of the comma-separated shell patterns, in their own order."""
    wanted = patterns.split(",")
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"{pattern!r} matches none of: {', '.join(names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in wanted)]
