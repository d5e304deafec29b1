"""A pass of Stable Diffusion's UNet in xattn and in diffusers, side by side: python unet.py --help

The model has Stable Diffusion 1.5's shape and random weights (860 M parameters, 3.4 GB on disk while this
runs). Contenders take turns; a round counts as one pass of each, after one that does not count. Every result
is compared with diffusers'. Exit codes: 0 done, 1 a contender failed or differs, 2 bad usage.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOLERANCE = 1e-5  # of the largest output
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2147483647"}
GIB = 1 << 30


def diffusers_worker(folder: Path, threads: int) -> None:
    """One pass for every line on stdin; answers with its seconds."""
    import time

    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import load_file, save_file

    torch.set_num_threads(threads)
    model = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    inputs = load_file(folder / "input.safetensors")
    with torch.inference_mode():
        save_file({"sample": model(**inputs).sample}, folder / "diffusers.safetensors")
        print("ready", flush=True)
        for _ in sys.stdin:
            start = time.monotonic()
            model(**inputs)
            print(time.monotonic() - start, flush=True)


class Diffusers:
    def __init__(self, folder: Path, threads: int) -> None:
        command = [sys.executable, __file__, "--worker", str(folder), "--threads", str(threads)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **KEEP_MEMORY}
        )
        self._answer()

    def _answer(self) -> str:
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("diffusers: the worker stopped")
        return line

    def seconds(self) -> float:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


class Xattn:
    """`xattn run`, with the kernels that are named or, for "", those that it chooses."""

    def __init__(self, program: Path, folder: Path, threads: int, kernels: str) -> None:
        self._output = folder / f"xattn-{kernels}.safetensors"
        self._command = [program, "run", folder / "unet", "--input", folder / "input.safetensors"]
        self._command += ["--output", self._output, "--repeat", "2", "--json"]
        self._environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        if kernels:
            self._environment["XATTN_CPU_KERNELS"] = kernels
        self._expected = folder / "diffusers.safetensors"

    def seconds(self) -> float:
        ran = subprocess.run(self._command, env=self._environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(ran.stderr.strip())
        self._check()
        return json.loads(ran.stdout)["seconds"][-1]

    def _check(self) -> None:
        from safetensors.torch import load_file

        expected, actual = (load_file(path)["sample"] for path in (self._expected, self._output))
        error = ((actual - expected).abs().max() / expected.abs().max()).item()
        if not error <= TOLERANCE:
            raise RuntimeError(f"{self._output.stem}: differs from diffusers by {error:.1e} of the largest output")

    def close(self) -> None:
        pass


def processor() -> str:
    """The processor's name."""
    names = (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return next(names, "unknown processor")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(":")[0] + ".")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=1, help="latents of 64×64; guidance takes two")
    parser.add_argument("--kernels", default=",torch", help="kinds of XATTN_CPU_KERNELS, comma-separated; '' is xattn's choice")
    parser.add_argument("--xattn", type=Path, default=ROOT / "build/release/bin/xattn")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if min(options.threads, options.rounds, options.batch) < 1:
        parser.error("--threads, --rounds and --batch: expected 1 or more")
    return options


def table(found: dict[str, list[float]]) -> str:
    """Medians, and medians of the ratios within a round to xattn's own choice."""
    base = next(iter(found.values()))
    lines = [f"{'':<22}{'median s':>10}{'times xattn':>13}"]
    for name, seconds in found.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, base, strict=True))
        lines.append(f"{name:<22}{statistics.median(seconds):>10.2f}{ratio:>13.2f}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    if options.worker:
        diffusers_worker(options.worker, options.threads)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print(f"{processor()}, {options.threads} threads")
        print(f"UNet2DConditionModel of Stable Diffusion 1.5's shape, {options.batch}×4×64×64, float32", flush=True)
        maker = [sys.executable, ROOT / "tests/full_size/full_size_test.py", "--step", "make"]
        subprocess.run([*maker, "--folder", folder, "--batch", str(options.batch)], check=True)
        contenders = {f"xattn {kernels}".strip(): Xattn(options.xattn, folder, options.threads, kernels)
                      for kernels in options.kernels.split(",")}  # fmt: skip
        contenders["diffusers"] = Diffusers(folder, options.threads)
        found = {name: [] for name in contenders}
        try:
            for turn in range(options.rounds + 1):
                for name, contender in contenders.items():
                    seconds = contender.seconds()
                    if turn:
                        found[name].append(seconds)
        except RuntimeError as error:
            print(f"unet.py: {error}", file=sys.stderr)
            return 1
        finally:
            for contender in contenders.values():
                contender.close()
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps({"machine": processor(), "seconds": found}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
