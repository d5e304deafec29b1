"""bada-scenes and bada-judge from the outside: the files that they write, exit codes, what is refused."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

BIN = Path(os.environ["XATTN_BIN_DIR"])
PNG = b"\x89PNG\r\n\x1a\n"


class BadaTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.data = self.folder / "data"

    def call(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = [BIN / str(words[0]), *map(str, words[1:])]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    def succeed(self, *words: object) -> str:
        result = self.call(*words)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def fail_with(self, code: int, *words: object) -> str:
        result = self.call(*words)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertTrue(result.stderr.startswith(f"{words[0]}: "), result.stderr)
        return result.stderr

    def scenes(self, *words: object) -> str:
        return self.succeed("bada-scenes", self.data, "--quiet", *words)

    def files(self, folder: Path) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


class Scenes(BadaTest):
    def test_pictures_and_metadata(self) -> None:
        self.scenes("--count", 12, "--seed", 3, "--captions", 5)
        files = self.files(self.data)
        self.assertEqual(list(files), [f"{i:06}.png" for i in range(1, 13)] + ["metadata.jsonl"])
        lines = [json.loads(line) for line in files["metadata.jsonl"].decode().splitlines()]
        self.assertEqual([line["file_name"] for line in lines], list(files)[:12])
        for line in lines:
            self.assertTrue(files[line["file_name"]].startswith(PNG))
            self.assertEqual(set(line), {"file_name", "text", "sky", "ground", "thing"})
            self.assertEqual(len(line["text"]), 5)
            self.assertTrue(all(isinstance(text, str) and text for text in line["text"]))

    def test_the_same_seed_makes_the_same_files(self) -> None:
        self.scenes("--count", 6, "--seed", 8)
        first = self.files(self.data)
        self.data = self.folder / "again"
        self.scenes("--count", 6, "--seed", 8)
        self.assertEqual(self.files(self.data), first)
        self.data = self.folder / "more"
        self.scenes("--count", 8, "--seed", 8)
        self.assertEqual(self.files(self.data)["000006.png"], first["000006.png"])
        self.data = self.folder / "other"
        self.scenes("--count", 6, "--seed", 9)
        self.assertNotEqual(self.files(self.data)["000001.png"], first["000001.png"])

    def test_a_folder_with_files_is_left_alone(self) -> None:
        self.data.mkdir()
        (self.data / "mine.txt").write_text("mine")
        message = self.fail_with(2, "bada-scenes", self.data, "--count", 1)
        self.assertIn("--force", message)
        self.assertEqual(list(self.files(self.data)), ["mine.txt"])
        self.scenes("--count", 1, "--force")
        self.assertEqual(list(self.files(self.data)), ["000001.png", "metadata.jsonl", "mine.txt"])

    def test_a_sheet(self) -> None:
        sheet = self.folder / "sheet.png"
        self.succeed("bada-scenes", "--sheet", sheet, "--seed", 2)
        written = sheet.read_bytes()
        self.assertTrue(written.startswith(PNG))
        self.assertEqual(int.from_bytes(written[16:20], "big"), 1024)
        self.assertEqual(int.from_bytes(written[20:24], "big"), 640)

    def test_prompts(self) -> None:
        path = self.folder / "prompts.jsonl"
        self.succeed("bada-scenes", "--prompts", path)
        prompts = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual(len(prompts), 400)
        self.assertEqual(sum(prompt["language"] == "ko" for prompt in prompts), 200)
        self.assertEqual(sum(prompt["held_out"] for prompt in prompts), 100)
        self.assertEqual(set(prompts[0]), {"text", "language", "sky", "ground", "thing", "held_out"})

    def test_refuses_bad_usage(self) -> None:
        for bad in (
            (),
            (self.data,),
            (self.data, "--count", 0),
            (self.data, "--count", -3),
            (self.data, "--count", "many"),
            (self.data, "--count", 1, "--seed", -1),
            (self.data, "--count", 1, "--captions", 0),
            (self.data, "--count", 1, "--sheet", self.folder / "sheet.png"),
            ("--sheet", self.folder / "a.png", "--prompts", self.folder / "b.jsonl"),
            (self.data, "--cuont", 1),
        ):
            with self.subTest(bad=bad):
                self.fail_with(2, "bada-scenes", *bad)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_refuses_places_that_cannot_be_written(self) -> None:
        file = self.folder / "file"
        file.write_text("")
        self.fail_with(3, "bada-scenes", file, "--count", 1)
        self.fail_with(3, "bada-scenes", file / "below", "--count", 1)
        self.fail_with(3, "bada-scenes", "--sheet", self.folder / "no/sheet.png")
        self.fail_with(3, "bada-scenes", "--prompts", self.folder / "no/prompts.jsonl")


class Judge(BadaTest):
    def setUp(self) -> None:
        super().setUp()
        self.scenes("--count", 60, "--seed", 21, "--captions", 1)
        self.metadata = self.data / "metadata.jsonl"

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.metadata.read_text().splitlines()]

    def write(self, lines: list[object]) -> None:
        self.metadata.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def test_rendered_pictures_are_right(self) -> None:
        table = [line.split() for line in self.succeed("bada-judge", self.data).splitlines()]
        self.assertEqual(table[0], ["pictures", "sky", "ground", "thing", "all"])
        self.assertEqual([row[0] for row in table[1:]], ["total"])
        self.assertEqual(table[1][1], "60")
        for share in table[1][2:]:
            self.assertGreaterEqual(float(share.removesuffix("%")), 95)

    def test_wrong_wishes_are_wrong(self) -> None:
        """The twin that must fail: what was asked for is another sky, of half of them in Korean."""
        other = {"blue": "sunset", "sunset": "night", "night": "grey", "grey": "dawn", "dawn": "blue"}
        lines = self.lines()
        for i, line in enumerate(lines):
            line.update(sky=other[line["sky"]], language="ko" if i % 2 else "en", held_out=i < 15)
        self.write(lines)
        shares = json.loads(self.succeed("bada-judge", self.data, "--json", "--mistakes"))
        mistakes = shares.pop("mistakes")
        self.assertEqual(set(shares), {"total", "en", "ko", "held out"})
        self.assertEqual(shares["held out"]["pictures"], 15)
        for share in shares.values():
            self.assertLessEqual(share["sky"], 0.05)
            self.assertGreaterEqual(share["ground"], 0.9)
        self.assertTrue(any("000001.png: sky: expected " in line for line in mistakes), mistakes)

    def test_refuses_bad_metadata(self) -> None:
        good = self.lines()[0]
        for bad, said in (
            ([], "expected a line a picture"),
            ([5], "line 1: expected a JSON object"),
            ([good, {**good, "sky": "green"}], 'line 2: expected a known sky, got "green"'),
            ([{**good, "thing": None}], "expected thing as a text"),
            ([{key: good[key] for key in ("file_name", "sky", "ground")}], "expected the key thing, got none"),
            ([{**good, "held_out": 1}], "expected held_out as true or false"),
            ([{**good, "file_name": "missing.png"}], "missing.png"),
        ):
            with self.subTest(said=said):
                self.write(bad)
                self.assertIn(said, self.fail_with(3, "bada-judge", self.data))
        self.metadata.write_text("{\n")
        self.assertIn("line 1", self.fail_with(3, "bada-judge", self.data))
        self.metadata.unlink()
        self.fail_with(3, "bada-judge", self.data)
        self.fail_with(3, "bada-judge", self.folder / "nowhere")
        self.fail_with(2, "bada-judge")

    def test_refuses_other_sizes(self) -> None:
        self.succeed("bada-scenes", "--sheet", self.data / "000001.png")
        message = self.fail_with(3, "bada-judge", self.data)
        self.assertIn("expected a picture of 128×128, got 1024×640", message)


if __name__ == "__main__":
    unittest.main()
