"""xattn train and bad data: each picture named, --skip-bad counts them, notes of what is not used."""

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from train_program import (  # noqa: E402
    AUTOENCODER, TEXT_TO_IMAGE, TOKENIZER, Result, TrainTest, call, draw_pictures, losses_of,
)  # fmt: skip


class Data(TrainTest):
    has_model = True

    def setUp(self) -> None:
        super().setUp()
        self.data = draw_pictures(self.folder / "data", count=4)
        self.metadata = self.data / "metadata.jsonl"

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.metadata.read_text().splitlines()]

    def write(self, *lines: dict[str, object]) -> None:
        self.metadata.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def as_pairs(self) -> None:
        """The other layout: a text beside each picture."""
        for line in self.lines():
            (self.data / str(line["file_name"])).with_suffix(".txt").write_text("\n".join(map(str, line["text"])))
        self.metadata.unlink()

    def bad(self, *more: object, command: str = AUTOENCODER, data: Path | None = None) -> str:
        return self.refused(3, *self.words(command, "--data", data or self.data, *more))

    def run_loudly(self, *more: object, command: str = AUTOENCODER) -> Result:
        words = [word for word in self.words(command, "--data", self.data, *more) if word != "--quiet"]
        result = call(*words, "--output", self.run_folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_metadata(self) -> None:
        first, second, *rest = self.lines()
        for changed, problem in (
            ({"file_name": "1.png"}, "line 2: '1.png': text: expected a caption, got none"),
            ({"file_name": "1.png", "text": ""}, "line 2: '1.png': text: expected a caption, got an empty one"),
            ({"file_name": "1.png", "text": []}, "line 2: '1.png': text: expected a caption, got an empty list"),
            ({"file_name": "1.png", "text": [3]}, "line 2: '1.png': text: expected a caption or a list"),
            ({"text": "a wave"}, "line 2: file_name: expected the path of a picture, got none"),
            ({"file_name": "../1.png", "text": "a"}, "line 2: file_name: expected a path inside the folder"),
            ({"file_name": "0.png", "text": "a"}, "line 2: file_name: expected each picture once"),
            ({"file_name": "9.png", "text": "a"}, f"line 2: {self.data}/9.png: cannot be opened: No such file"),
        ):
            with self.subTest(problem=problem):
                self.write(first, changed, *rest)
                self.assertIn(f"{self.data}: metadata.jsonl {problem}", self.bad())
        self.write(first, second, *rest)
        lines = self.metadata.read_bytes().splitlines()
        for line, problem in ((b"no JSON", "line 2: "), (b'"1.png"', "line 2: expected a JSON object"),
                              (b'{"file_name": "1.png", "text": "a\xff"}', "line 2: expected UTF-8, got an invalid")):  # fmt: skip
            with self.subTest(line=line):
                self.metadata.write_bytes(b"\n".join([lines[0], line, *lines[2:]]))
                self.assertIn(f"{self.data}: metadata.jsonl {problem}", self.bad(command=TEXT_TO_IMAGE))

    def test_texts_beside_pictures(self) -> None:
        self.as_pairs()
        text = self.data / "2.txt"
        kept = text.read_bytes()
        text.unlink()
        self.assertIn("2.png: expected its captions in 2.txt, got no such file", self.bad())
        text.write_bytes(b" \n")
        self.assertIn("2.txt: expected a caption, got an empty file", self.bad())
        text.write_bytes(b"a wave\n\xb9\xb0")
        self.assertIn("2.txt line 2: expected UTF-8, got an invalid byte", self.bad())
        text.write_bytes(kept)
        self.run_loudly()

    def test_pictures(self) -> None:
        picture = self.data / "1.png"
        whole = picture.read_bytes()
        for data, problem in ((b"", "1.png"), (b"no picture", "1.png"), (b"RIFF\0\0\0\0WEBPVP8 ", "is a WebP picture"),
                              (whole[:30], "1.png")):  # fmt: skip
            with self.subTest(data=data):
                picture.write_bytes(data)
                self.assertIn(problem, self.bad())
        # Its header says nothing of that: it is found when it is its turn, still by its name.
        picture.write_bytes(whole[:-60])
        for command in (AUTOENCODER, TEXT_TO_IMAGE):
            self.assertIn(f"{picture}: ", self.bad(command=command))

    def test_folders(self) -> None:
        empty = self.folder / "empty"
        empty.mkdir()
        self.assertIn("empty: expected pictures and captions, got none", self.bad(data=empty))
        self.assertIn("missing: expected a folder, got none", self.bad(data=self.folder / "missing"))
        self.assertIn("expected a folder, got none", self.bad(data=self.metadata))
        self.assertIn("give the folder that it is in", self.bad(data=self.folder))
        self.metadata.rename(self.data / "metadata.csv")
        self.assertIn("metadata.csv: expected metadata.jsonl", self.bad())

    def test_bad_ones_are_left_out(self) -> None:
        lines = self.lines()
        (self.data / "1.png").write_bytes((self.data / "1.png").read_bytes()[:-60])
        del lines[2]["text"]
        self.write(*lines)
        result = self.run_loudly("--skip-bad", "--quiet")
        notes = result.stderr.splitlines()
        self.assertRegex(notes[0], r"^xattn: skipped metadata.jsonl line 2: .*1\.png: ")
        self.assertEqual(notes[1], "xattn: skipped metadata.jsonl line 3: '2.png': text: expected a caption, got none")
        self.assertIn("xattn: 2 pictures, 3 steps of 4", notes)
        # As if they were not there.
        good = self.folder / "good"
        draw_pictures(good, count=4)
        (good / "metadata.jsonl").write_text("".join(json.dumps(lines[i]) + "\n" for i in (0, 3)))
        expected = self.train(AUTOENCODER, "--data", good, output=self.folder / "expected")
        self.assertEqual(losses_of(self.run_folder), losses_of(expected))

        quiet = self.words(AUTOENCODER, "--data", self.data, "--skip-bad")
        said = call(*quiet, "--output", self.folder / "quiet").stderr.splitlines()
        self.assertEqual(said, notes[:2])  # the model does not know them: that is said even quietly
        self.write(lines[2])
        self.assertIn("metadata.jsonl line 1: '2.png': text: expected a caption", self.bad("--skip-bad"))

    def test_many_bad_ones_are_counted(self) -> None:
        line = self.lines()[0]
        self.write(line, *({"file_name": f"{i}.png"} for i in range(100, 115)))
        problems = self.bad()
        self.assertIn("15 of 16 pictures cannot be used: metadata.jsonl line 2: '100.png'", problems)
        self.assertTrue(problems.endswith("; and 5 more\n"), problems)
        said = self.run_loudly("--skip-bad").stderr.splitlines()
        self.assertEqual(len([note for note in said if note.startswith("xattn: skipped metadata.jsonl line")]), 10)
        self.assertIn("xattn: skipped 5 more", said)
        self.assertIn("xattn: 1 picture, 3 steps of 4", said)

    def test_what_is_not_used_is_noted(self) -> None:
        lines = self.lines()
        self.write(lines[0] | {"width": 3}, *lines[1:3])
        (self.data / "0.txt").write_text("a wave")
        said = self.run_loudly().stderr.splitlines()
        for note in ("metadata.jsonl: file_name and text are used, and no other keys: 'width'",
                     "pictures that metadata.jsonl does not name are not used: '3.png'",
                     "texts are not used where there is a metadata.jsonl: '0.txt'", "3 pictures, 3 steps of 4"):  # fmt: skip
            self.assertIn(f"xattn: {note}", said)

    def test_tokenizers_read_it_too(self) -> None:
        lines = self.lines()
        del lines[1]["text"]
        self.write(*lines)
        line = self.refused(3, "train", TOKENIZER, "--data", self.data)
        self.assertIn("metadata.jsonl line 2: '1.png': text: expected a caption, got none", line)


if __name__ == "__main__":
    unittest.main()
