"""A contender's process as it is seen from outside, and the machine that it runs on."""

import contextlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
GIB = 1 << 30
TICKS = os.sysconf("SC_CLK_TCK")

# glibc returns nothing to the system, so that no pass pays for page faults; `xattn` does so by itself.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2147483647"}


@dataclass(frozen=True)
class Finished:
    """What a process printed, its seconds from start to end, and its largest resident size."""

    out: str
    err: str
    wall: float
    peak: int


def finish(command: Sequence[str | Path], environment: Mapping[str, str]) -> Finished:
    """Runs a process to its end; whatever stops us on the way stops it and its children.

    Throws: RuntimeError with what it said last, where its exit status is not 0.
    """
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        started = time.monotonic()
        files = {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stderr}
        process = subprocess.Popen(command, **files, env=environment, start_new_session=True)
        try:
            _, status, usage = os.wait4(process.pid, 0)  # which, unlike wait, tells the process's memory
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (stdout, stderr):
            file.seek(0)
        out, err = stdout.read(), stderr.read()
    if process.returncode:
        raise RuntimeError(f"exit status {process.returncode}: {(out + err).strip()[-500:]}")
    return Finished(out, err, wall, usage.ru_maxrss * 1024)


@contextlib.contextmanager
def scratch(kept: Path | None) -> Iterator[Path]:
    """The folder to work in: the one to keep, or one that is removed at the end."""
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="xattn-bench-") as folder:
        yield Path(folder)


def log(message: str) -> None:
    """Progress, on one line that the next one overwrites, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{message}", end="", file=sys.stderr, flush=True)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def end_on_sigterm() -> None:
    """SIGTERM ends as Ctrl-C does: what was started is ended on the way out."""
    signal.signal(signal.SIGTERM, _end)


def interrupted() -> int:
    """The exit code of a run that Ctrl-C ended. Once is enough: one more would be a traceback while Python ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("\ninterrupted", file=sys.stderr)
    return 130


def _cpuinfo(key: str) -> str | None:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def processor() -> str:
    """The processor's name."""
    return _cpuinfo("model name") or platform.machine()


def has_avx512() -> bool:
    return "avx512f" in (_cpuinfo("flags") or "").split()


class Disturbance:
    """What other processes take of the machine from now on; ours are this one and its children."""

    def __init__(self) -> None:
        self._since, self._foreign = time.monotonic(), self._foreign_seconds()

    @staticmethod
    def _foreign_seconds() -> float:
        ours = os.times()
        return busy_seconds() - sum(ours[:4])

    def share(self) -> float:
        """Of all processors' time; children that have not ended are taken for others."""
        capacity = (time.monotonic() - self._since) * os.cpu_count()
        return max(0.0, (self._foreign_seconds() - self._foreign) / capacity)


def busy_seconds() -> float:
    """What all processors have worked so far, time stolen from a virtual machine included."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS
