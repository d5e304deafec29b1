"""Linear layers beside LibTorch's: both are in the program, which measures them by itself."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contenders import ALLOCATOR


def measure(program: Path, threads: int, rounds: int) -> list[dict[str, Any]]:
    """A row a shape of Stable Diffusion; nothing where the program is not built."""
    if not program.is_file():
        return []
    done = subprocess.run(
        [str(program), "bench", "--case", "Linear", "--json"]
        + ["--threads", str(threads), "--rounds", str(rounds)],
        env={**os.environ, **ALLOCATOR, "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)["layers"]


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table, a line a shape, worst first."""
    lines = ["### Linear: LibTorch's time over ours", "", "| | ms | LibTorch's ms | ratio |"]
    lines.append("|---|---:|---:|---:|")
    for row in sorted(rows, key=lambda row: row["times_as_fast_as_libtorch"]):
        ours, theirs = row["milliseconds"], row["milliseconds_of_libtorch"]
        ratio = row["times_as_fast_as_libtorch"]
        lines.append(f"| {row['case']} | {ours:.3g} | {theirs:.3g} | {ratio:.2f} |")
    return "\n".join(lines) + "\n"
