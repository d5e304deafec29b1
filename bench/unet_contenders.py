"""The contenders of unet.py: who they are, whether they are here, and how their processes are started."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contenders import HERE, environment, not_installed
from process import KEEP_MEMORY, has_avx512
from unet_models import Case
from unet_worker import EXPORTS

# What holds everybody to an instruction set. OpenVINO has two, for oneDNN's kernels and for its own.
HELD = {
    "avx2": {
        "XATTN_CPU_KERNELS": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2", "OV_CPU_MAX_ISA": "AVX2",
        "TORCHINDUCTOR_CPP_MARCH": "x86-64-v3",
    }
}  # fmt: skip
KERNELS = ("", "avx512", "avx2", "portable", "torch")


@dataclass(frozen=True)
class Conditions:
    """What is the same for all contenders of a run; `isa` is a key of HELD, or empty, and `unheld` lets those take part
    that cannot be held to it."""

    program: Path
    case: Case
    threads: int
    isa: str = ""
    unheld: bool = False

    def environment(self) -> dict[str, str]:
        held = HELD.get(self.isa, {})
        return {**environment(self.threads, self.case.folder), **KEEP_MEMORY, **held}

    def worker(self, *step: str) -> list[str]:
        """The command line of unet_worker.py."""
        case = self.case
        command = [sys.executable, str(HERE / "unet_worker.py"), *step, "--folder", str(case.folder), "--model", case.kind]
        return [*command, "--batch", str(case.batch), "--size", str(case.size), "--threads", str(self.threads)]


@dataclass(frozen=True)
class Contender:
    """`about` is a line for the table's notes."""

    name: str
    about: str = ""

    @property
    def ours(self) -> bool:
        return False

    def absence(self, conditions: Conditions) -> str | None:
        """Why it cannot run here, None if it can."""
        raise NotImplementedError

    def has_advantage(self, conditions: Conditions) -> bool:
        return False

    def preparations(self, conditions: Conditions) -> list[list[str]]:
        """Commands that make what it needs once, before the rounds."""
        return []

    def files(self, case: Case) -> Path:
        """The folder of what it reads."""
        return case.weights

    def command(self, conditions: Conditions, passes: int, output: Path) -> list[str]:
        raise NotImplementedError

    def environment(self, conditions: Conditions) -> dict[str, str]:
        return conditions.environment()


@dataclass(frozen=True)
class Xattn(Contender):
    """`xattn run`, with the kernels that are named or, for "", those that it chooses; `prepared`: the text is prepared
    by the first pass."""

    kernels: str = ""
    prepared: bool = False

    @property
    def ours(self) -> bool:
        return True

    def absence(self, conditions: Conditions) -> str | None:
        if self.prepared and conditions.case.model.method != "forward":
            return "left out: a decoder takes no text"
        return None if conditions.program.is_file() else f"not built: no {conditions.program}"

    def command(self, conditions: Conditions, passes: int, output: Path) -> list[str]:
        case = conditions.case
        method = "forward_prepared" if self.prepared else case.model.method
        command = [str(conditions.program), "run", str(case.weights), "--method", method, "--input", str(case.inputs)]
        return [*command, "--output", str(output), "--repeat", str(passes), "--json"]

    def environment(self, conditions: Conditions) -> dict[str, str]:
        chosen = {"XATTN_CPU_KERNELS": self.kernels} if self.kernels else {}
        return {**conditions.environment(), **chosen}


@dataclass(frozen=True)
class Peer(Contender):
    """A process of unet_worker.py. `packages`: what it needs beside diffusers; `compiles`: its first pass fills a cache;
    `unheld`: why it cannot be held to an instruction set."""

    packages: tuple[str, ...] = ()
    compiles: bool = False
    unheld: str = ""

    def absence(self, conditions: Conditions) -> str | None:
        if why := not_installed("diffusers", *self.packages):
            return why
        return f"left out: {self.unheld}" if self.has_advantage(conditions) and not conditions.unheld else None

    def has_advantage(self, conditions: Conditions) -> bool:
        """Whether it uses more than the instruction set that the others are held to."""
        return bool(self.unheld and conditions.isa and has_avx512())

    def preparations(self, conditions: Conditions) -> list[list[str]]:
        if self.compiles:
            return [self.command(conditions, 1, conditions.case.home / f"{self.name}.safetensors")]
        made = self.name not in EXPORTS or (conditions.case.home / EXPORTS[self.name][0]).exists()
        return [] if made else [conditions.worker("export", self.name)]

    def files(self, case: Case) -> Path:
        return (case.home / EXPORTS[self.name][0]).parent if self.name in EXPORTS else case.weights

    def command(self, conditions: Conditions, passes: int, output: Path) -> list[str]:
        return conditions.worker("run", self.name, "--passes", str(passes), "--output", str(output))


PEERS = (
    Peer("diffusers", "diffusers as it comes: PyTorch, eager"),
    Peer("diffusers-tuned", "diffusers, channels last, with q, k and v as one product"),
    Peer("torch-compile", "torch.compile(dynamic=False); starts with its cache filled", compiles=True),
    Peer("torch-compile-frozen", "the same with freezing=True", compiles=True),
    Peer("onnxruntime", "torch.onnx.export, fixed shapes, all fusions", ("onnxruntime", "onnx", "onnxscript"),
         unheld="its kernels are chosen by the processor alone, AVX-512 here"),
    Peer("openvino", "OpenVINO's own conversion, fixed shapes, LATENCY, f32", ("openvino",),
         unheld="its linear layers are those of ONNX Runtime's kernels, chosen by the processor alone, AVX-512 here"),
)  # fmt: skip
DIFFUSERS = PEERS[0]
PREPARED = Xattn("xattn-prepared", "the text is prepared once, as in a denoising loop", prepared=True)
NAMES = ("xattn", PREPARED.name, *(peer.name for peer in PEERS))


def choose(names: Sequence[str], kernels: Sequence[str]) -> list[Contender]:
    """Those that are named, in the table's order; xattn once for each of the kinds of kernels."""
    ours = [Xattn(f"xattn {kind}".strip(), kernels=kind) for kind in kernels] if "xattn" in names else []
    return [*ours, *(one for one in (PREPARED, *PEERS) if one.name in names)]


def read_files(folder: Path) -> None:
    """Has the system keep a folder's files in memory, as far as there is room: a turn measures no disk."""
    buffer = bytearray(1 << 24)
    for path in sorted(folder.iterdir()):
        with open(path, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            while file.readinto(buffer):
                pass
