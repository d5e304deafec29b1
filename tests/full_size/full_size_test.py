#!/usr/bin/env python3
"""A Stable-Diffusion-1.5-shaped UNet, 860 M random weights saved by Python: the same numbers as Python's, and
the time and the memory of both side by side.

`full_size_test.py --xattn PROGRAM --folder DIR` writes 3.4 GB into DIR and removes them. It skips, with
"SKIPPED: …" and status 0, where memory or disk are short; where CI is set, a missing package fails.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from machine import GIB, peak_bytes, shortage

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
MEMORY, DISK = 10 * GIB, 6 * GIB
TOLERANCE = 1e-5  # of the largest output


def make(folder: Path, batch: int) -> None:
    """The model and its inputs, as Python saves them."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    torch.manual_seed(1)
    model = UNet2DConditionModel(
        sample_size=64,
        cross_attention_dim=768,
        attention_head_dim=8,
        block_out_channels=(320, 640, 1280, 1280),
    ).eval()
    model.save_pretrained(folder / "unet")
    inputs = {
        "sample": torch.randn(batch, 4, 64, 64),
        "timestep": torch.tensor(501),
        "encoder_hidden_states": torch.randn(batch, 77, 768),
    }
    save_file(inputs, folder / "input.safetensors")


def run(folder: Path) -> None:
    """What Python computes; prints its times and its peak."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import load_file, save_file

    inputs = load_file(folder / "input.safetensors")
    started = time.monotonic()
    model = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    for parameter in model.parameters():  # they are mapped, and read when they are touched
        parameter.detach().sum()
    loaded = time.monotonic()
    with torch.no_grad():
        sample = model(**inputs).sample
        between = time.monotonic()
        model(**inputs)
    found = {"load": loaded - started, "first": between - loaded, "run": time.monotonic() - between, "peak": peak_bytes()}
    save_file({"sample": sample}, folder / "python.safetensors")
    print(json.dumps(found))


def python(step: str, folder: Path) -> str:
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def compare(program: Path, folder: Path) -> int:
    import torch
    from safetensors.torch import load_file

    python("make", folder)
    theirs = json.loads(python("run", folder))
    command = [program, "run", folder / "unet", "--input", folder / "input.safetensors"]
    command += ["--output", folder / "output.safetensors", "--repeat", "2", "--json"]
    ours = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    expected = load_file(folder / "python.safetensors")["sample"]
    actual = load_file(folder / "output.safetensors")["sample"]
    error = ((actual - expected).abs().max() / expected.abs().max()).item()
    print("UNet2DConditionModel of Stable Diffusion 1.5's shape, 2×4×64×64, 860 M parameters, float32")
    print(f"  {'':<10}{'load s':>8}{'first s':>9}{'again s':>9}{'peak GiB':>10}")
    rows = (
        ("Python", theirs["load"], theirs["first"], theirs["run"], theirs["peak"]),
        ("xattn", ours["load_seconds"], ours["seconds"][0], ours["seconds"][1], ours["peak_bytes"]),
    )
    for name, load, first, again, peak in rows:
        print(f"  {name:<10}{load:8.2f}{first:9.2f}{again:9.2f}{peak / GIB:10.2f}")
    print(f"  largest difference {error:.1e} of the largest output, allowed {TOLERANCE:.0e}")
    weights = sum(path.stat().st_size for path in (folder / "unet").glob("*.safetensors"))
    print(f"  weights {weights / GIB:.2f} GiB, beside them at most {(ours['load_peak_bytes'] - weights) / 2**20:.0f} MiB while loading")
    failed = error > TOLERANCE or not torch.isfinite(actual).all() or ours["load_peak_bytes"] > weights + 256 * 2**20
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--xattn", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--step", choices=("make", "run"))
    parser.add_argument("--batch", type=int, default=2)
    options = parser.parse_args()
    if options.step:
        make(options.folder, options.batch) if options.step == "make" else run(options.folder)
        return 0
    try:
        import diffusers  # noqa: F401
    except ImportError:
        print("SKIPPED: diffusers is missing" if "CI" not in os.environ else "diffusers is missing")
        return 1 if "CI" in os.environ else 0
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    try:
        if short := shortage(options.folder, MEMORY, DISK):
            print(f"SKIPPED: {short}")
            return 0
        return compare(options.xattn, options.folder)
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
