"""Writes the files that the readers' tests read: real ones of every kind, and hostile ones.

    good/<name>      beside each, <name>.expected.json: the tensors with their bytes and strides, which of
                     them share memory, the attributes
    tiny/<name>      the smallest file of each format, for the tests that damage every byte
    refused/<name>   files that are refused; <name>.txt is a part of the message that must appear
    marker.txt       the path of a file that the hostile pickles would make if they ran

Nothing here needs a package beside torch.
"""

import collections
import io
import json
import os
import pickle
import shutil
import subprocess
import tempfile
import uuid
import zipfile
from pathlib import Path

import torch

SAFETENSORS_NAMES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.uint16: "U16",
    torch.int16: "I16",
    torch.uint32: "U32",
    torch.int32: "I32",
    torch.uint64: "U64",
    torch.int64: "I64",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.complex64: "C64",
}
DTYPES = [*SAFETENSORS_NAMES, torch.complex128, torch.complex32, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz]


def raw_bytes(tensor: torch.Tensor) -> bytes:
    """The elements in row-major order, without NumPy."""
    tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
    if tensor.numel() == 0:
        return b""
    return bytes(tensor.reshape(-1).view(torch.uint8).tolist())


def safetensors_bytes(tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file, written here so that no package is needed."""
    header: dict = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, tensor in tensors.items():
        raw = raw_bytes(tensor)
        header[name] = {
            "dtype": SAFETENSORS_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def values(count: int, dtype: torch.dtype) -> torch.Tensor:
    """Small numbers that every dtype has, distinct where it can."""
    numbers = torch.arange(count, dtype=torch.float64)
    if dtype == torch.bool:
        return numbers.remainder(2).bool()
    if dtype.is_complex:
        return torch.complex(numbers, -numbers).to(dtype)
    return numbers.to(dtype)


def expectations(tensors: dict[str, torch.Tensor], attributes: dict) -> dict:
    """What a test compares: dtypes and strides, who shares memory with whom, the attributes."""
    groups = collections.defaultdict(list)
    for name, tensor in tensors.items():
        groups[tensor.untyped_storage()._cdata].append(name)
    return {
        "order": list(tensors),
        "tensors": {
            name: {
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "shape": list(tensor.shape),
                "stride": list(tensor.stride()),
                "bytes": raw_bytes(tensor).hex(),
            }
            for name, tensor in tensors.items()
        },
        "shared": [group for group in groups.values() if len(group) > 1],
        "attributes": {name: [type(value).__name__, value] for name, value in attributes.items()},
    }


class Attention(torch.nn.Module):
    """A module with every kind of attribute that TorchScript keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 8
        self.scale = 0.5
        self.label = "naïve ☃"
        self.flag = True
        self.big = 2**40
        self.nothing: int | None = None
        self.sizes = [1, 2, 70000]
        self.rates = [0.5, 2.0]
        self.pair = (3, "x")
        self.table = {"one": 1}
        self.query_proj = torch.nn.Linear(4, 4)
        self.no_bias = torch.nn.Linear(4, 2, bias=False)
        self.register_buffer("offsets", torch.arange(4.0))
        self.norm = torch.nn.BatchNorm1d(4)
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.query_proj(x) * self.num_heads + self.offsets


SCRIPT_ATTRIBUTES = {
    "num_heads": 8,
    "scale": 0.5,
    "label": "naïve ☃",
    "flag": True,
    "big": 2**40,
    "nothing": None,
    "sizes.0": 1,
    "sizes.1": 2,
    "sizes.2": 70000,
    "rates.0": 0.5,
    "rates.1": 2.0,
    "pair.0": 3,
    "pair.1": "x",
    "table.one": 1,
    "training": True,
    "query_proj.training": True,
    "blocks.1.training": True,
}


def mixed() -> tuple[dict, dict[str, torch.Tensor], dict]:
    """A nested dict with tensors of every kind; the flat tensors; the flat attributes."""
    base = torch.arange(24.0).reshape(4, 6)
    column = torch.arange(6, dtype=torch.int64)
    saved = {
        "every": {str(dtype).removeprefix("torch."): values(5, dtype) for dtype in DTYPES},
        "base": base,
        "transposed": base.t(),
        "row": base[2],
        "strided": base[1::2, 1::3],
        "expanded": torch.full((3,), 7.0).expand(2, 3),
        "one_expanded": torch.tensor(3.0).expand(4, 5),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.empty(0),
        "empty_rows": torch.empty(0, 3, dtype=torch.int32),
        "past_end": torch.ones(2, 3)[2:, 3:],
        "parameter": torch.nn.Parameter(torch.ones(2, 2)),
        "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "conjugate": values(3, torch.complex64).conj(),
        "imaginary": values(3, torch.complex64).conj().imag,
        "list": [column, column[2:], {"deep": column.reshape(2, 3).t()}],
        "epoch": 3,
        "negative": -5,
        "long": 10**30,
        "long_negative": -(2**63) - 1,
        "int64": 2**62,
        "rate": 1e-3,
        "text": "größe",
        "none": None,
        "yes": True,
        "no": False,
        "dtype": torch.float16,
        "device": torch.device("cuda", 1),
        "size": torch.Size([2, 3]),
        "complex": 1 - 2j,
        "bytes": b"ab\xff",
        "numbers": [1, 2.5, (True, None)],
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
        "single": {7},
        "state": {0: {"step": 4}, 1: {"step": 5}},
        "nothing_here": {},
    }
    tensors = {}
    for key, value in saved.items():
        if isinstance(value, torch.Tensor):
            tensors[key] = value
        elif key == "every":
            tensors |= {f"every.{name}": tensor for name, tensor in value.items()}
        elif key == "list":
            tensors |= {"list.0": value[0], "list.1": value[1], "list.2.deep": value[2]["deep"]}
    attributes = {
        "epoch": 3,
        "negative": -5,
        "long": str(10**30),
        "long_negative": str(-(2**63) - 1),
        "int64": 2**62,
        "rate": 1e-3,
        "text": "größe",
        "none": None,
        "yes": True,
        "no": False,
        "dtype": "torch.float16",
        "device": "cuda:1",
        "size.0": 2,
        "size.1": 3,
        "complex": "(1-2j)",
        "bytes": "abÿ",
        "numbers.0": 1,
        "numbers.1": 2.5,
        "numbers.2.0": True,
        "numbers.2.1": None,
        "ordered.b": 1,
        "ordered.a": 2,
        "single.0": 7,
        "state.0.step": 4,
        "state.1.step": 5,
    }
    return saved, tensors, attributes


class Tiny(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


def write_tiny(folder: Path) -> None:
    """One small file of each format."""
    torch.save(Tiny().state_dict(), folder / "state_dict")
    torch.jit.script(Tiny()).save(str(folder / "scripted"))
    torch.jit.trace(Tiny(), torch.ones(2), check_trace=False).save(str(folder / "traced"))
    tensors = {"weight": torch.ones(2), "half": torch.ones(3, dtype=torch.float16)}
    (folder / "safetensors").write_bytes(safetensors_bytes(tensors, {"format": "pt"}))


def write_good(folder: Path) -> None:
    """Real files, each with what it must read as."""
    torch.manual_seed(0)

    def expect(name: str, tensors: dict[str, torch.Tensor], attributes: dict) -> None:
        text = json.dumps(expectations(tensors, attributes), ensure_ascii=False)
        (folder / f"{name}.expected.json").write_text(text)

    module = Attention()
    state = module.state_dict()
    scripted = torch.jit.script(module)
    scripted.save(str(folder / "scripted.pt"))
    expect("scripted.pt", state, SCRIPT_ATTRIBUTES)
    traced = torch.jit.trace(module, torch.ones(2, 4), check_trace=False)
    traced.save(str(folder / "traced.pt"))
    expect("traced.pt", state, {"training": True, "query_proj.training": True})
    scripted.eval().save(str(folder / "scripted_eval.bin"), _extra_files={"note.txt": "hello"})
    expect("scripted_eval.bin", state, {**SCRIPT_ATTRIBUTES, "training": False, "query_proj.training": False,
                                        "blocks.1.training": False})

    for protocol in (2, 3, 4, 5):
        name = f"state_dict_p{protocol}.pt"
        torch.save(state, folder / name, pickle_protocol=protocol)
        expect(name, state, {})
        saved, tensors, attributes = mixed()
        name = f"mixed_p{protocol}.pt"
        torch.save(saved, folder / name, pickle_protocol=protocol)
        expect(name, tensors, attributes)

    torch.save(torch.arange(3), folder / "tensor.pt")
    expect("tensor.pt", {"value": torch.arange(3)}, {})
    torch.save(5, folder / "number.pt")
    expect("number.pt", {}, {"value": 5})
    marked = torch.ones(2)
    marked.note = "a Python attribute"
    torch.save({"marked": marked}, folder / "tensor_with_attribute.pt")
    expect("tensor_with_attribute.pt", {"marked": marked}, {})
    many = {f"layer.{i}.weight": torch.full((1,), float(i)) for i in range(300)}  # more than 256 memo entries
    torch.save(many, folder / "many.pt")
    expect("many.pt", many, {})

    together = torch.randn(126)  # the weight and the bias of a fused projection in one storage
    fused = {
        "in_proj_weight": together[18:].view(18, 6),
        "in_proj_bias": together[:18],
        "projection": torch.randn(8, 6).t(),
        "out.weight": torch.randn(6, 6, 1, 1),
    }
    torch.save(fused, folder / "fused.pt")
    expect("fused.pt", fused, {})

    tied = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2)})
    tied["b"] = tied["a"]
    torch.save(tied.state_dict(), folder / "tied.pt")
    expect("tied.pt", tied.state_dict(), {})
    torch.jit.script(TiedModules()).save(str(folder / "tied_scripted.pt"))
    expect("tied_scripted.pt", TiedModules().state_dict(), {"first.training": True, "second.training": True})

    buffer = io.BytesIO()  # the root folder is then called "archive"
    torch.save({"weight": torch.ones(3)}, buffer)
    (folder / "from_buffer.pt").write_bytes(buffer.getvalue())
    expect("from_buffer.pt", {"weight": torch.ones(3)}, {})

    every = {f"every.{name}": values(5, dtype) for dtype, name in SAFETENSORS_NAMES.items()}
    every |= {"scalar": torch.tensor(2.5), "empty": torch.empty(0, 3), "snow ☃": torch.ones(1)}
    metadata = {"format": "pt", "text": 'q"uo\\te ☃\n'}
    (folder / "every.safetensors").write_bytes(safetensors_bytes(every, metadata))
    expect("every.safetensors", every, metadata)
    (folder / "empty.safetensors").write_bytes(safetensors_bytes({}))
    expect("empty.safetensors", {}, {})


class TiedModules(torch.nn.Module):
    """Two names for one module: its tensors appear under both and share memory."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first = torch.nn.Linear(2, 2)
        self.second = self.first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x) + self.second(x)


class Call:
    """Pickles as a call of `function`, which the reader must refuse by its name."""

    def __init__(self, function, *arguments) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def hostile(marker: Path) -> dict[str, tuple[object, str]]:
    """Objects whose pickles would run code, and the global that must be named."""
    touch = f"touch {marker}"
    state = collections.OrderedDict(weight=torch.ones(2))
    return {
        "os_system": (Call(os.system, touch), "posix.system"),
        "nested_in_state_dict": ({**state, "extra": [Call(os.system, touch)]}, "posix.system"),
        "in_a_key": ({Call(tuple, [Call(os.system, touch)]): torch.ones(1)}, "__builtin__.tuple"),
        "eval": (Call(eval, f"__import__('os').system('{touch}')"), "__builtin__.eval"),
        "exec": (Call(exec, f"import os; os.system('{touch}')"), "__builtin__.exec"),
        "subprocess": (Call(subprocess.Popen, ["touch", str(marker)]), ".Popen"),
        "getattr": (Call(getattr, Call(__import__, "os"), "system"), "__builtin__.getattr"),
        "import": (Call(__import__, "os"), "__builtin__.__import__"),
        "torch_load": (Call(torch.load, "other.pt"), "torch.serialization.load"),
        "jit_load": (Call(torch.jit.load, "other.pt"), "torch.jit._serialization.load"),
        "pickle_loads": (Call(pickle.loads, pickle.dumps(Call(os.system, touch))), "pickle.loads"),
        "open": (Call(open, str(marker), "w"), "open"),
        "whole_module": (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        "sparse": ({"weight": torch.eye(2).to_sparse()}, "sparse tensors are not read"),
        "quantized": ({"w": quantized()}, "quantized tensors are not read"),
        "meta": ({"w": torch.empty(2, device="meta")}, "meta device"),
    }


def quantized() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


def write_refused(folder: Path, marker: Path) -> None:
    """Files that must be refused with a message that says why."""

    def expect(name: str, reason: str) -> None:
        (folder / f"{name}.txt").write_text(reason)

    for protocol in (2, 4):
        for name, (value, reason) in hostile(marker).items():
            if protocol == 4:
                reason = reason.replace("__builtin__", "builtins")
            name = f"{name}_p{protocol}.pt"
            torch.save(value, folder / name, pickle_protocol=protocol)
            expect(name, reason)

    torch.save({"w": torch.ones(2)}, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    expect("legacy.pt", "before PyTorch 1.6")
    (folder / "bare.pkl").write_bytes(pickle.dumps({"a": 1}, protocol=4))
    expect("bare.pkl", "bare pickle")
    exported = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    torch.export.save(exported, folder / "exported.pt2")
    expect("exported.pt2", "torch.export")
    with zipfile.ZipFile(folder / "plain.zip", "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({}, protocol=2))
    expect("plain.zip", "zip")
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "pickle").write_bytes(b"\x80\x02}.")
        shutil.make_archive(str(folder / "old"), "tar", scratch)
    expect("old.tar", "tar archive")
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.ones(2)}, folder / "no_crc.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    expect("no_crc.pt", "without CRCs")
    torch.save({"a.b": torch.ones(1), "a": {"b": torch.ones(1)}}, folder / "collision.pt")
    expect("collision.pt", "'a.b' is there twice")
    loop: dict = {"weight": torch.ones(1)}
    loop["self"] = loop
    torch.save(loop, folder / "loop.pt")
    expect("loop.pt", "contains itself")
    torch.save({(1, 2): torch.ones(1)}, folder / "tuple_key.pt")
    expect("tuple_key.pt", "key that is neither str nor int")
    (folder / "empty").write_bytes(b"")
    expect("empty", "is empty")
    (folder / "text.txt.pt").write_bytes(b"hello, world, this is text\n")
    expect("text.txt.pt", "no file of weights")


def write(out_dir: Path) -> None:
    """Writes everything below `out_dir`."""
    # Not below out_dir, which is renamed when it is complete.
    marker = Path(tempfile.gettempdir()) / f"xattn-hostile-pickle-ran-{uuid.uuid4().hex}"
    for name in ("good", "tiny", "refused"):
        (out_dir / name).mkdir(parents=True, exist_ok=True)
    (out_dir / "marker.txt").write_text(str(marker))
    write_tiny(out_dir / "tiny")
    write_good(out_dir / "good")
    write_refused(out_dir / "refused", marker)


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]))
