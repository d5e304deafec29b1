"""Writes the inputs that the fuzzers begin with: make_corpus.py FOLDER.

A folder a fuzzer, of small files that Python itself writes, in the form that the fuzzer takes.
"""

import collections
import io
import json
import pathlib
import struct
import sys
import warnings
import zipfile
import zlib

import torch
from safetensors.torch import save as save_safetensors
from torch import nn

LEFT_OUT = ("serialization_id", ".format_version", ".storage_alignment", "debug_pkl")


class Corpus:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.count = 0

    def add(self, fuzzer, data):
        folder = self.root / fuzzer
        folder.mkdir(parents=True, exist_ok=True)
        self.count += 1
        (folder / f"{self.count:04}").write_bytes(data)


def small_zip(archive):
    """The archive without alignment and what no reader looks at: short inputs are mutated faster."""
    local, directory, count = b"", b"", 0
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        for info in source.infolist():
            if any(part in info.filename for part in LEFT_OUT):
                continue
            raw = source.read(info)
            packed = raw
            if info.compress_type:
                deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
                packed = deflate.compress(raw) + deflate.flush()
            name = b"a/" + info.filename.split("/", 1)[1].encode()
            kind = (20 if info.compress_type else 0, 0x808 if raw else 0x800, info.compress_type)
            sums = struct.pack("<III", zlib.crc32(raw) if raw else 0, len(packed), len(raw))
            offset = len(local)
            local += struct.pack("<IHHH", 0x04034B50, *kind) + bytes(16)
            local += struct.pack("<HH", len(name), 4) + name + b"FB\0\0" + packed
            local += struct.pack("<I", 0x08074B50) + sums if raw else b""
            directory += struct.pack("<IHHHHI", 0x02014B50, 0, *kind, 0) + sums
            directory += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, offset) + name
            count += 1
    at, end = len(local), len(local) + len(directory)
    record = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 0x31E, 45, 0, 0, count, count, end - at, at)
    locator = struct.pack("<IIQI", 0x07064B50, 0, end, 1)
    last = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, end - at, at, 0)
    return local + directory + record + locator + last


def archives():
    """Files of torch.save and of torch.jit.save, and whether they are TorchScript's."""
    four = torch.arange(4.0)
    parameter = nn.Parameter(four)
    parameter.note = 3
    complex_ones = torch.ones(2, dtype=torch.complex64)
    values = [
        {"w": four},
        collections.OrderedDict([("a.w", four), ("a.b", torch.arange(2))]),
        four,
        7,
        [four[1:3], four.view(2, 2).t(), torch.zeros(0)],
        {"c": complex_ones.conj()},
        {"n": complex_ones.conj().imag},
        {"p": nn.Parameter(four), "d": torch.device("cuda", 1), "s": torch.Size([1, 2])},
        {"x": 1.5, "y": True, "z": None, "t": "text", "b": b"by\xff", "i": 2**70, "k": -(2**70)},
        {"l": (1, 2, 3, 4), "st": {1, 2}, "fs": frozenset({3}), "cc": 1 - 2j},
        {"e": {}, "f": {1: {2: []}}, "o": collections.Counter({30: 1, "q": 3}), "d": torch.half},
        {"a": four, "b": four, "c": four[2:]},
        parameter,
    ]
    for name in ("bool", "uint8", "bfloat16", "float64", "float8_e4m3fn", "uint16"):
        values.append({"w": torch.zeros(2, dtype=getattr(torch, name))})
    for value in values:
        for protocol in (2, 4, 5):
            file = io.BytesIO()
            torch.save(value, file, pickle_protocol=protocol)
            yield file.getvalue(), False
    for module in (nn.Linear(2, 2), nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))):
        for scripted in (torch.jit.script(module.eval()),):
            file = io.BytesIO()
            torch.jit.save(scripted, file)
            yield file.getvalue(), True


def add_weights(corpus):
    for archive, is_script in archives():
        small = small_zip(archive)
        corpus.add("weights", small)
        corpus.add("archive", small)
        with zipfile.ZipFile(io.BytesIO(small)) as entries:
            corpus.add("pickle", bytes([is_script]) + entries.read("a/data.pkl"))
    tensors = [
        {"w": torch.arange(4.0)},
        {"e": torch.zeros(0, 3), "s": torch.tensor(1.0), "b": torch.zeros(2, 3, dtype=torch.int64)},
        {},
        {"f": torch.zeros(2, dtype=torch.float8_e5m2), "g": torch.zeros(2, dtype=torch.bool)},
    ]
    for each in tensors:
        for metadata in (None, {"format": "pt", "x": "é"}):
            file = save_safetensors(each, metadata)
            length = struct.unpack("<Q", file[:8])[0]
            corpus.add("weights", file)
            size = struct.pack("<H", len(file) - 8 - length)
            corpus.add("safetensors_header", size + file[8 : 8 + length])


def add_tokenizers(corpus):
    def text(value):
        return json.dumps(value, separators=(",", ":"))

    start, end = "<|startoftext|>", "<|endoftext|>"
    tokens = [start, end, "a</w>", "a", "ph", "p", "h", "pho", "o", "to</w>", "t", "o</w>", "pa"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    merges = "#version: 0.2\np h\nph o\nt o</w>\np a\n"
    added = {
        "0": {"content": start, "special": True},
        "13": {"content": "<X>", "normalized": True, "rstrip": True, "lstrip": True},
    }
    model = {"type": "BPE", "vocab": vocabulary, "merges": ["p h", ["ph", "o"], "t o</w>"]}
    listed = [{"id": 0, "content": start, "special": True}, {"id": 13, "content": "<X>"}]
    folders = [
        [text(vocabulary), merges],
        [
            text(vocabulary),
            merges,
            text({"model_max_length": 77, "padding_side": "left", "pad_token": "!"}),
            text({"eos_token": end, "additional_special_tokens": ["<x>"]}),
            text({"<x>": 13, "<y>": 14}),
        ],
        [
            text(vocabulary),
            merges,
            text({"added_tokens_decoder": added, "extra_special_tokens": {"a_token": "<z>"}}),
        ],
        ["", "", "", "", "", text({"model": model, "added_tokens": listed})],
    ]
    for files in folders:
        corpus.add("tokenizer_files", b"\xff".join(file.encode() for file in files))
        for file in files:
            corpus.add("json", file.encode())
    texts = [
        "a photo of a cat's 12 <|endoftext|>",
        "Été İ\u0344 ﬁ Ⅻ ½ \u3000x 中文 😀👨‍👩‍👧",
        "각 \u1100\u1161\u11a8 e\u0301\u0327 \u0344",
        "<X> é  ab llllll xxx the",
        "'s't 've\t\n\u0085\u00a0\u2028",
    ]
    for each in texts:
        for options in (0x3F, 0x50, 0xFE, 0x01):
            corpus.add("encode", bytes([options]) + each.encode())
    corpus.add("encode", b"\x3fa\xffb\xed\xa0\x80")


def add_configs(corpus):
    index = {"metadata": {"total_size": 2}, "weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}
    configs = [
        {"_class_name": "UNet2DConditionModel", "in_channels": 4, "attention_head_dim": [5, 10, 20, 20]},
        {"_class_name": "AutoencoderKL", "block_out_channels": [128, 256], "scaling_factor": 0.18215},
        {"architectures": ["CLIPTextModel"], "model_type": "clip", "hidden_size": 768},
        {"model_type": "clip", "text_config": {"hidden_size": 64, "vocab_size": 100, "x": None}},
        {"x": [1, 2.5, None, True, {"y": "é\U0001f600"}], "z": -1, "w": 1e300},
    ]
    for config in configs:
        text = json.dumps(config).encode()
        corpus.add("config", text)
        corpus.add("json", text)
        for one in (index, {"weight_map": {"a": "../x"}}):
            corpus.add("folder", text + b"\xff" + json.dumps(one).encode())
    try:
        from diffusers import AutoencoderKL, UNet2DConditionModel
    except ImportError:
        return
    for model in (UNet2DConditionModel, AutoencoderKL):
        corpus.add("config", model.from_config({}).to_json_string().encode())


def add_pictures(corpus):
    try:
        from PIL import Image, PngImagePlugin
    except ImportError:
        return
    pixels = bytes(range(0, 240, 2))
    exif = Image.Exif()
    exif[0x0112] = 6
    info = PngImagePlugin.PngInfo()
    for key, text, packed in (("a", "b", False), ("c", "d", True), ("XML:com.adobe.xmp", "tiff:Orientation=\"3\" ж", True)):
        info.add_text(key, text, zip=packed)
    for mode, size in (("L", (12, 10)), ("RGB", (8, 5)), ("RGBA", (6, 5)), ("CMYK", (6, 5)), ("P", (12, 10)), ("1", (12, 10))):
        image = Image.frombytes(mode, size, pixels[:20] if mode == "1" else pixels)
        kinds = [("PNG", {}), ("PNG", {"pnginfo": info, "exif": exif})]
        if mode in ("L", "P", "1"):
            kinds.append(("PNG", {"transparency": 0}))
        if mode == "CMYK":
            kinds = []
        if mode in ("L", "RGB", "CMYK"):
            kinds += [("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"exif": exif, "restart_marker_blocks": 1})]
        for kind, options in kinds:
            file = io.BytesIO()
            image.save(file, kind, **options)
            corpus.add("pictures", file.getvalue())


def add_prompts(corpus):
    for prompt in (
        "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
        "one BREAK (two: 1.2 ) \\(x\\] [a|b] [c:d:0.5] x AND y <lora:z:1>",
        'a cat++ (big "dog"- (bird)0.5)1.4 well-lit \\(x\\)+ (a).attend(--) "say \\"hi\\""+',
        '("a cat+", "(b, c", d).and(1, 0.5, 2.)',
        '(a, "b c").blend(0.7, -.3, no_normalize)',
        "x.swap(y z, t_start=0.5) withLora(name, 0.5)",
        "고양이 (🐱)1.2 (강아지:1.2)\u3000BREAK\u00a0x",
    ):
        corpus.add("prompt_syntax", prompt.encode())


def main():
    warnings.simplefilter("ignore")
    corpus = Corpus(sys.argv[1])
    add_weights(corpus)
    add_tokenizers(corpus)
    add_configs(corpus)
    add_pictures(corpus)
    add_prompts(corpus)
    (corpus.root / "made").write_text(f"{corpus.count}\n")


if __name__ == "__main__":
    main()
