"""What the public headers declare and a source defines can be used from a shared library: nothing of it is hidden.

The symbols are those of the static library, whose objects a shared one is linked from.
"""

import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def public_names():
    """Classes, and functions outside of classes."""
    classes, functions = set(), set()
    for header in (ROOT / "include/xattn").rglob("*.h"):
        text = re.sub(r"//.*", "", header.read_text())
        classes |= set(re.findall(r"^(?:class|struct) (?:XATTN_API )?(\w+)[^;]*?\{", text, re.MULTILINE))
        functions |= set(re.findall(r"^(?!using|namespace|template|class|struct|enum|TORCH|  )(?:\[\[noreturn\]\] )?[\w:<>&*, ]*?(\w+)\(", text, re.MULTILINE))
    return classes, functions


def symbols():
    """(name, visibility) of the functions and tables of classes that the library defines and others may use."""
    listing = subprocess.run(
        [os.environ["READELF"], "--syms", "--wide", "--demangle", os.environ["XATTN_LIBRARY"]],
        capture_output=True, text=True, check=True,
    ).stdout
    return re.findall(r" (?:FUNC|OBJECT) +GLOBAL +(DEFAULT|HIDDEN) +\d+ (.+)", listing)


class Exports(unittest.TestCase):
    def test_nothing_public_is_hidden_and_the_rest_is(self):
        classes, functions = public_names()
        seen, wrong = set(), []
        for visibility, symbol in symbols():
            name = re.sub(r"\[abi:\w+\]", "", symbol).split("(")[0].removeprefix("vtable for ").removeprefix("typeinfo for ")
            parts = name.removeprefix("xattn::").removeprefix("detail::").split("::")
            if not name.startswith("xattn::"):
                continue
            public = parts[0] in classes or (len(parts) == 1 and parts[0] in functions)
            if public:
                seen.add(parts[0])
            if public != (visibility == "DEFAULT"):
                wrong.append(f"{visibility}: {symbol}")
        self.assertEqual(wrong, [])
        self.assertLessEqual({"load_checkpoint", "CrossAttentionImpl", "CLIPTokenizer", "UNet2DConditionConfig"}, seen)


if __name__ == "__main__":
    unittest.main()
