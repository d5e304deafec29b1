#!/usr/bin/env python3
"""The worker of one Python contender; README.md tells the line protocol.

    python bench/peers.py CONTENDER --folder DIR --threads N
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TextIO


class Forward(Protocol):
    """A loaded case: called, it does one pass and returns the result in its own form."""

    def __call__(self) -> Any: ...

    def save(self, path: Path) -> None:
        """Does one pass and writes the result as tensor `output` of a safetensors file."""


def load_torch(contender: str, folder: Path, threads: int) -> Forward:
    from torch_peers import TorchForward

    return TorchForward(contender, folder, threads)


def load_sgemm(contender: str, _folder: Path, threads: int) -> Forward:
    from torch_peers import Sgemm

    return Sgemm(contender, threads)


def load_onnxruntime(_contender: str, folder: Path, threads: int) -> Forward:
    from runtime_peers import OnnxRuntimeForward

    return OnnxRuntimeForward(folder, threads)


def load_openvino(_contender: str, folder: Path, threads: int) -> Forward:
    from runtime_peers import OpenVinoForward

    return OpenVinoForward(folder, threads)


LOADERS: dict[str, Callable[[str, Path, int], Forward]] = {
    "torch-eager": load_torch,
    "torch-sdpa": load_torch,
    "torch-mha": load_torch,
    "torch-compile": load_torch,
    "torch-compile-frozen": load_torch,
    "onnxruntime": load_onnxruntime,
    "openvino": load_openvino,
    "sgemm-mm": load_sgemm,
    "sgemm-onednn": load_sgemm,
}


def timed(forward: Forward, passes: int) -> list[float]:
    """The seconds of each pass; a result is freed after its clock has stopped."""
    seconds = []
    for _ in range(passes):
        start = time.perf_counter()
        result = forward()
        seconds.append(time.perf_counter() - start)
        del result
    return seconds


def peak_bytes() -> int:
    """The largest resident size of this process so far."""
    with open("/proc/self/status", encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def answer(forward: Forward, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request other than quit."""
    if "run" in request:
        return {"seconds": timed(forward, request["run"])}
    if "output" in request:
        forward.save(Path(request["output"]))
        return {"written": request["output"]}
    if "memory" in request:
        return {"peak_bytes": peak_bytes()}
    return {"error": f"unknown request {json.dumps(request)}"}


def claim_stdout() -> TextIO:
    """Keeps stdout for the protocol: whatever a library prints goes to stderr."""
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return protocol


def main() -> None:
    parser = argparse.ArgumentParser(description="Times one Python contender.")
    parser.add_argument("contender", choices=LOADERS)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    protocol = claim_stdout()
    forward = LOADERS[options.contender](options.contender, options.folder, options.threads)
    forward()
    print(json.dumps({"ready": True, "contender": options.contender}), file=protocol)
    for line in sys.stdin:
        request = json.loads(line)
        if "quit" in request:
            break
        print(json.dumps(answer(forward, request)), file=protocol)


if __name__ == "__main__":
    main()
