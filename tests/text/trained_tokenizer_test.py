"""transformers reads the folders that our trainer writes, and gives the ids of the one that Python learned."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from safetensors import safe_open  # noqa: E402
from transformers import AutoTokenizer, CLIPTokenizer  # noqa: E402

GOLDEN = Path(os.environ["XATTN_GOLDEN_MODELS_DIR"]) / "tokenizer_training"


def golden_ids(folder: Path) -> list[list[int]]:
    with safe_open(folder / "golden.safetensors", "pt") as file:
        lengths, ids = file.get_tensor("lengths").tolist(), file.get_tensor("ids").tolist()
    rows, at = [], 0
    for length in lengths:
        rows.append(ids[at : at + length])
        at += length
    return rows


class TrainedTokenizers(unittest.TestCase):
    """One run of the C++ test keeps each case's folder."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.kept.name)
        cls.names = [case["name"] for case in json.loads((GOLDEN / "manifest.json").read_text())["cases"]]
        subprocess.run(
            [
                *os.environ["XATTN_EMULATOR"].split(),
                os.environ["XATTN_TEXT_TEST"],
                "--gtest_filter=*LearnsWhatPythonLearns*",
                "--gtest_brief=1",
            ],
            env={**os.environ, "XATTN_TRAINED_TOKENIZERS": cls.kept.name},
            check=True,
        )

    @classmethod
    def tearDownClass(cls) -> None:
        cls.kept.cleanup()

    def test_the_ids_are_the_same(self) -> None:
        for name in self.names:
            with self.subTest(name):
                tokenizer = CLIPTokenizer.from_pretrained(self.folder / name / "tokenizer")
                texts = [json.loads(line) for line in (GOLDEN / name / "more.jsonl").read_text().splitlines()]
                self.assertGreater(len(texts), 8000)
                self.assertEqual(tokenizer(texts)["input_ids"], golden_ids(GOLDEN / name))

    def test_the_rest_of_the_folder_is_read(self) -> None:
        tokenizer = AutoTokenizer.from_pretrained(self.folder / "captions" / "tokenizer")
        self.assertTrue(type(tokenizer).__name__.startswith("CLIPTokenizer"))
        last = len(tokenizer) - 1
        self.assertEqual((tokenizer.bos_token, tokenizer.bos_token_id), ("<|startoftext|>", last - 1))
        self.assertEqual((tokenizer.eos_token, tokenizer.eos_token_id), ("<|endoftext|>", last))
        self.assertEqual((tokenizer.pad_token_id, tokenizer.unk_token_id), (last, last))
        self.assertEqual(tokenizer.model_max_length, 77)
        text = "파란 하늘 아래 바다"
        self.assertEqual(tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True), text)

    def test_another_merge_is_found(self) -> None:
        folder = self.folder / "another"
        shutil.copytree(self.folder / "captions" / "tokenizer", folder)
        lines = (folder / "merges.txt").read_text().splitlines()
        lines[1:4] = []
        (folder / "merges.txt").write_text("\n".join(lines) + "\n")
        texts = [json.loads(line) for line in (GOLDEN / "captions" / "more.jsonl").read_text().splitlines()]
        self.assertNotEqual(CLIPTokenizer.from_pretrained(folder)(texts)["input_ids"], golden_ids(GOLDEN / "captions"))


if __name__ == "__main__":
    unittest.main(warnings="ignore")
