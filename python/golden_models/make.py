#!/usr/bin/env python3
"""Makes the golden data of the larger models with diffusers and transformers.

`python make.py AREA --out DIR` runs AREA.py beside this file: one that has `write(folder)`, which yields a manifest
entry for each case that it writes into folder/NAME:

    DIR/manifest.json   written last: the packages' versions, the sources' hash, the cases
    DIR/NAME/           golden.safetensors (common.py), and what else the area writes

Where DIR already holds what these sources make, nothing is done. Exit codes: 0 done, 3 where a package is
missing (one line on stderr says which).
"""

import argparse
import hashlib
import importlib
import importlib.metadata
import json
import os
import re
import shutil
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
AREAS = sorted(path.stem for path in HERE.glob("*.py") if "\ndef write(" in path.read_text())
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore")


def sources_of(area: str) -> list[Path]:
    """The area's file, and those beside it that it imports, directly or through others."""
    found, left = set(), [area]
    while left:
        path = HERE / f"{left.pop()}.py"
        if path not in found and path.exists():
            found.add(path)
            left += re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
    return sorted(found)


def stamp_of(area: str) -> dict[str, str]:
    """Everything that decides what is made."""
    digest = hashlib.sha256()
    for path in (HERE / "make.py", *sources_of(area)):
        digest.update(path.read_bytes())
    versions = {}
    for package in ("torch", "diffusers", "transformers", "pillow"):
        versions[package] = importlib.metadata.version(package)
    return {**versions, "sources": digest.hexdigest()}


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the golden data of one area.")
    parser.add_argument("area", choices=AREAS)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    options = parser.parse_args()
    out = options.out.resolve()
    try:
        stamp = stamp_of(options.area)
    except importlib.metadata.PackageNotFoundError as error:
        print(f"make.py: the Python package {error.name} is missing", file=sys.stderr)
        return 3
    try:
        manifest = json.loads((out / "manifest.json").read_text())
        if all(manifest.get(key) == value for key, value in stamp.items()):
            print(f"{out} is up to date")
            return 0
    except (OSError, ValueError):
        pass

    import torch

    torch.set_num_threads(1)
    started = time.monotonic()
    fresh = out.with_name(f"{out.name}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    area = importlib.import_module(options.area)
    cases = [{"directory": case["name"], **case} for case in area.write(fresh)]
    (fresh / "manifest.json").write_text(json.dumps({**stamp, "cases": cases}, indent=1) + "\n")
    shutil.rmtree(out, ignore_errors=True)
    fresh.rename(out)
    print(f"{out}: {len(cases)} cases, {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
