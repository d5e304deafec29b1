"""Records what every submodule of a model takes and gives, for `xattn verify DIR --golden FILE`.

One file, to be copied next to your own code; it needs torch alone.

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

Tensors go to disk as they arrive, beside the file to be written, which needs twice its size for a moment. In
memory are their names.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import inspect
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

Only = Callable[[str, nn.Module], bool]

# safetensors' names of Python's dtypes.
DTYPE_NAMES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "uint32": "U32",
    "int32": "I32", "uint64": "U64", "int64": "I64", "float16": "F16", "bfloat16": "BF16",
    "float32": "F32", "float64": "F64", "complex64": "C64", "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}  # fmt: skip


@contextlib.contextmanager
def record(
    modules: Any, path: str | os.PathLike[str], *, calls: int = 1, only: Only | None = None, prefix: str = ""
) -> Iterator[None]:
    """Records every call of every submodule inside the `with` block and writes the file at its end.

    `modules` is a module, a dict of modules by name, or a pipeline of diffusers. Of each submodule the first
    `calls` calls are kept; of the submodules those for which `only(name, module)` is true.
    """
    with contextlib.closing(_TensorWriter(Path(path))) as writer:
        recorder = _Recorder(calls, writer)
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
        writer.finish({"xattn_record": "1", **metadata})


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


class _TensorWriter:
    """Writes a safetensors file whose tensors come one after another.

    The format has their table first, so their bytes wait in files without a name, one for each size of an
    element: the wider come first in the end, and all are aligned.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: dict[int, BinaryIO] = {}
        self._entries: dict[str, tuple[str, list[int], int, int, int]] = {}  # dtype, shape, part, begin, end

    def add(self, name: str, dtype: torch.dtype, shape: list[int], content: Any) -> None:
        known = DTYPE_NAMES.get(str(dtype).removeprefix("torch."))
        if known is None:
            raise ValueError(f"record: {name}: safetensors has no name for {dtype}")
        if dtype.itemsize not in self._parts:
            self._parts[dtype.itemsize] = tempfile.TemporaryFile(dir=self._path.parent)  # noqa: SIM115
        part = self._parts[dtype.itemsize]
        begin = part.tell()
        part.write(content)
        self._entries[name] = (known, shape, dtype.itemsize, begin, part.tell())

    def finish(self, metadata: dict[str, str]) -> None:
        """Puts the parts together aside, and gives the file its name when it is whole."""
        sizes = sorted(self._parts, reverse=True)
        starts = {size: sum(self._parts[wider].tell() for wider in sizes if wider > size) for size in sizes}
        header: dict[str, object] = {"__metadata__": metadata}
        for name, (dtype, shape, size, begin, end) in self._entries.items():
            offsets = [starts[size] + begin, starts[size] + end]
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        encoded = json.dumps(header, separators=(",", ":")).encode()
        encoded += b" " * (-len(encoded) % 8)
        with tempfile.TemporaryDirectory(prefix=".xattn-record-", dir=self._path.parent) as folder:
            staged = Path(folder) / self._path.name
            with staged.open("wb") as file:
                file.write(struct.pack("<Q", len(encoded)) + encoded)
                for size in sizes:
                    self._parts[size].seek(0)
                    shutil.copyfileobj(self._parts[size], file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            os.replace(staged, self._path)

    def close(self) -> None:
        for part in self._parts.values():
            part.close()


class _Recorder:
    def __init__(self, most_calls: int, writer: _TensorWriter) -> None:
        self._writer = writer
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
            self._writer.add(key, copy.dtype, list(copy.shape), content)
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
