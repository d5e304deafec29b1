"""xattn train tokenizer: transformers reads it; options and what is refused."""

import json
import os
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from train_program import TOKENIZER, TrainTest, call, have_diffusers  # noqa: E402

os.environ.setdefault("HF_HUB_OFFLINE", "1")
TEXTS = ["the cat and the dog", "The cats, the dogs: 고양이", "고양이와 the 3 dogs!"]
SMALLEST = 514
# Option -> the tests that try it.
TABLE = {
    "--data": "captions", "--file": "a_file stdin", "--output": "refused", "--vocab-size": "sizes refused",
    "--min-frequency": "sizes refused", "--model-max-length": "transformers refused", "--force": "force",
}  # fmt: skip


class Tokenizer(TrainTest):
    def setUp(self) -> None:
        super().setUp()
        self.file = self.folder / "texts.txt"
        self.file.write_text("\n".join(TEXTS) + "\n")
        self.output = self.folder / "tokenizer"

    def make_one(self, *words: object, given: str = "") -> str:
        result = call("train", TOKENIZER, *words, "--output", self.output, given=given)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stderr)
        return result.stdout

    def merges(self) -> list[str]:
        return (self.output / "merges.txt").read_text().splitlines()[1:]

    def vocabulary(self) -> dict[str, int]:
        return json.loads((self.output / "vocab.json").read_text())

    def test_the_table_has_every_option(self) -> None:
        text = call("train", TOKENIZER, "--help").stdout
        listed = set(re.findall(r"^ +(?:-\w,)?(--[\w-]+)", text, re.MULTILINE)) - {"--help"}
        self.assertEqual(listed, set(TABLE))
        for tests in TABLE.values():
            for name in tests.split():
                self.assertTrue(hasattr(self, f"test_{name}"), name)

    def test_a_file(self) -> None:
        said = self.make_one("--file", self.file)
        vocabulary = self.vocabulary()
        self.assertEqual(said, f"{self.output}: {len(vocabulary)} tokens from 17 words, 12 of them different\n")
        self.assertEqual(sorted(vocabulary.values()), list(range(len(vocabulary))))
        self.assertEqual(len(self.merges()), len(vocabulary) - SMALLEST)
        self.assertIn("the</w>", vocabulary)

    def test_captions(self) -> None:
        self.make_one("--data", self.shared / "data")
        self.assertIn("wave</w>", self.vocabulary())

    def test_stdin(self) -> None:
        self.make_one("--file", self.file)
        expected = self.vocabulary()
        self.make_one("--file", "-", "--force", given="\n".join(TEXTS))
        self.assertEqual(self.vocabulary(), expected)

    def test_sizes(self) -> None:
        self.make_one("--file", self.file)
        merges = self.merges()
        self.make_one("--file", self.file, "--vocab-size", SMALLEST + 3, "--force")
        self.assertEqual(self.merges(), merges[:3])
        self.make_one("--file", self.file, "--vocab-size", SMALLEST, "--force")
        self.assertEqual(self.merges(), [])
        self.make_one("--file", self.file, "--min-frequency", 4, "--force")
        self.assertEqual(self.merges(), merges[: len(self.merges())])
        self.assertLess(0, len(self.merges()))
        self.assertLess(len(self.merges()), len(merges))
        self.make_one("--file", self.file, "--min-frequency", 1, "--force")
        self.assertGreater(len(self.merges()), len(merges))

    def test_force(self) -> None:
        self.make_one("--file", self.file)
        before = self.vocabulary()
        result = call("train", TOKENIZER, "--file", "-", "--output", self.output, given="others")
        self.assertEqual((result.returncode, result.stderr),
                         (2, f"xattn: --output: {self.output} has a vocabulary; with --force it is written over\n"))  # fmt: skip
        self.assertEqual(self.vocabulary(), before)
        self.make_one("--file", "-", "--min-frequency", 1, "--force", given="others")
        self.assertIn("others</w>", self.vocabulary())
        self.assertNotIn("the</w>", self.vocabulary())

    @unittest.skipUnless(have_diffusers(), "no transformers")
    def test_transformers(self) -> None:
        from transformers import CLIPTokenizer

        self.make_one("--file", self.file, "--model-max-length", 9)
        tokenizer = CLIPTokenizer.from_pretrained(self.output)
        self.assertEqual(tokenizer.model_max_length, 9)
        for text in (*TEXTS, "a dog of another kind", "바다", ""):
            ids = tokenizer(text, truncation=True, padding="max_length").input_ids
            result = call("tokenize", self.output, text)
            self.assertEqual((result.returncode, result.stdout), (0, " ".join(map(str, ids)) + "\n"), result.stderr)

    def test_refused(self) -> None:
        def line(code: int, *words: object, given: str = "") -> str:
            return self.refused(code, "train", TOKENIZER, *words, given=given)

        self.assertIn("one of --data and --file is required", line(2))
        self.assertIn("excludes", line(2, "--data", self.shared / "data", "--file", self.file))
        for option, *values in (("--vocab-size", 513, 0, "many", 500_001), ("--min-frequency", 0, -1, 1.5),
                                ("--model-max-length", 1, 10**9)):  # fmt: skip
            for value in values:
                self.assertIn(option, line(2, "--file", self.file, option, value))
        self.assertIn("missing", line(3, "--file", self.folder / "missing"))
        self.assertIn("missing", line(3, "--data", self.folder / "missing"))
        self.assertIn("cannot be read", line(3, "--file", self.folder))
        self.file.write_bytes(b"the cat\n\nthe \xff dog\n")
        self.assertIn(f"{self.file}:3: ", line(3, "--file", self.file))
        line(3, "--file", "-", given="")
        line(3, "--file", self.file, "--output", self.file)
        result = call("train", TOKENIZER, "--file", self.file)
        self.assertEqual((result.returncode, result.stderr), (2, "xattn: --output is required (see --help)\n"))


if __name__ == "__main__":
    unittest.main()
