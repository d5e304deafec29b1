#!/usr/bin/env python3
"""Makes the golden data that the tests read: `python make.py --out DIR [--only files|modules]`.

    DIR/manifest.json   written last: torch's version, the sources' hash, the parts, the cases
    DIR/modules/CASE/   one case (modules.py)
    DIR/cli/            files for the command-line tool's tests (cli.py)
    DIR/files/          good and hostile files for the readers' tests (files.py)

All is written to DIR.tmp, which then takes DIR's place: an interrupted run leaves no DIR that looks
complete. Where DIR already holds what these sources make with this torch, nothing is done.
"""

import argparse
import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import torch  # noqa: E402

import cli  # noqa: E402
import files  # noqa: E402
import modules  # noqa: E402

PARTS = ("files", "modules")


def sources_hash() -> str:
    """SHA-256 over the names and contents of everything that decides what is generated."""
    digest = hashlib.sha256()
    for path in [*sorted(HERE.parent.glob("xattn_*.py")), *sorted(HERE.glob("*.py"))]:
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def read_manifest(folder: Path) -> dict | None:
    """The manifest in `folder`, None where there is none that can be read."""
    try:
        return json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return None


def generate(folder: Path, parts: tuple[str, ...], stamp: dict[str, str]) -> int:
    """Writes `parts` into `folder`, the manifest last. Returns the number of cases."""
    folder.mkdir(parents=True)
    cases = []
    if "modules" in parts:
        for case in modules.write(folder / "modules"):
            cases.append({"directory": f"modules/{case['name']}", **case})
        cli.write(folder / "cli")
    if "files" in parts:
        files.write(folder / "files")
    manifest = {**stamp, "parts": list(parts), "cases": cases}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return len(cases)


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the golden data that the tests read.")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--only", choices=PARTS, help="make this part alone")
    options = parser.parse_args()
    out = options.out.resolve()
    parts = (options.only,) if options.only else PARTS
    stamp = {"torch": torch.__version__, "sources": sources_hash()}
    manifest = read_manifest(out)
    if manifest and set(parts) <= set(manifest.get("parts", [])):
        if all(manifest.get(key) == value for key, value in stamp.items()):
            print(f"{out} is up to date")
            return 0
    if manifest is None and out.exists() and any(out.iterdir()):
        print(f"make.py: {out} is not empty and holds no golden data", file=sys.stderr)
        return 2

    torch.set_num_threads(1)  # the modules are small; more threads only wait for each other
    started = time.monotonic()
    fresh, old = out.with_name(f"{out.name}.tmp"), out.with_name(f"{out.name}.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    count = generate(fresh, parts, stamp)
    if out.exists():
        out.rename(old)
    fresh.rename(out)
    shutil.rmtree(old, ignore_errors=True)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {count} cases, {size / 1e6:.0f} MB, {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
