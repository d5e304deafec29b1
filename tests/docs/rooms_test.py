"""The table of rooms in docs/architecture.md is what the includes of the library say."""

import re
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FAMILY = "models/<family>"
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)
TORCH = re.compile(r"(torch|ATen|c10)/")
# Of a room that may use torch, what the torch-free libraries are made of: see src/*/CMakeLists.txt.
TORCH_FREE_TARGETS = ("xattn_readers", "xattn_text", "xattn_images", "xattn_kernels")


def table(document: str) -> dict[str, set[str]]:
    """What each room may use; "torch" is one of these."""
    rooms = {}
    for line in document.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and (room := re.fullmatch(r"`(.+?)/`", cells[1])):
            rooms[room[1]] = {name.rstrip("/") for name in re.findall(r"`(.+?)`|\b(torch)\b", cells[3]) for name in name if name}
    return rooms


def room_of(path: str) -> str:
    """The room of a file or of what is included: "nn", or for a model "models/clip"."""
    parts = path.split("/")
    if len(parts) < 2:
        return ""
    return "/".join(parts[:2]) if parts[0] == "models" and len(parts) > 2 else parts[0]


def sources(root: Path) -> list[tuple[Path, str]]:
    """The files of the library, and their paths as includes name them."""
    return [
        (file, file.relative_to(base).as_posix())
        for base in (root / "include/xattn", root / "src")
        for file in sorted(base.rglob("*"))
        if file.suffix in {".h", ".cpp"}
    ]


def torch_free(root: Path) -> set[Path]:
    """The sources of the targets that know no torch."""
    files = set()
    for listing in (root / "src").rglob("CMakeLists.txt"):
        for target, names in re.findall(r"target_sources\((\w+) PRIVATE([^)]*)\)", listing.read_text()):
            if target in TORCH_FREE_TARGETS:
                files |= {listing.parent / name for name in names.split()}
    return files


def violations(root: Path, rooms: dict[str, set[str]]) -> list[str]:
    found = []
    without_torch = torch_free(root)
    for file, path in sources(root):
        room = room_of(path)
        if not room:
            continue  # xattn.h and version.h
        row = FAMILY if room.startswith("models/") else room
        if row not in rooms:
            found.append(f"{path}: the room {row} is not in the table")
            continue
        for name in INCLUDE.findall(file.read_text()):
            if TORCH.match(name):
                if "torch" not in rooms[row] or file in without_torch:
                    found.append(f"{path}: includes {name}, but may not use torch")
                continue
            used = room_of(name.removeprefix("xattn/"))
            if not (root / "src" / used).is_dir() and not (root / "include/xattn" / used).is_dir():
                continue  # a library's
            if used and used != room and not (FAMILY if used.startswith("models/") and row != FAMILY else used) in rooms[row]:
                found.append(f"{path}: includes {name}, but {row} may not use {used}")
    return found


class Rooms(unittest.TestCase):
    def test_every_include_is_allowed_by_the_table(self) -> None:
        rooms = table((ROOT / "docs/architecture.md").read_text())
        self.assertGreaterEqual(len(rooms), 7)
        self.assertEqual(violations(ROOT, rooms), [])

    def test_the_table_names_no_room_that_is_not_there(self) -> None:
        for room in table((ROOT / "docs/architecture.md").read_text()):
            folder = room.replace("/<family>", "")
            self.assertTrue((ROOT / "src" / folder).is_dir() or (ROOT / "include/xattn" / folder).is_dir(), room)

    def test_a_forbidden_include_is_found(self) -> None:
        rooms = {"ops": {"core", "torch"}, "core": set(), FAMILY: {"ops"}}
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for path, text in {
                "src/ops/a.cpp": '#include "core/c.h"\n#include <torch/types.h>\n#include "xattn/nn/x.h"\n',
                "include/xattn/nn/x.h": "",
                "src/core/c.h": "#include <ATen/core/Tensor.h>\n",
                "src/models/one/m.h": '#include "models/two/n.h"\n#include "ops/a.h"\n',
                "src/models/two/n.h": "",
            }.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            self.assertEqual(
                violations(root, rooms),
                [
                    "nn/x.h: the room nn is not in the table",
                    "core/c.h: includes ATen/core/Tensor.h, but may not use torch",
                    "models/one/m.h: includes models/two/n.h, but models/<family> may not use models/two",
                    "ops/a.cpp: includes xattn/nn/x.h, but ops may not use nn",
                ],
            )


if __name__ == "__main__":
    unittest.main()
