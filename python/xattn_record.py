"""Records what every submodule of a model takes and gives, for `xattn verify DIR --golden FILE`.

One file, to be copied next to your own code; it needs torch and safetensors.

    from xattn_record import record

    with record(unet, "golden.safetensors"):           # a module …
        unet(sample, timestep, encoder_hidden_states)

    with record(pipe, "golden.safetensors"):           # … or a pipeline: its modules are unet.*, vae.*, …
        pipe("a photo of an astronaut", num_inference_steps=1)

    xattn verify unet_folder --golden golden.safetensors

The file is safetensors. A tensor is named after where it was seen first: `unet.conv_in/input.0` (the first
positional argument), `unet.mid_block/input.temb`, `unet.conv_in/output.0`, of a second call
`unet.conv_in#2/input.0`; inside a tuple or a dict `…/output.1.0`. Equal tensors are stored once. The metadata
has for each call, in the order in which calls end, an entry `call.00000017`: JSON with the module's name and
class, and which tensor each argument (by its name) and each output is.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

Only = Callable[[str, nn.Module], bool]
Path = str | PathLike[str]


@contextlib.contextmanager
def record(
    modules: Any, path: Path, *, calls: int = 1, only: Only | None = None, prefix: str = ""
) -> Iterator[None]:
    """Records every call of every submodule inside the `with` block and writes the file at its end.

    `modules` is a module, a dict of modules by name, or a pipeline of diffusers. Of each submodule the first
    `calls` calls are kept; of the submodules those for which `only(name, module)` is true.
    """
    recorder = _Recorder(calls)
    handles = []
    for root, module in _roots(modules, prefix).items():
        for inner, submodule in module.named_modules():
            name = ".".join(part for part in (root, inner) if part)
            if isinstance(submodule, (nn.ModuleList, nn.ModuleDict)) or (only and not only(name, submodule)):
                continue
            before, after = recorder.hooks(name)
            handles.append(submodule.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(submodule.register_forward_hook(after))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if not recorder.calls:
        raise ValueError("record: no module was called")
    metadata = {f"call.{i:08}": json.dumps(call) for i, call in enumerate(recorder.calls)}
    save_file(recorder.tensors, path, metadata={"xattn_record": "1", **metadata})


def _roots(modules: Any, prefix: str) -> dict[str, nn.Module]:
    if isinstance(modules, nn.Module):
        return {prefix: modules}
    if not isinstance(modules, Mapping):
        modules = modules.components
    return {
        ".".join(part for part in (prefix, name) if part): module
        for name, module in modules.items()
        if isinstance(module, nn.Module)
    }


class _Recorder:
    def __init__(self, most_calls: int) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.calls: list[dict[str, Any]] = []
        self._most_calls = most_calls
        self._known: dict[tuple[Any, ...], str] = {}

    def hooks(self, name: str) -> tuple[Callable[..., None], Callable[..., None]]:
        """What runs before and after a module: the inputs are kept before, as the module may change them."""
        begun = 0
        running: list[dict[str, Any] | None] = []

        def before(module: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
            nonlocal begun
            begun += 1
            if begun > self._most_calls:
                running.append(None)
                return
            where = name if begun == 1 else f"{name}#{begun}"
            call: dict[str, Any] = {"module": name, "class": type(module).__name__, "call": begun}
            call |= {"inputs": {}, "outputs": {}, "scalars": {}}
            names = _parameter_names(module)
            for i, value in enumerate(positional):
                argument = names[i] if i < len(names) else str(i)
                self._keep(value, f"{where}/input.{i}", argument, call["inputs"], call["scalars"])
            for argument, value in named.items():
                self._keep(value, f"{where}/input.{argument}", argument, call["inputs"], call["scalars"])
            running.append(call)

        def after(module: nn.Module, positional: tuple[Any, ...], output: Any) -> None:
            call = running.pop()
            if call is None:
                return
            where = name if call["call"] == 1 else f"{name}#{call['call']}"
            if isinstance(output, Tensor):
                output = (output,)
            for part, value in _items(output):
                self._keep(value, f"{where}/output.{part}", part, call["outputs"], {})
            self.calls.append(call)

        return before, after

    def _keep(self, value: Any, key: str, name: str, kept: dict[str, str], scalars: dict[str, Any]) -> None:
        if isinstance(value, Tensor):
            kept[name] = self._store(value, key)
        elif isinstance(value, (bool, int, float, str)):
            scalars[name] = value
        else:
            for part, inner in _items(value):
                self._keep(inner, f"{key}.{part}", f"{name}.{part}", kept, scalars)

    def _store(self, tensor: Tensor, key: str) -> str:
        """The name under which a tensor is stored, which is not `key` where an equal one is there."""
        copy = tensor.detach().cpu().clone(memory_format=torch.contiguous_format).resolve_conj().resolve_neg()
        size = copy.numel() * copy.element_size()
        content = (ctypes.c_char * size).from_address(copy.data_ptr()) if size else b""
        identity = (copy.dtype, tuple(copy.shape), hashlib.blake2b(content, digest_size=16).digest())
        known = self._known.setdefault(identity, key)
        if known == key:
            self.tensors[key] = copy
        return known


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of a tuple, a list, a dict or an output class; nothing of anything else."""
    if isinstance(value, Mapping):
        yield from ((str(name), inner) for name, inner in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((str(i), inner) for i, inner in enumerate(value))


def _parameter_names(module: nn.Module) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    return [parameter.name for parameter in parameters if parameter.kind in kinds]
