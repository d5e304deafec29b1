"""What a test of real sizes needs of a machine."""

import shutil
from pathlib import Path

GIB = 1 << 30


def peak_bytes() -> int:
    """The largest resident size of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def shortage(folder: Path, memory: int, disk: int) -> str | None:
    """What is short where so many bytes of each are needed; None where nothing is."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    free = shutil.disk_usage(folder).free
    if available < memory:
        return f"{available / GIB:.1f} GiB of memory are available, {memory // GIB} are needed"
    if free < disk:
        return f"{free / GIB:.1f} GiB of disk are free, {disk // GIB} are needed"
    return None
