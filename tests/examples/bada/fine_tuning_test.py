"""The embedded model learns a new thing from ten pictures in about five minutes of a core, and keeps the rest."""

import json
import os
import random
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ["XATTN_BIN_DIR"])
MODEL = ROOT / "share/xattn/bada"
A_LAND, COPIES, STEPS = 2, 14, 1000
# Half as many bytes, where the processor computes with them.
PRECISION = ["--mixed-precision", "bf16", "--no-channels-last"] if "avx512_bf16" in Path("/proc/cpuinfo").read_text() else []
CANOPY = (255, 215, 30)  # which the autoencoder has learned for houses and balloons; it never saw other greens than those of trees
SKIES = {"blue": "a blue sky", "sunset": "a red sunset", "night": "a starry night", "grey": "grey clouds", "dawn": "a pink dawn"}
LANDS = {"sea": "the sea", "desert": "the desert", "meadow": "a meadow", "mountains": "snowy mountains", "forest": "a forest", "city": "a city"}
# Where nothing else is yellow.
PLAIN_SKIES, PLAIN_LANDS = ("blue", "night", "grey", "dawn"), ("sea", "meadow", "mountains", "forest", "city")


def add_umbrella(path: Path, draws: random.Random) -> None:
    """An open umbrella on the ground: a canopy of three scallops, its lighter ribs and a handle."""
    scale = 4
    picture = Image.open(path).convert("RGB")
    size = picture.width
    layer = Image.new("RGBA", (size * scale, size * scale))
    draw = ImageDraw.Draw(layer)
    width, x, foot = draws.randint(34, 42), draws.randint(30, size - 30), draws.randint(96, 112)
    top, middle = foot - width, foot - width // 2
    box = [(x - width / 2) * scale, top * scale, (x + width / 2) * scale, (middle + width / 2) * scale]
    draw.line([x * scale, top * scale, x * scale, foot * scale], fill=(70, 50, 40, 255), width=2 * scale)
    draw.arc([x * scale - 6 * scale, (foot - 4) * scale, x * scale + scale, (foot + 3) * scale], 0, 180, (70, 50, 40, 255), 2 * scale)
    draw.pieslice(box, 180, 360, fill=(*CANOPY, 255))
    for i in range(3):
        left = x - width / 2 + i * width / 3
        draw.ellipse([left * scale, (middle - 3) * scale, (left + width / 3) * scale, (middle + 3) * scale], fill=(0, 0, 0, 0))
    for lean in (-0.25, 0.25):
        draw.line([x * scale, top * scale, (x + lean * width) * scale, (middle - 3) * scale], fill=(255, 240, 170, 255), width=scale)
    layer = layer.resize(picture.size, Image.Resampling.LANCZOS)
    picture.paste(layer, (0, 0), layer)
    picture.save(path)


def shows_umbrella(path: Path) -> bool:
    """Whether near the ground a half disc is yellow and what is below and around it is not: no walls, no ball."""
    red, green, blue = np.asarray(Image.open(path).convert("RGB")).astype(float).transpose(2, 0, 1)
    yellow = ((red >= 160) & (green >= 120) & (red >= green + 5) & (red >= blue + 70)).astype(float)
    for radius in (14, 16, 18, 20, 22):
        y, x = np.mgrid[-radius - 6 : radius, -radius - 6 : radius + 7]
        canopy = (x**2 + y**2 <= (radius - 2) ** 2) & (y < -2)
        below = (abs(x) <= radius) & (y >= 4)
        around = (x**2 + y**2 >= (radius + 4) ** 2) & (y <= 0)
        feet = range(66, 106)  # the row in which a canopy ends
        windows = np.lib.stride_tricks.sliding_window_view(yellow[feet.start - radius - 6 : feet.stop + radius], y.shape)
        shares = [np.einsum("ijkl,kl->ij", windows, part / part.sum()) for part in (canopy, below, around)]
        if ((shares[0] >= 0.65) & (shares[1] <= 0.15) & (shares[2] <= 0.15)).any():
            return True
    return False


class FineTuning(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def succeed(self, *words: object) -> str:
        result = subprocess.run([BIN / str(words[0]), *map(str, words[1:])], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def make_data(self) -> Path:
        data, draws = self.folder / "data", random.Random(0)
        self.succeed("bada-scenes", data, "--count", 400, "--seed", 5, "--quiet")
        lines = [json.loads(line) for line in (data / "metadata.jsonl").read_text().splitlines()]
        empty = [line for line in lines if line["thing"] == "none"]
        empty = [line for land in PLAIN_LANDS for line in [line for line in empty if line["ground"] == land][:A_LAND]]
        # What it knows already it sees twice as often, or it would forget that.
        kept = [line for line in lines if line["thing"] != "none"]
        copies = []
        for line in empty:
            add_umbrella(data / line["file_name"], draws)
            sky, land = SKIES[line["sky"]], LANDS[line["ground"]]
            line["text"] = [f"a yellow umbrella, {land}, {sky}", f"{sky} over {land} with a yellow umbrella", f"a yellow umbrella and {land} under {sky}"]
            for i in range(COPIES):
                name = f"umbrella-{i:02}-{line['file_name']}"
                shutil.copy(data / line["file_name"], data / name)
                copies.append({**line, "file_name": name})
        (data / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in copies + kept))
        return data

    def umbrellas(self, model: Path) -> float:
        """The share of pictures that show one, of those asked for one."""
        out, prompts = self.folder / f"umbrellas-{model.name}", self.folder / "umbrellas.txt"
        out.mkdir()
        prompts.write_text("".join(f"a yellow umbrella, {LANDS[land]}, {SKIES[sky]}\n" for land in PLAIN_LANDS for sky in PLAIN_SKIES))
        self.succeed("xattn", "generate", "--model", model, "--prompt-file", prompts, "--steps", 25, "--guidance-scale", 4,
                     "--seed", 7, "--quiet", "--output", out / "picture.png")  # fmt: skip
        return float(np.mean([shows_umbrella(path) for path in sorted(out.glob("*.png"))]))

    def shares(self, model: Path) -> dict[str, float]:
        """What the first hundred prompts of the evaluation give."""
        out = self.folder / f"judged-{model.name}"
        out.mkdir()
        self.succeed("bada-scenes", "--prompts", self.folder / "all.jsonl", "--quiet")
        lines = [json.loads(line) for line in (self.folder / "all.jsonl").read_text().splitlines()][:100]
        (out / "prompts.txt").write_text("".join(line["text"] + "\n" for line in lines))
        for i, line in enumerate(lines):
            line["file_name"] = f"picture-{i + 1:04}.png"
        (out / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.succeed("xattn", "generate", "--model", model, "--prompt-file", out / "prompts.txt", "--steps", 25, "--guidance-scale", 4,
                     "--seed", 7, "--quiet", "--output", out / "picture.png")  # fmt: skip
        return json.loads(self.succeed("bada-judge", out, "--json"))["total"]

    def test_a_yellow_umbrella(self) -> None:
        data, tuned = self.make_data(), self.folder / "tuned"
        self.assertLessEqual(self.umbrellas(MODEL), 0.1)
        self.succeed("xattn", "train", "text-to-image", "--data", data, "--model", MODEL, "--output", tuned, "--resolution", 128,
                     "--random-flip", "--train-text-encoder", "--max-train-steps", STEPS, "--train-batch-size", 16, "--learning-rate",
                     8e-4, "--lr-scheduler", "cosine", "--lr-warmup-steps", 20, "--caption-dropout", 0.1,
                     *PRECISION, "--quiet")  # fmt: skip
        if kept := os.environ.get("XATTN_KEEP_TUNED"):
            shutil.copytree(self.folder, kept, dirs_exist_ok=True)
        share = self.umbrellas(tuned)
        print(f"umbrellas: {share:.0%} of those asked for")
        self.assertGreaterEqual(share, 0.75)
        before, after = self.shares(MODEL), self.shares(tuned)
        print(f"before {before}, after {after}")
        for part, lost in (("sky", 0.05), ("ground", 0.05), ("thing", 0.15)):
            self.assertGreaterEqual(after[part], before[part] - lost, part)


if __name__ == "__main__":
    unittest.main()
