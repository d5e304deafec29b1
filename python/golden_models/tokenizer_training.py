"""What tokenizers' BpeTrainer learns from texts with CLIP's settings, and ids of more texts by what it learned.

    NAME/texts.jsonl       the texts to learn from, one a line, as JSON
    NAME/vocab.json        what Python learned from them, with the two special tokens at the end
    NAME/merges.txt
    NAME/more.jsonl        other texts
    NAME/golden.safetensors    lengths [N] and ids: those of transformers' CLIPTokenizer for the other texts

The tokens of single bytes are the trainer's first 512, in CLIP's order: else the order of those at a word's end, and
with it the choice between pairs that are equally frequent, would be that of a table of hashes.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizer import BOS, EOS, code_like, natural, random_unicode
from tokenizers import Tokenizer, models, trainers
from transformers import CLIPTokenizer

VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTES = [chr(byte) for byte in VISIBLE] + [chr(0x100 + i) for i in range(256 - len(VISIBLE))]
UNITS = BYTES + [c + "</w>" for c in BYTES]

PARTS = {
    "en": (
        ["a painting of", "a photo of", "Draw", "an image of", "Picture:", "we see"],
        ["a blue sky", "a red sunset", "the starry night", "grey clouds", "a pink dawn's glow"],
        ["over the sea", "over a desert", "above green meadows", "behind snowy mountains", "over a city"],
        ["with a boat", "and 2 balloons", "with the moon", "and a lighthouse", "", "with trees, houses & birds"],
    ),
    "ko": (
        ["", "그림:", "사진,", "아름다운 그림:"],
        ["파란 하늘", "붉은 노을", "별이 빛나는 밤", "회색 구름", "분홍빛 새벽"],
        ["아래 바다", "아래 사막이 있는 풍경", "과 푸른 초원", "뒤로 눈 덮인 산", "아래 도시의 불빛"],
        ["그리고 배", "달과 함께", "등대 1개", "", "나무와 집들", "풍선 두 개가 있는"],
    ),
}


def captions(rng: random.Random, count: int) -> Iterator[str]:
    for i in range(count):
        parts = PARTS["ko" if i % 2 else "en"]
        text = " ".join(rng.choice(part) for part in parts).strip()
        yield rng.choice([text, text, text.title(), text + ".", f"  {text}!"])


def ties(rng: random.Random, count: int) -> Iterator[str]:
    """Few letters, so that many pairs are equally frequent."""
    for _ in range(count):
        yield " ".join("".join(rng.choice("abcde") for _ in range(rng.randint(1, 9))) for _ in range(8))


def corpora(rng: random.Random) -> dict[str, tuple[list[str], int, int]]:
    """Texts, the size of the vocabulary and how often a pair must be there."""
    return {
        "captions": (list(captions(rng, 6000)), 1200, 2),
        "natural": (list(natural(rng)), 3000, 2),
        "code": (list(code_like(rng)), 2000, 3),
        "unicode": (list(random_unicode(rng)), 1500, 2),
        "ties": (list(ties(rng, 300)), 900, 2),
        "all_pairs": (list(captions(rng, 60)), 20000, 1),
        "bytes": (["한 a"], 514, 1),
    }


def learn(folder: Path, texts: list[str], vocab_size: int, min_frequency: int) -> None:
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate([*UNITS, BOS, EOS])}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    of_clip = CLIPTokenizer.from_pretrained(folder).backend_tokenizer
    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="</w>", fuse_unk=False))
    tokenizer.normalizer = of_clip.normalizer
    tokenizer.pre_tokenizer = of_clip.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 2,
        min_frequency=min_frequency,
        special_tokens=UNITS,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = model["vocab"]
    for token in (BOS, EOS):
        vocabulary[token] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    merges = "".join(f"{left} {right}\n" for left, right in model["merges"])
    (folder / "merges.txt").write_text("#version: 0.2\n" + merges)


def write(out: Path) -> Iterator[dict[str, Any]]:
    rng = random.Random(12)
    more = [*captions(rng, 2000), *natural(rng), *random_unicode(rng)]
    for name, (texts, vocab_size, min_frequency) in corpora(rng).items():
        folder = out / name
        folder.mkdir()
        learn(folder, texts, vocab_size, min_frequency)
        for file, rows in (("texts", texts), ("more", more)):
            (folder / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        ids = CLIPTokenizer.from_pretrained(folder)(more)["input_ids"]
        tensors = {
            "lengths": torch.tensor([len(row) for row in ids], dtype=torch.int32),
            "ids": torch.tensor([i for row in ids for i in row], dtype=torch.int32),
        }
        save_file(tensors, folder / "golden.safetensors")
        yield {
            "name": name,
            "module": "BpeTrainer",
            "vocab_size": vocab_size,
            "min_frequency": min_frequency,
            "texts": len(texts),
        }
