"""CLIPTokenizer: folders of tokenizers, as on the hub and as transformers 5 writes them, texts, and ids.

    texts/all.jsonl, texts/some.jsonl   a text a line, as JSON
    NAME/                               a tokenizer's folder, and beside its files golden.safetensors:
        lengths [N], ids                each text's ids with bos and eos, neither cut nor padded, in one row
        padded [N, 77]                  cut and padded
        decoded.jsonl                   decode(ids), and decode(ids, skip_special_tokens=True), for texts/some

The merges are those of CLIP, from open_clip_torch's package data; the package itself is not imported.
"""

import gzip
import importlib.util
import json
import random
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AddedToken, CLIPTokenizer

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77

NATURAL = """
a photograph of an astronaut riding a horse, highly detailed, 4k, trending on artstation
An oil painting of St. Mark's Square — isn't it lovely? They've said we'll see; I'd go, you're late, I'm not.
(masterpiece:1.2), best quality, [[ugly]], {{{blurry}}}, <lora:detail:0.8> 1girl, solo, 8K HDR!!!
The QUICK Brown Fox's 1234567890 jumps_over the-lazy/dog @ 50% off: $3.99 & £2·50 #sale
바다 위로 떠오르는 태양을 그린 수채화, 아주 세밀한 풍경
고양이가 우주복을 입고 달 위를 걷고 있다. 정말 멋지죠?
富士山の麓で桜が咲いている、浮世絵スタイル、カタカナとひらがな
一只熊猫在竹林里喝茶，水墨画，高清细节。
一隻貓坐在窗台上看雨，油畫風格
Красная площадь зимой, масло, высокое качество, Ёлка и щенок
Київ уночі, їжачок у тумані, ґанок
Ένας γάτος στη Σαντορίνη, ΟΔΥΣΣΕΥΣ και ΣΟΦΟΣ, ηλιοβασίλεμα
قطة تجلس على كرسي في حديقة جميلة، رسم زيتي ١٢٣
یک گربه‌ی سفید روی صندلی نشسته است، نقاشی
חתול יושב על כיסא בגן יפה, שָׁלוֹם עֲלֵיכֶם
एक बाघ जंगल में घूम रहा है, तेल चित्र, उच्च गुणवत्ता १२३
একটি বিড়াল বাগানে বসে আছে, জলরঙের ছবি
ஒரு பூனை தோட்டத்தில் உட்கார்ந்திருக்கிறது
ఒక పిల్లి తోటలో కూర్చుంది, చిత్రలేఖనం
ഒരു പൂച്ച പൂന്തോട്ടത്തിൽ ഇരിക്കുന്നു
ಒಂದು ಬೆಕ್ಕು ತೋಟದಲ್ಲಿ ಕುಳಿತಿದೆ
ਇੱਕ ਬਿੱਲੀ ਬਾਗ ਵਿੱਚ ਬੈਠੀ ਹੈ
એક બિલાડી બગીચામાં બેઠી છે
බළලෙක් වත්තේ වාඩි වී සිටී
แมวตัวหนึ่งนั่งอยู่ในสวน ภาพวาดสีน้ำมัน ๑๒๓
ແມວນັ່ງຢູ່ໃນສວນ
ကြောင်တစ်ကောင် ပန်းခြံထဲမှာ ထိုင်နေတယ်
ឆ្មាមួយក្បាលអង្គុយក្នុងសួន
བྱི་ལ་ཞིག་ལྡུམ་རའི་ནང་བསྡད་འདུག
კატა ბაღში ზის, ᲗᲑᲘᲚᲘᲡᲘ ღამით
Կատուն նստած է այգում, ԵՐԵՎԱՆ
ድመት በአትክልቱ ውስጥ ተቀምጣለች
Một con mèo ngồi trong vườn, tranh sơn dầu, Đà Nẵng về đêm
İstanbul'da ışıl ışıl bir gece, ÇİÇEK ve ığdır
Straße in München, Öl auf Leinwand, GROẞE STRASSE, ﬁne ﬂuﬀy ligatures
Où est l'été ? Ça « va » bien, n'est-ce pas… œuvre d'art
El niño corrió rápidamente: ¡qué sueño! ¿Señor Muñoz?
Příliš žluťoučký kůň úpěl ďábelské ódy
Zażółć gęślą jaźń, ŁÓDŹ nocą
Árvíztűrő tükörfúrógép, ŐSZI erdő
Ślůnsko muzyka, Þórður og æðardúnn, Ærø i Østersjøen Åland
Tiếng Việt e\u0301 o\u0302\u0323 a\u0306\u0301 đọc ngược a\u0323\u0302
👩‍👩‍👧‍👦 family 👨🏽‍🚀 astronaut 🏳️‍🌈 flag 🇰🇷🇯🇵 ❤️‍🔥 1️⃣ ©®™ ☎️
(╯°□°）╯︵ ┻━┻ ¯\\_(ツ)_/¯ ʕ•ᴥ•ʔ ♥♦♣♠ ★彡
∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β = ¬(¬α ∨ β), ∑ᵢ₌₁ⁿ i² ½ ¾ Ⅷ ⑫ ㊿ ²³
H̸̡̪̯ͨ͊̽̅̾̎Ȩ̬̩̾͛ͪ̈́̀́͘ ̶̧̨̱̹̭̯ͧ̾ͬC̷̙̲̝͖ͭ̏ͥͮ͟Oͮ͏̮̪̝͍M̲̖͊̒ͪͩͬ̚̚͜Ȇ̴̟̟͙̞ͩ͌͝S̨̥̫͎̭ͯ̿̔̀ͅ
𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝕞𝕒𝕥𝕙 𝟙𝟚𝟛 ＦＵＬＬｗｉｄｔｈ １２３ ﷺ ﷽ ㍿ ㎏ Å Å Ω Ω K
ᏣᎳᎩ ꮳꮃꭹ 𐐔𐐯𐑅𐐨𐑉𐐯𐐻 𐓏𐓘𐓻 ᠮᠣᠩᠭᠣᠯ ᐃᓄᒃᑎᑐᑦ ⵜⴰⵎⴰⵣⵉⵖⵜ ߒߞߏ ꦗꦮ 𒀭𒂗𒆤 𓂀𓃠 ᚠᚢᚦᚨᚱᚲ 𐌰𐌱𐌲
"""


def merges_of_clip() -> tuple[list[str], list[str]]:
    """The lines of merges.txt and the vocabulary in the ids' order."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        print("make.py: the Python package open_clip_torch is missing", file=sys.stderr)
        raise SystemExit(3)
    packed = Path(spec.submodule_search_locations[0]) / "bpe_simple_vocab_16e6.txt.gz"
    merges = gzip.decompress(packed.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    characters = [chr(byte) for byte in visible] + [chr(0x100 + i) for i in range(256 - len(visible))]
    vocabulary = characters + [c + "</w>" for c in characters] + [m.replace(" ", "") for m in merges]
    return merges, [*vocabulary, BOS, EOS]


def code_points() -> list[str]:
    """All of planes 0 to 3 and 14 but surrogates, and a few of the planes where nothing is."""
    planes = [*range(0x40000), *range(0xE0000, 0xF0000), *range(0x40000, 0x110000, 0x1234), 0xFFFFF, 0x10FFFF]
    skipped = set(range(0x3400, 0x4D00)) | set(range(0x4E00, 0x9E00)) | set(range(0xAC00, 0xD700))
    skipped |= set(range(0x20000, 0x3FFFF)) | set(range(0xE1000, 0xEFF00)) | set(range(0xE100, 0xF800))
    # Of the large blocks, whose characters are alike, one in eleven, and the edges of CJK's extensions.
    ends = (0x2A6E0, 0x2B739, 0x2B81E, 0x2CEA2, 0x2EBE1, 0x2EBF0, 0x2EE5E, 0x2FA1E, 0x3134B, 0x323B0)
    edges = {end + i for end in ends for i in range(-4, 5)}
    edges |= set(range(0x2F800, 0x2FA20))
    wanted = (c for c in planes if c not in skipped or c % 11 == 0 or c in edges)
    return [chr(c) for c in wanted if not 0xD800 <= c < 0xE000]


def every_code_point() -> Iterator[str]:
    """Each between a letter and a sign, so that its class shows; marks, and what has parts, among marks."""
    characters = code_points()
    for start in range(0, len(characters), 12):
        yield "".join(f"{c}a{c}!" for c in characters[start : start + 12])
    # What unicodedata knows, and blocks newer than it: 15 to 17.
    newer = {0x897, *range(0x1ACF, 0x1AEC), *range(0x10D40, 0x10D90), *range(0x10EFA, 0x10F00)}
    newer |= {*range(0x11380, 0x11400), 0x11F41, 0x11F42, *range(0x16100, 0x16140), *range(0x16D40, 0x16D80)}
    newer |= {*range(0x105C0, 0x10600), 0x5C8, 0x5C9, *range(0x10EF0, 0x10EFA), *range(0x1D250, 0x1D290)}
    newer |= {0x1E08F, *range(0x1E4EC, 0x1E4F0), *range(0x1E5D0, 0x1E600), *range(0x1E6C0, 0x1E700)}
    marks = [
        c for c in characters if unicodedata.combining(c) or unicodedata.decomposition(c) or ord(c) in newer
    ]
    for start in range(0, len(marks), 6):
        group = marks[start : start + 6]
        yield "".join(f"x\u0345{c}\u0334 {unicodedata.normalize('NFD', c)}\u0301 " for c in group)
        yield "".join(unicodedata.normalize("NFD", c) + "\u0323" + c for c in group)
    for first in range(0x1100, 0x1113):  # Hangul from its parts
        yield "".join(chr(first) + chr(vowel) + "\u11a8\u11c2" for vowel in range(0x1161, 0x1176))
    yield "\U00011935\U00011930\U00011938 \U00011382\U000113c9 \U0001611e\U0001611e \U00016d67\U00016d67 \U000105d2\u0307"


def natural(rng: random.Random) -> Iterator[str]:
    lines = NATURAL.strip().split("\n")
    yield from lines
    words = [word for line in lines for word in line.split()]
    for _ in range(3000):
        picked = " ".join(rng.sample(words, rng.randint(1, 24)))
        change = rng.choice([str, str, str.upper, str.title, lambda t: unicodedata.normalize("NFD", t)])
        yield change(picked)


def code_like(rng: random.Random) -> Iterator[str]:
    for module in (json, random, importlib.util, shutil):
        for line in Path(str(module.__file__)).read_text().split("\n"):
            yield line
    names = [name for c in code_points() if (name := unicodedata.name(c, ""))]
    for _ in range(500):
        yield ", ".join(rng.sample(names, rng.randint(1, 6)))


def random_unicode(rng: random.Random) -> Iterator[str]:
    pools = [
        code_points(),
        [chr(c) for c in range(0x80)],
        [chr(c) for c in range(0x300)],
        [chr(c) for c in range(0x300, 0x370)] + list("aeiouAEIOUñÅ한"),
        [chr(c) for c in range(0x21)] + ["\x7f", "\x85", "\xa0", "\u180e", "\u2028", "\u3000", "\u200b", "\ufeff", "a"],
        [chr(c) for c in range(0x1F300, 0x1FAFF)] + ["\u200d", "\ufe0f"],
        list("'''''sStTrReEvVmMlLdD \t\n!1"),
        [chr(c) for c in range(0xAC00, 0xD7A4)] + [chr(c) for c in range(0x1100, 0x1200)],
        [chr(c) for c in range(0x900, 0x1100)],
    ]
    for i in range(4500):
        pool = pools[i % len(pools)]
        yield "".join(rng.choice(pool) for _ in range(rng.randint(0, 60)))


def with_special_tokens(rng: random.Random) -> Iterator[str]:
    parts = [BOS, EOS, BOS.upper(), EOS.title(), "<|startoftext", "endoftext|>", "<|", "|>", "!",
             "<cat-toy>", "<CAT-TOY>", "New Style", "NEW STYLE", "new  style", "<m>", "<extra>", "zed", "yy",
             "xx", " ", "  ", "\t", "a", "é", "e\u0301", "1", "'s", ".", "한국", "</w>", "É", "İ", "Ünï", "ünÏ", "U\u0308nï"]
    yield from ("", " ", "\n\t ", BOS, EOS, BOS + EOS, f" {EOS} ", "\0", "a\0b")
    for _ in range(2000):
        yield "".join(rng.choice(parts) for _ in range(rng.randint(1, 14)))


def long_texts(rng: random.Random) -> Iterator[str]:
    words = NATURAL.split()
    for size in (60, 75, 76, 77, 78, 100, 1000):
        yield "a " * size
        yield "!" * size
        yield "가" * size
        yield " ".join(rng.choice(words) for _ in range(size))
    yield "ab" * 5000
    yield "é" * 4000
    yield "a" + "\u0301\u0323" * 3000
    yield "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(20000))


def make_texts() -> tuple[list[str], list[str]]:
    rng = random.Random(5)
    sources = (natural, code_like, random_unicode, with_special_tokens, long_texts)
    texts = [text for source in sources for text in source(rng)]
    some = [*with_special_tokens(rng), *rng.sample(texts, 1500), *NATURAL.strip().split("\n")]
    return [*texts, *every_code_point()], some


def token(content: str, **flags: bool) -> dict[str, Any]:
    return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False, **flags}


# As in the folders of Stable Diffusion 1 on the hub; 2 and XL's second tokenizer pad with "!".
SD1_CONFIG: dict[str, Any] = {
    "add_prefix_space": False,
    "bos_token": {"__type": "AddedToken", **token(BOS)},
    "do_lower_case": True,
    "eos_token": {"__type": "AddedToken", **token(EOS)},
    "errors": "replace",
    "model_max_length": 77,
    "pad_token": EOS,
    "tokenizer_class": "CLIPTokenizer",
    "unk_token": {"__type": "AddedToken", **token(EOS)},
}
SD1_MAP: dict[str, Any] = {"bos_token": token(BOS), "eos_token": token(EOS), "pad_token": EOS, "unk_token": token(EOS)}
DECODER = {
    "0": token("!", normalized=False, special=True),
    "49406": token(BOS, special=True),
    "49407": token(EOS, normalized=False, special=True),
    "49408": token("<m>", lstrip=True, rstrip=True, normalized=False, special=False),
    "49409": token("New Style", lstrip=True, special=False),
}
FOLDERS: dict[str, dict[str, Any]] = {
    "vocab_merges": {},
    "sd1": {"tokenizer_config": SD1_CONFIG, "special_tokens_map": SD1_MAP},
    "sd2": {
        "tokenizer_config": {**SD1_CONFIG, "pad_token": "!"},
        "special_tokens_map": {**SD1_MAP, "pad_token": "!"},
    },
    "sdxl_2": {
        "tokenizer_config": {
            "added_tokens_decoder": DECODER,
            **{"bos_token": BOS, "eos_token": EOS, "pad_token": "!", "unk_token": EOS},
            "clean_up_tokenization_spaces": True,
            "model_max_length": 77,
            "tokenizer_class": "CLIPTokenizer",
        },
        "special_tokens_map": {**SD1_MAP, "pad_token": "."},
    },
    "textual_inversion": {
        "tokenizer_config": SD1_CONFIG,
        "special_tokens_map": SD1_MAP,
        "added_tokens": {"<cat-toy>": 49408, "New Style": 49409, "Ünï": 49410},
    },
    "left": {
        "tokenizer_config": {
            **SD1_CONFIG,
            **{"padding_side": "left", "truncation_side": "left"},
            "additional_special_tokens": ["<extra>", {"__type": "AddedToken", **token("<m>", rstrip=True)}, "yy"],
        }
    },
}


def make_folders(out: Path) -> None:
    merges, vocabulary = merges_of_clip()
    for name, files in FOLDERS.items():
        folder = out / name
        folder.mkdir()
        ids = {word: i for i, word in enumerate(vocabulary)}
        (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=name == "sd2"))
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
        for file, content in files.items():
            (folder / f"{file}.json").write_text(json.dumps(content, indent=2))
    # A vocabulary that lacks most bytes.
    small = ["l", "o", "w", "e", "r", "s", "t", "i", "d", "n", "lo", "l</w>", "w</w>", "r</w>", "t</w>", "low</w>",
             "er</w>", "lowest</w>", "newer</w>", "wider", "<unk>", BOS, EOS]
    folder = out / "small"
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(small)}))
    (folder / "merges.txt").write_text("#version: 0.2\nl o\nlo w</w>\ne r</w>\n")
    (folder / "special_tokens_map.json").write_text(json.dumps({"unk_token": "<unk>"}))
    for name in ("vocab_merges", "sd1", "sdxl_2", "textual_inversion", "left"):
        tokenizer = CLIPTokenizer.from_pretrained(out / name)
        if name == "textual_inversion":
            tokenizer.add_tokens(["zed", AddedToken("xx", lstrip=True, rstrip=True, normalized=False)])
        tokenizer.save_pretrained(out / f"{name}_saved")


def write(out: Path) -> Iterator[dict[str, Any]]:
    texts, some = make_texts()
    (out / "texts").mkdir()
    for name, rows in (("all", texts), ("some", some)):
        (out / "texts" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    make_folders(out)
    for folder in sorted(path for path in out.iterdir() if path.name != "texts"):
        whole = folder.name in ("vocab_merges", "vocab_merges_saved")
        given = texts if whole else some
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        ids = tokenizer(given)["input_ids"]
        padded = tokenizer(given, padding="max_length", max_length=LENGTH, truncation=True)["input_ids"]
        tensors = {
            "lengths": torch.tensor([len(row) for row in ids], dtype=torch.int32),
            "ids": torch.tensor([i for row in ids for i in row], dtype=torch.int32),
            "padded": torch.tensor(padded, dtype=torch.int32),
        }
        save_file(tensors, folder / "golden.safetensors")
        if not whole:
            decoded = [[tokenizer.decode(row), tokenizer.decode(row, skip_special_tokens=True)] for row in ids]
            (folder / "decoded.jsonl").write_text("".join(json.dumps(row) + "\n" for row in decoded))
        yield {
            "name": folder.name,
            "module": "CLIPTokenizer",
            "texts": "all" if whole else "some",
            "count": len(given),
            "size": len(tokenizer),
            "special": [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id],
        }
