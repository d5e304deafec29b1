"""The contenders: who they are, whether they are here, and how their workers are started."""

import os
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
FAMILIES = ("xattn", "LibTorch", "PyTorch", "runtime")

# One allocator for all: glibc keeps freed memory, so no contender pays page faults that another
# avoids by a pool of its own.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483647"}

# libgomp's own default for all, of which our program would choose less.
WAITING = {"GOMP_SPINCOUNT": "300000"}


def not_installed(*packages: str) -> str | None:
    """Which packages are not there, None if all are."""
    absent = [package for package in packages if find_spec(package) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


@dataclass(frozen=True)
class Contender:
    """`packages`: what a Python contender needs, by distribution; `onnx`: it reads model.onnx."""

    name: str
    family: str
    about: str
    packages: tuple[str, ...] = ()
    onnx: bool = False

    @property
    def ours(self) -> bool:
        return self.family == "xattn"

    @property
    def in_cpp(self) -> bool:
        return self.family in ("xattn", "LibTorch")

    def absence(self, program: Path) -> str | None:
        """Why it cannot run here, None if it can."""
        if self.in_cpp:
            return None if program.is_file() else f"not built: no {program}"
        return not_installed(*self.packages)

    def command(self, program: Path, folder: Path, threads: int) -> list[str]:
        """The command line of its worker."""
        if self.in_cpp:
            start = [str(program), "bench", "--worker", self.name]
        else:
            start = [sys.executable, str(HERE / "peers.py"), self.name]
        return [*start, "--folder", str(folder), "--threads", str(threads)]


ONNX = ("onnx", "onnxscript", "numpy", "safetensors")

CONTENDERS = (
    Contender("xattn", "xattn", "xattn, plain call"),
    Contender("xattn-prepared", "xattn", "xattn, text prepared once before the clock starts"),
    Contender("cpp-explicit", "LibTorch", "LibTorch C++, the explicit algorithm"),
    Contender("cpp-sdpa", "LibTorch", "LibTorch C++, scaled_dot_product_attention"),
    Contender("torch-eager", "PyTorch", "PyTorch, the reference module", ("torch",)),
    Contender("torch-sdpa", "PyTorch", "PyTorch, F.scaled_dot_product_attention", ("torch",)),
    Contender("torch-mha", "PyTorch", "PyTorch, nn.MultiheadAttention", ("torch",)),
    Contender("torch-compile", "PyTorch", "PyTorch, torch.compile(dynamic=False)", ("torch",)),
    Contender("torch-compile-frozen", "PyTorch", "the same with freezing=True", ("torch",)),
    Contender("onnxruntime", "runtime", "ONNX Runtime, all fusions", ("onnxruntime", *ONNX), True),
    Contender("openvino", "runtime", "OpenVINO, LATENCY, f32", ("openvino", *ONNX), True),
)

# Not contenders: products of 2048³ in the same rounds. The faster one is the machine's limit;
# which one that is depends on the processor.
LIMITS = (
    Contender("sgemm-mm", "PyTorch", "torch.mm", ("torch",)),
    Contender("sgemm-onednn", "PyTorch", "oneDNN's product, by way of torch", ("torch",)),
)
LIMIT_SIZE = 2048


def environment(threads: int, scratch: Path) -> dict[str, str]:
    """The environment of every worker."""
    compiled = {"TORCHINDUCTOR_CACHE_DIR": str(scratch / "inductor")}
    return {**compiled, **WAITING, **os.environ, **ALLOCATOR, "OMP_NUM_THREADS": str(threads)}


def versions() -> dict[str, str]:
    """Distribution -> version, for those that are installed."""
    names = {package for contender in CONTENDERS for package in contender.packages} | {"diffusers"}
    found = {}
    for name in sorted(names):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
