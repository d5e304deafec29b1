"""Only src/io/json.cpp parses JSON: its limits hold for the library and the programs."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARSES = re.compile(r"\b(ordered_)?json::(parse|sax_parse|accept)\b")


class OneJsonReader(unittest.TestCase):
    def test_no_other_file_parses(self):
        found = {
            file.relative_to(ROOT).as_posix()
            for folder in ("src", "include", "apps")
            for file in (ROOT / folder).rglob("*")
            if file.suffix in {".h", ".cpp"} and PARSES.search(file.read_text())
        }
        self.assertEqual(found, {"src/io/json.cpp"})


if __name__ == "__main__":
    unittest.main()
