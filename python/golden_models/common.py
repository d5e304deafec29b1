"""What the areas share: running a module on drawn inputs and writing what came out."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

Inputs = Mapping[str, Tensor]
Outputs = dict[str, Tensor]


def draw(seed: int, dtype: torch.dtype, **shapes: tuple[int, ...]) -> dict[str, Tensor]:
    """Normal tensors by name, from a generator of their own."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator, dtype=dtype) for name, shape in shapes.items()}


def randomize(module: nn.Module, seed: int) -> nn.Module:
    """Moves every parameter off its initial value, so that no zero or one hides an error."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(noise, alpha=0.02 if parameter.dim() > 1 else 0.1)
    return module.eval()


def write_case(
    folder: Path,
    module: nn.Module,
    inputs: Inputs,
    call: Callable[[nn.Module, Inputs], Outputs],
    *,
    arguments: Mapping[str, Any] | None = None,
    with_gradients: bool = True,
    save_parameters: bool = True,
) -> dict[str, Any]:
    """Writes golden.safetensors into the folder and returns the case's manifest entry.

    input.NAME, output.NAME, param.KEY (unless the folder holds the weights already), and where
    gradients are wanted cotangent.NAME of each output, grad.param.KEY and grad.input.NAME of
    sum(output * cotangent) over all outputs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    leaves = {
        name: value.clone().requires_grad_(with_gradients and value.is_floating_point())
        for name, value in inputs.items()
    }
    found = {f"input.{name}": value for name, value in inputs.items()}
    if save_parameters:
        found |= {f"param.{key}": value for key, value in module.state_dict().items()}
    with torch.set_grad_enabled(with_gradients):
        outputs = call(module, leaves)
    found |= {f"output.{name}": value for name, value in outputs.items()}
    if with_gradients:
        generator = torch.Generator().manual_seed(99)
        total = torch.zeros(())
        for name, value in outputs.items():
            cotangent = torch.randn(value.shape, generator=generator, dtype=value.dtype)
            found[f"cotangent.{name}"] = cotangent
            total = total + (value * cotangent).sum()
        total.backward()
        for name, parameter in module.named_parameters():
            if parameter.grad is not None:
                found[f"grad.param.{name}"] = parameter.grad
        for name, leaf in leaves.items():
            if leaf.grad is not None:
                found[f"grad.input.{name}"] = leaf.grad
        module.zero_grad()
    tensors = {name: value.detach().contiguous().clone() for name, value in found.items()}
    save_file(tensors, folder / "golden.safetensors")
    return {
        "name": folder.name,
        "module": type(module).__name__,
        "dtype": str(next(module.parameters(), torch.zeros(())).dtype).removeprefix("torch."),
        "arguments": json.loads(json.dumps(arguments or {})),
        "keys": list(module.state_dict()),
    }
