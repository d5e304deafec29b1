"""The embedded model draws what it is asked for: judged on the 400 prompts, and by prompts that differ in one word."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ["XATTN_BIN_DIR"])
MODEL = ROOT / "share/xattn/bada"
LEAST = {"sky": 95, "ground": 95, "thing": 85}

# Two prompts, and the one part that differs: (sky, ground, thing) of each.
PAIRS = (
    ("a red balloon over the sea under a blue sky", "a blue balloon over the sea under a blue sky", ("blue", "sea", "red balloon"), ("blue", "sea", "blue balloon")),
    ("a blue sky over the desert", "a starry night over the desert", ("blue", "desert", "none"), ("night", "desert", "none")),
    ("빨간 노을 아래 초록 들판 그리고 노란 집", "빨간 노을 아래 초록 들판 그리고 빨간 집", ("sunset", "meadow", "yellow house"), ("sunset", "meadow", "red house")),
    ("a starry night over snowy mountains with a moon", "a starry night over a city with a moon", ("night", "mountains", "moon"), ("night", "city", "moon")),
)  # fmt: skip
SEEDS = 4


class Quality(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_program(self, *words: object) -> str:
        result = subprocess.run([str(word) for word in words], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_four_hundred_prompts(self) -> None:
        table = self.run_program(ROOT / "examples/bada/judge.sh", BIN, MODEL, self.folder / "judged")
        print(table)
        rows = [line.split() for line in table.splitlines()[-5:]]
        self.assertEqual(rows[0], ["pictures", "sky", "ground", "thing", "all"])
        self.assertEqual([row[0] for row in rows[1:4]], ["total", "en", "ko"])
        self.assertEqual(rows[1][1], "400")
        for row in rows[1:4]:
            for part, share in zip(rows[0][1:4], row[2:5], strict=True):
                self.assertGreaterEqual(float(share.removesuffix("%")), LEAST[part], f"{part} of {row[0]}")

    def test_one_word_changes_one_part(self) -> None:
        prompts = [prompt for first, second, _, _ in PAIRS for prompt in (first, second)]
        wanted = [scene for _, _, first, second in PAIRS for scene in (first, second)]
        (self.folder / "prompts.txt").write_text("\n".join(prompts) + "\n")
        self.run_program(
            BIN / "xattn", "generate", "--prompt-file", self.folder / "prompts.txt", "--num-images", SEEDS, "--seed", 1,
            "--quiet", "--output", self.folder / "picture.png",
        )  # fmt: skip
        paths = sorted(self.folder.glob("*.png"))
        self.assertEqual(len(paths), SEEDS * len(prompts))
        with (self.folder / "metadata.jsonl").open("w") as metadata:
            for i, path in enumerate(paths):
                sky, ground, thing = wanted[i // SEEDS]
                metadata.write(json.dumps({"file_name": path.name, "sky": sky, "ground": ground, "thing": thing}) + "\n")
        shares = json.loads(self.run_program(BIN / "bada-judge", self.folder, "--json", "--mistakes"))
        self.assertGreaterEqual(shares["total"]["all"], 0.8, shares["mistakes"])
        # What is not named anew stays: pictures of one seed are nearer to each other than those of two.
        pictures = np.stack([np.asarray(Image.open(path).convert("RGB"), dtype=float) for path in paths])
        pictures = pictures.reshape(len(PAIRS), 2, SEEDS, *pictures.shape[1:])
        apart = np.abs(pictures[:, 0] - pictures[:, 1]).mean(axis=(2, 3, 4))
        seeds = np.abs(pictures[:, 0] - np.roll(pictures[:, 0], 1, axis=1)).mean(axis=(2, 3, 4))
        print(f"one word {apart.mean(axis=1).round(1)}, another seed {seeds.mean(axis=1).round(1)} of 255")
        self.assertLess(float(apart[[0, 2]].mean()), 0.7 * float(seeds[[0, 2]].mean()))


if __name__ == "__main__":
    unittest.main()
