"""xattn tokenize: transformers' ids, one line a text; warnings, errors, exit codes."""

import json
import os
import shutil
import unittest
from pathlib import Path

from programs_test import ProgramTest, call
from safetensors import safe_open

GOLDEN = Path(os.environ.get("XATTN_GOLDEN_MODELS_DIR", "")) / "tokenizer"
SD1, SD2 = GOLDEN / "sd1", GOLDEN / "sd2"


@unittest.skipUnless(SD1.exists(), "no golden data: they are made by a Python with transformers and open_clip")
class Tokenize(ProgramTest):
    def write(self, text: bytes) -> Path:
        path = self.folder / "texts.txt"
        path.write_bytes(text)
        return path

    def test_prints_pythons_ids(self) -> None:
        texts = [json.loads(line) for line in (GOLDEN / "texts" / "some.jsonl").read_text().splitlines()]
        with safe_open(SD2 / "golden.safetensors", "numpy") as file:
            rows = file.get_tensor("padded").tolist()
        lines = [(text, row) for text, row in zip(texts, rows, strict=True) if "\n" not in text]
        result = call("xattn", "tokenize", SD2, "--file", self.write("\n".join(text for text, _ in lines).encode()))
        self.assertEqual(result.returncode, 0, result.stderr)
        expected = [" ".join(map(str, row)) for _, row in lines]
        self.assertEqual(result.stdout.splitlines(), expected)
        self.assertTrue(all(line.startswith("xattn: ") for line in result.stderr.split("\n")[:-1]))

    def test_counts_empty_lines(self) -> None:
        empty = self.succeed("xattn", "tokenize", SD1, "")
        cat = self.succeed("xattn", "tokenize", SD1, "cat")
        self.assertEqual(cat.split()[:4], ["49406", "2368", "49407", "49407"])
        self.assertEqual(len(cat.split()), 77)
        for text, expected in ((b"\ncat\n\n", empty + cat + empty), (b"cat\r\n\xc2\xa0", cat + empty), (b"", "")):
            self.assertEqual(self.succeed("xattn", "tokenize", SD1, "--file", self.write(text)), expected)

    def test_reads_stdin(self) -> None:
        expected = self.succeed("xattn", "tokenize", SD1, "--file", self.write(b"cat\n\xc2\xa0dog\n\n"))
        result = call("xattn", "tokenize", SD1, "--file", "-", given="cat\n\xa0dog\n\n")
        self.assertEqual((result.returncode, result.stdout), (0, expected), result.stderr)
        self.assertEqual(call("xattn", "tokenize", SD1, "--file", "-").stdout, "")

    def test_warns_of_what_it_cuts(self) -> None:
        result = call("xattn", "tokenize", SD1, "--file", self.write(b"cat\n" + 75 * b"a " + b"LAST words\n"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(result.stdout.splitlines()), 2)
        place = f"{self.folder / 'texts.txt'}:2"
        self.assertEqual(result.stderr, f"xattn: {place}: warning: text of more than 77 tokens; cut: last words\n")

    def test_finds_a_pipelines_tokenizer(self) -> None:
        shutil.copytree(GOLDEN / "sd1_saved", self.folder / "tokenizer")
        found = self.succeed("xattn", "tokenize", self.folder, "a photo of 고양이!")
        self.assertEqual(found, self.succeed("xattn", "tokenize", SD1, "a photo of 고양이!"))

    def test_refuses_bad_usage(self) -> None:
        self.fail_with(2, "xattn", "tokenize", SD1)
        self.fail_with(2, "xattn", "tokenize", SD1, "cat", "--file", "x")
        self.fail_with(2, "xattn", "tokenize")

    def test_refuses_bad_input(self) -> None:
        self.assertIn("cannot be read", self.fail_with(3, "xattn", "tokenize", SD1, "--file", self.folder / "x"))
        self.assertIn("cannot be read", self.fail_with(3, "xattn", "tokenize", SD1, "--file", self.folder))
        bad = self.fail_with(3, "xattn", "tokenize", SD1, "--file", self.write(b"cat\nab\xff\n"))
        self.assertIn("texts.txt:2: [CLIPTokenizer] text: expected UTF-8, got an invalid byte at offset 2", bad)
        self.assertIn("got none of them", self.fail_with(3, "xattn", "tokenize", self.folder, "cat"))
        self.assertIn("expected a folder", self.fail_with(3, "xattn", "tokenize", self.folder / "x", "cat"))


# The discovery runs programs_test.py's own tests by themselves.
del ProgramTest
