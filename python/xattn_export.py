#!/usr/bin/env python3
"""Writes a PyTorch model in the formats that xattn reads. One file, needs torch alone: copy it.

As a module, `export(model, "out/name", example_inputs)` writes

    out/name.scripted.pt    torch.jit.script(model), which keeps the model's plain attributes
    out/name.traced.pt      torch.jit.trace(model, example_inputs), which does not
    out/name.state_dict.pt  torch.save(model.state_dict())
    out/name.safetensors    tensors, and the hyper-parameters as metadata

and, where the path is a folder, scripted.pt, traced.pt, state_dict.pt and weights.safetensors
in it.

As a command:

    python xattn_export.py --model my_module:MyClass --args '{"embed_dim": 256}' \\
        --weights trained.pt --example-shapes 4x3x64x64,4x10x256 --out out/name

Exit codes: 0 done, 2 bad usage, 3 bad input or data. A model is exported in the mode it is in: call
`model.eval()` first, as the command does.
"""

import argparse
import contextlib
import ctypes
import importlib
import json
import os
import struct
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")  # not needed here

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

FORMATS = ("scripted", "traced", "state_dict", "safetensors")

DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2": torch.float8_e5m2, "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E8M0": torch.float8_e8m0fnu,
    "I16": torch.int16, "U16": torch.uint16, "F16": torch.float16, "BF16": torch.bfloat16,
    "I32": torch.int32, "U32": torch.uint32, "F32": torch.float32,
    "I64": torch.int64, "U64": torch.uint64, "F64": torch.float64, "C64": torch.complex64,
}  # fmt: skip
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}
MAX_HEADER_BYTES = 100_000_000


class UsageError(Exception):
    """The command line is wrong."""


def export(
    model: nn.Module,
    path: str | os.PathLike,
    example_inputs: Sequence[Tensor] | None = None,
    metadata: Mapping[str, str] | None = None,
    formats: Sequence[str] | None = None,
) -> dict[str, Path]:
    """Writes `model` in `formats` (None: all of FORMATS, traced only with `example_inputs`).

    `path` is a path without suffix, or a folder: one that exists, or a string that ends in a slash.
    `metadata` is added to `module_metadata(model)` in the safetensors file. Returns format -> file.
    Files appear together once all of them could be made; after an error none has changed.
    """
    if formats is None:
        formats = [name for name in FORMATS if name != "traced" or example_inputs is not None]
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"format {name!r} is none of {', '.join(FORMATS)}")
    if "traced" in formats and example_inputs is None:
        raise ValueError("the traced format needs example inputs")
    files = {name: _file_of(path, name) for name in formats}
    with contextlib.ExitStack() as stack:
        for name, file in files.items():
            staged = stack.enter_context(_aside(file))
            if name == "scripted":
                save_scripted(model, staged)
            elif name == "traced":
                save_traced(model, staged, example_inputs)
            elif name == "state_dict":
                save_state_dict(model, staged)
            else:
                merged = module_metadata(model) | dict(metadata or {})
                save_safetensors(model.state_dict(), staged, merged)
    return files


def save_scripted(model: nn.Module, path: str | os.PathLike) -> None:
    """Writes torch.jit.script(model): weights, code, and the model's plain attributes."""
    _refuse_pretrained(model)
    with _aside(path) as staged:
        torch.jit.script(model).save(str(staged))


def save_traced(
    model: nn.Module, path: str | os.PathLike, example_inputs: Sequence[Tensor]
) -> None:
    """Writes torch.jit.trace(model, example_inputs): weights and the recorded operations."""
    _refuse_pretrained(model)
    with _aside(path) as staged, torch.no_grad():
        torch.jit.trace(model, tuple(example_inputs)).save(str(staged))


def save_state_dict(model: nn.Module, path: str | os.PathLike) -> None:
    """Writes model.state_dict() with torch.save, every tensor detached and on the CPU."""
    state = {key: value.detach().cpu() for key, value in model.state_dict().items()}
    with _aside(path) as staged:
        torch.save(state, staged)


def save_safetensors(
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a safetensors file.

    Layout: the header's length (8 bytes, little-endian), the header (JSON, padded with spaces to a
    multiple of 8), then all tensors, dense, row-major, little-endian, without holes. Wider dtypes
    come first, so that every tensor is aligned; among equals the mapping's order is kept.
    """
    for key, tensor in tensors.items():
        _check_storable(key, tensor)
    names = sorted(tensors, key=lambda key: -tensors[key].element_size())
    header: dict[str, object] = {}
    if metadata:
        for key, value in metadata.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise ValueError(f"metadata {key!r}: {value!r} is not text to text")
        header["__metadata__"] = dict(metadata)
    end = 0
    for key in names:
        tensor = tensors[key]
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[key] = {
            "dtype": DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    encoded += b" " * (-len(encoded) % 8)
    if len(encoded) > MAX_HEADER_BYTES:
        raise ValueError(f"a header of {len(encoded)} bytes; the format allows {MAX_HEADER_BYTES}")
    with _aside(path) as staged, staged.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)))
        file.write(encoded)
        for key in names:
            dense = tensors[key].detach().cpu().resolve_conj().resolve_neg().contiguous()
            file.write(_bytes(dense))


def load_safetensors(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads a safetensors file: tensors by name, and the metadata ({} where there is none)."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise ValueError(f"{path}: not a safetensors file")
        header = json.loads(file.read(length).decode("utf-8"))
        metadata = header.pop("__metadata__", {})
        tensors = {}
        for key, entry in header.items():
            tensor = torch.empty(entry["shape"], dtype=DTYPES[entry["dtype"]])
            begin, end = entry["data_offsets"]
            file.seek(8 + length + begin)
            if end - begin != tensor.nbytes or file.readinto(_bytes(tensor)) != tensor.nbytes:
                raise ValueError(f"{path}: {key}: shape, dtype and file disagree")
            tensors[key] = tensor
    return tensors, metadata


def module_metadata(model: nn.Module) -> dict[str, str]:
    """The hyper-parameters that a model carries, as text.

    `class` is the class's name; every public int, float, bool and str attribute of the model and
    its submodules goes under its dotted name (`num_heads`, `cross_attention.num_heads`). Numbers
    are as repr writes them, booleans `true` and `false`. The mode (`training`) is left out.
    """
    found = {"class": type(model).__name__}
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            if name.startswith("_") or name == "training":
                continue
            if isinstance(value, bool):
                value = "true" if value else "false"
            if isinstance(value, (int, float, str)):
                found[f"{prefix}.{name}" if prefix else name] = str(value)
    return found


def _refuse_pretrained(model: nn.Module) -> None:
    """Models of diffusers and transformers cannot be scripted, and need not be."""
    if callable(getattr(model, "save_pretrained", None)):
        raise ValueError(
            f"{type(model).__name__} is not for TorchScript: write the folder that xattn reads with "
            "model.save_pretrained(FOLDER), or only formats=['safetensors']"
        )


def _file_of(path: str | os.PathLike, format_name: str) -> Path:
    in_folder = os.path.isdir(path) or os.fspath(path).endswith(("/", os.sep))
    if format_name == "safetensors":
        suffix = "weights.safetensors" if in_folder else ".safetensors"
    else:
        suffix = f"{format_name}.pt" if in_folder else f".{format_name}.pt"
    return Path(path) / suffix if in_folder else Path(f"{os.fspath(path)}{suffix}")


@contextlib.contextmanager
def _aside(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a file name to write in a folder beside `path`, and moves the file to `path`.

    The name stays the same because torch puts it into the archive. On an error the file is dropped,
    and so are folders that were made for it.
    """
    target = Path(path)
    made = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".xattn-export-", dir=target.parent) as folder:
            staged = Path(folder) / target.name
            yield staged
            with staged.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(staged, target)
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _check_storable(key: str, tensor: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        raise ValueError(f"{key}: {type(tensor).__name__} is not a tensor")
    if key == "__metadata__":
        raise ValueError("a tensor may not be called __metadata__")
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise ValueError(f"{key}: only dense tensors with data can be written")
    if tensor.dtype not in DTYPE_NAMES:
        raise ValueError(f"{key}: safetensors has no name for {tensor.dtype}")


def _bytes(tensor: Tensor) -> memoryview:
    """The memory of a dense CPU tensor, without a copy and without numpy."""
    if sys.byteorder != "little":
        raise NotImplementedError("safetensors files are little-endian, this machine is not")
    if tensor.nbytes == 0:
        return memoryview(bytearray())
    memory = (ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr())
    return memoryview(memory).cast("B")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise UsageError(message)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="xattn_export.py", description="Writes a PyTorch model in the formats xattn reads."
    )
    parser.add_argument("--model", required=True, metavar="MODULE:CLASS")
    parser.add_argument(
        "--args", default="{}", metavar="JSON", help="constructor's arguments: object or array"
    )
    parser.add_argument("--weights", metavar="FILE.pt", help="state_dict, read with weights_only")
    parser.add_argument("--formats", metavar="LIST", help=f"from {','.join(FORMATS)}; default: all")
    parser.add_argument("--example-shapes", metavar="4x3x64x64,4x10x256", help="of the inputs")
    parser.add_argument("--out", required=True, metavar="DIR/NAME")
    return parser.parse_args(argv)


def _build(spec: str, arguments: str) -> nn.Module:
    """Constructs MODULE:CLASS, found as from Python started in the current folder."""
    module_name, colon, class_name = spec.partition(":")
    if not colon or not module_name or not class_name:
        raise UsageError(f"--model {spec!r} is not MODULE:CLASS")
    try:
        values = json.loads(arguments)
    except ValueError as error:
        raise UsageError(f"--args is not JSON: {error}") from None
    if not isinstance(values, (dict, list)):
        raise UsageError("--args is neither a JSON object nor an array")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        made = getattr(importlib.import_module(module_name), class_name)
        model = made(**values) if isinstance(values, dict) else made(*values)
    except Exception as error:
        raise UsageError(f"--model {spec}: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise UsageError(f"--model {spec} makes a {type(model).__name__}, not a torch.nn.Module")
    return model


def _example_inputs(shapes: str, model: nn.Module) -> list[Tensor]:
    """Random inputs of the shapes in `shapes`, with the dtype of the model's first parameter."""
    try:
        sizes = [[int(size) for size in shape.split("x")] for shape in shapes.split(",")]
    except ValueError:
        raise UsageError(f"--example-shapes {shapes!r} is not like 4x3x64x64,4x10x256") from None
    if any(size < 0 for shape in sizes for size in shape):
        raise UsageError(f"--example-shapes {shapes!r} has a negative size")
    dtype = next((p.dtype for p in model.parameters()), torch.get_default_dtype())
    return [torch.randn(shape).to(dtype) for shape in sizes]


def run(argv: Sequence[str] | None) -> None:
    """The command; see the top of the file."""
    options = _parse(argv)
    formats = options.formats.split(",") if options.formats is not None else None
    for name in formats or ():
        if name not in FORMATS:
            raise UsageError(f"--formats: {name!r} is none of {', '.join(FORMATS)}")
    if formats and "traced" in formats and options.example_shapes is None:
        raise UsageError("--formats traced needs --example-shapes")
    model = _build(options.model, options.args).eval()
    inputs = None
    if options.example_shapes is not None:
        inputs = _example_inputs(options.example_shapes, model)
    if options.weights is not None:
        model.load_state_dict(torch.load(options.weights, map_location="cpu", weights_only=True))
    for file in export(model, options.out, inputs, formats=formats).values():
        print(file)
    if formats is None and inputs is None:
        print("not traced: that needs --example-shapes")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; an error is one line on stderr. Returns the exit code."""
    try:
        run(argv)
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        text = text if len(text) <= 400 else f"{text[:399]}…"
        print(f"xattn_export.py: {text}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
