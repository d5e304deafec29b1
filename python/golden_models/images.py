"""Pictures in files and what Pillow and diffusers make of them: pixels, texts, other sizes, tensors.

Each case is a folder with golden.safetensors and, where a file is read, `picture`, the file itself.
"""

import io
import itertools
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

ORIENTATION = 0x0112
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def drawn(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Smooth in one half, noise in the other, so that both rounding and overshoot show."""
    generator = np.random.default_rng(seed)
    y, x, c = np.mgrid[:height, :width, :channels]
    smooth = 127.5 + 127.5 * np.sin(x / 5 + 2 * c) * np.cos(y / 7 - c)
    noise = generator.integers(0, 256, (height, width, channels))
    pixels = np.where(x > width // 2, noise, smooth).astype(np.uint8)
    if channels in (2, 4):  # a border of each kind of alpha
        pixels[: height // 3, :, -1] = 0
        pixels[height // 3 : height // 2, :, -1] = 255
    return pixels


def picture(height: int, width: int, mode: str, seed: int = 0) -> Image.Image:
    pixels = drawn(height, width, len(mode), seed)
    return Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode)


def tensor(image: Image.Image) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(image))
    return pixels[..., None] if pixels.dim() == 2 else pixels


def case(folder: Path, name: str, module: str, tensors: dict[str, torch.Tensor], **arguments: Any) -> dict[str, Any]:
    (folder / name).mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, folder / name / "golden.safetensors")
    return {"name": name, "module": module, "dtype": "float32", "arguments": arguments, "keys": []}


# --- files ------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_lines(samples: np.ndarray, depth: int) -> bytes:
    """Lines of samples [height, width, channels] as PNG has them, each behind a filter of 0 or 1."""
    lines = b""
    for y, line in enumerate(samples):
        bits = "".join(f"{value:0{depth}b}" for value in line.reshape(-1))
        data = bytearray(int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8))
        if y % 2:
            step = max(1, depth * samples.shape[2] // 8)
            data = bytearray((b - (data[i - step] if i >= step else 0)) % 256 for i, b in enumerate(data))
        lines += bytes([y % 2]) + data
    return lines


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def png(samples: np.ndarray, depth: int, color: int, extra: bytes = b"", interlaced: bool = False) -> bytes:
    """A PNG file, by hand: Pillow writes neither all depths nor interlaced ones."""
    passes = [samples[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [samples]
    data = zlib.compress(b"".join(packed_lines(each, depth) for each in passes if each.size))
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, color, 0, 0, interlaced)
    half = len(data) // 2
    idat = chunk(b"IDAT", data[:half]) + chunk(b"IDAT", b"") + chunk(b"IDAT", data[half:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + idat + chunk(b"IEND", b"")


def pngs() -> Iterator[tuple[str, bytes]]:
    generator = np.random.default_rng(3)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    for color, count in channels.items():
        for depth in depths[color]:
            for height, width in ((9, 13), (1, 1), (2, 5)):
                # Of 16-bit grey, values that Pillow keeps and values that it cuts off.
                most = 400 if (color, depth) == (0, 16) else 2**depth
                samples = generator.integers(0, most, (height, width, count))
                palette = b""
                if color == 3:
                    palette = chunk(b"PLTE", generator.integers(0, 256, 3 * 2**depth, np.uint8).tobytes())
                for interlaced in (False, True):
                    name = f"png_{color}_{depth}_{height}x{width}" + "_interlaced" * interlaced
                    yield name, png(samples, depth, color, palette, interlaced)
                    if color not in (4, 6) and height == 9:
                        if color == 3:
                            key = generator.integers(0, 256, min(2**depth, 10), np.uint8).tobytes()
                        else:
                            key = struct.pack(f">{count}H", *samples[1, 2])
                        yield f"{name}_trns", png(samples, depth, color, palette + chunk(b"tRNS", key), interlaced)
    short = chunk(b"PLTE", bytes(range(10, 40)))
    samples = generator.integers(0, 256, (5, 7, 1))
    yield "png_short_palette", png(samples, 8, 3, short)
    yield "png_short_palette_trns", png(samples, 8, 3, short + chunk(b"tRNS", bytes(range(9))))
    one_clear = b"\xff\xff\xff\x00\xff"
    yield "png_one_clear_entry", png(samples % 10, 8, 3, short + chunk(b"tRNS", one_clear))
    gamma = chunk(b"gAMA", struct.pack(">I", 30000)) + chunk(b"sRGB", b"\0")
    yield "png_gamma", png(generator.integers(0, 256, (4, 4, 3)), 8, 2, gamma)
    for mode in ("L", "LA", "RGB", "RGBA"):
        file = io.BytesIO()
        picture(40, 31, mode).save(file, "PNG")
        yield f"png_pillow_{mode}", file.getvalue()
    file = io.BytesIO()
    frames = [picture(8, 9, "RGB", seed) for seed in range(3)]
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    yield "png_animated", file.getvalue()


def jpegs() -> Iterator[tuple[str, bytes]]:
    options: dict[str, dict[str, Any]] = {
        "444": {"subsampling": 0, "quality": 95},
        "422": {"subsampling": 1},
        "420": {"subsampling": 2},
        "420_poor": {"subsampling": 2, "quality": 20},
        "progressive": {"progressive": True, "quality": 80},
        "optimized": {"optimize": True},
        "restart": {"restart_marker_blocks": 2},
        "rgb": {"keep_rgb": True},
    }
    for name, each in options.items():
        for height, width in ((48, 64), (33, 17), (1, 1), (3, 50)):
            file = io.BytesIO()
            picture(height, width, "RGB").save(file, "JPEG", **each)
            yield f"jpeg_{name}_{height}x{width}", file.getvalue()
    for mode, each in itertools.product(("L", "CMYK"), ({}, {"progressive": True})):
        file = io.BytesIO()
        picture(30, 41, mode).save(file, "JPEG", **each)
        yield f"jpeg_{mode}" + "_progressive" * bool(each), file.getvalue()
    # Bytes between segments, which decoders pass over.
    file = io.BytesIO()
    picture(16, 16, "RGB").save(file, "JPEG")
    data = file.getvalue()
    end = 4 + struct.unpack(">H", data[4:6])[0]
    yield "jpeg_bytes_between", data[:end] + b"\x12\x34" + data[end:]


def turned(image: Image.Image, kind: str, where: str, orientation: int) -> bytes:
    """A file that says how it is turned, in one of the ways."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "a maker whose name is longer than four bytes"
    exif[ORIENTATION] = orientation
    xmp = f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'
    info = PngImagePlugin.PngInfo()
    if where == "exif":
        image.save(file, kind, exif=exif)
    elif where == "big_endian":
        exif.endian = ">"
        image.save(file, kind, exif=exif.tobytes())
    elif where == "profile":
        data = exif.tobytes()
        info.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n", zip=True)
        image.save(file, kind, pnginfo=info)
    elif kind == "PNG":
        info.add_itxt("XML:com.adobe.xmp", xmp.replace('="', ">").replace('"/', "</tiff:Orientation><"))
        image.save(file, kind, pnginfo=info)
    else:
        image.save(file, kind, xmp=xmp.encode())
    return file.getvalue()


def turned_pictures() -> Iterator[tuple[str, bytes]]:
    for orientation in range(1, 9):
        yield f"turned_jpeg_{orientation}", turned(picture(19, 30, "RGB"), "JPEG", "exif", orientation)
        yield f"turned_png_{orientation}", turned(picture(19, 30, "RGB"), "PNG", "exif", orientation)
    yield "turned_png_grey", turned(picture(19, 30, "L"), "PNG", "exif", 8)
    yield "turned_png_alpha", turned(picture(19, 30, "RGBA"), "PNG", "exif", 5)
    yield "turned_0", turned(picture(19, 30, "RGB"), "JPEG", "exif", 0)
    yield "turned_9", turned(picture(19, 30, "RGB"), "PNG", "exif", 9)
    for kind in ("JPEG", "PNG"):
        yield f"turned_big_endian_{kind}", turned(picture(19, 30, "RGB"), kind, "big_endian", 6)
        yield f"turned_xmp_{kind}", turned(picture(19, 30, "RGB"), kind, "xmp", 6)
    yield "turned_profile", turned(picture(19, 30, "RGB"), "PNG", "profile", 7)
    # Exif data that are cut off before, in and behind the orientation.
    whole = turned(picture(4, 6, "RGB"), "JPEG", "exif", 6)
    at = whole.index(b"Exif\0\0")
    (length,) = struct.unpack(">H", whole[at - 2 : at])
    for kept in (6 + 8, 6 + 9, 6 + 8 + 2 + 12 + 5, 6 + 8 + 2 + 24, length - 2 - 40):
        yield f"turned_cut_{kept}", whole[: at - 2] + struct.pack(">H", kept + 2) + whole[at : at + kept] + whole[at + length - 2 :]


def write_files(folder: Path) -> Iterator[dict[str, Any]]:
    for name, file in (*pngs(), *jpegs(), *turned_pictures()):
        (folder / name).mkdir(parents=True)
        path = folder / name / "picture"
        path.write_bytes(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path)
            found = {"output.rgb": tensor(image.convert("RGB")), "output.grey": tensor(image.convert("L"))}
            # Of few bits and of 16, Pillow compares a transparent colour with what it made of them.
            if image.mode in ("P", "LA", "RGBA") or ("trns" in name and "_8_" in name):
                found["output.rgba"] = tensor(image.convert("RGBA"))
            found["output.load_image"] = tensor(diffusers.utils.load_image(str(path)))
        yield case(folder, name, "png" if file.startswith(b"\x89") else "jpeg", found)


def write_texts(folder: Path) -> Iterator[dict[str, Any]]:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a photo of a cat\nSteps: 20, Sampler: Euler a")
    info.add_text("Title", "Été à la plage ½", zip=True)
    info.add_text("prompt", "猫 🐈")
    info.add_itxt("long", "x" * 100_000 + "ж", "de", "lang", zip=True)
    info.add_text("twice", "first")
    info.add_text("twice", "second")
    info.add_text("empty", "")
    file = folder / "texts" / "picture"
    file.parent.mkdir()
    picture(5, 6, "RGB").save(file, "PNG", pnginfo=info)
    # One behind the pixels.
    data = file.read_bytes()
    file.write_bytes(data[:-12] + chunk(b"tEXt", b"late\0\xe9t\xe9") + data[-12:])
    image = Image.open(file)
    image.load()
    yield case(folder, "texts", "text", {"output.rgb": tensor(image)}, text={key: str(value) for key, value in image.text.items()})


# --- sizes ------------------------------------------------------------------------------------------

SIZES = {
    (37, 53): ((74, 106), (20, 53), (37, 20), (100, 7), (3, 200), (64, 64), (36, 52), (1, 1), (38, 53)),
    (1, 1): ((5, 7), (1, 3)),
    (2, 300): ((1, 20), (3, 1), (600, 2)),
    (90, 3): ((9, 3), (7, 64)),
}


def write_sizes(folder: Path) -> Iterator[dict[str, Any]]:
    for mode in ("L", "LA", "RGB", "RGBA"):
        for (height, width), targets in SIZES.items():
            image = picture(height, width, mode)
            found = {"input.pixels": tensor(image)}
            for name, resample in FILTERS.items():
                for h, w in targets:
                    found[f"output.{name}.{h}x{w}"] = tensor(image.resize((w, h), resample))
            yield case(folder, f"resize_{mode}_{height}x{width}", "resize", found)
    image = picture(384, 512, "RGB", 5)
    found = {"input.pixels": tensor(image)}
    for name, resample in FILTERS.items():
        for h, w in ((64, 64), (768, 512), (383, 511)):
            found[f"output.{name}.{h}x{w}"] = tensor(image.resize((w, h), resample))
    yield case(folder, "resize_large", "resize", found)
    every = np.stack(np.meshgrid(*(np.arange(0, 256, 5),) * 3), -1).reshape(52, -1, 3).astype(np.uint8)
    image = Image.fromarray(every)
    yield case(folder, "convert", "convert", {"input.pixels": tensor(image), "output.grey": tensor(image.convert("L"))})


# --- VaeImageProcessor ------------------------------------------------------------------------------

MASK = {"do_normalize": False, "do_binarize": True, "do_convert_grayscale": True}


def preprocess_cases() -> Iterator[tuple[str, dict[str, Any], list[Any], dict[str, int]]]:
    photo, other = picture(61, 83, "RGB"), picture(61, 83, "RGB", 2)
    yield "pictures", {}, [photo, other], {}
    yield "picture_of_another_size", {}, [photo, picture(40, 40, "RGB")], {"height": 64, "width": 72}
    yield "sizes_are_rounded", {}, [photo], {"height": 71, "width": 47}
    yield "only_height", {}, [photo], {"height": 24}
    yield "not_resized", {"do_resize": False}, [photo], {}
    yield "rgb", {"do_convert_rgb": True}, [picture(30, 40, "RGBA")], {}
    yield "rgb_of_grey", {"do_convert_rgb": True}, [picture(30, 40, "L")], {}
    yield "grey_as_it_is", {}, [picture(30, 40, "L")], {}
    yield "alpha_as_it_is", {}, [picture(30, 40, "RGBA")], {}
    yield "grey", {"do_convert_grayscale": True}, [photo], {}
    yield "factor_16_bicubic", {"vae_scale_factor": 16, "resample": "bicubic"}, [photo], {}
    yield "mask", MASK, [picture(61, 83, "RGB")], {"height": 32, "width": 40}
    yield "mask_of_grey", MASK, [picture(61, 83, "L")], {}
    yield "mask_of_alpha", MASK, [picture(61, 83, "LA")], {}

    def values(*shape: int, seed: int = 0) -> torch.Tensor:
        return torch.rand(shape, generator=torch.Generator().manual_seed(seed))

    yield "tensor", {}, [values(2, 3, 24, 33)], {}
    yield "tensor_resized", {}, [values(1, 3, 24, 33)], {"height": 40, "width": 64}
    yield "tensors", {}, [values(3, 24, 16), values(3, 24, 16, seed=1)], {}
    yield "batches", {}, [values(2, 3, 8, 8), values(1, 3, 8, 8, seed=1)], {}
    yield "one_image", {}, [values(3, 16, 24)], {}
    yield "normalized_already", {}, [values(1, 3, 16, 16) * 2 - 1], {}
    yield "latents", {}, [values(1, 4, 9, 7) * 8 - 4], {}
    yield "latents_of_16", {"vae_latent_channels": 16}, [values(1, 16, 9, 7)], {}
    yield "half", {}, [values(1, 3, 16, 16).half()], {}
    yield "mask_tensor", MASK, [values(2, 1, 16, 24)], {"height": 8}
    yield "mask_without_channels", MASK, [values(2, 16, 24)], {}
    yield "masks_of_two_dimensions", MASK, [values(16, 24), values(16, 24, seed=1)], {}


def write_processor(folder: Path) -> Iterator[dict[str, Any]]:
    for name, config, images, size in preprocess_cases():
        found = {
            f"input.{i}": tensor(image) if isinstance(image, Image.Image) else image for i, image in enumerate(images)
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = VaeImageProcessor(**config).preprocess(images if len(images) > 1 else images[0], **size)
        yield case(folder, f"preprocess_{name}", "preprocess", {**found, "output.tensor": result}, config=config, size=size)
    generator = torch.Generator().manual_seed(4)
    for name, dtype, channels, config, flags in (
        ("float", torch.float32, 3, {}, None),
        ("half", torch.float16, 3, {}, None),
        ("bfloat16", torch.bfloat16, 3, {}, None),
        ("grey", torch.float32, 1, {}, None),
        ("alpha", torch.float32, 4, {}, None),
        ("some", torch.float32, 3, {}, [True, False]),
        ("not_normalized", torch.float32, 3, {"do_normalize": False}, None),
    ):
        image = torch.randn((2, channels, 16, 24), generator=generator).to(dtype)
        if flags or config:
            image = image.sigmoid()
        processor = VaeImageProcessor(**config)
        pictures = processor.postprocess(image, "pil", flags)
        found = {f"output.picture.{i}": tensor(each) for i, each in enumerate(pictures)}
        found |= {"input.image": image, "output.tensor": processor.postprocess(image, "pt", flags)}
        yield case(folder, f"postprocess_{name}", "postprocess", found, config=config, flags=flags)


def write(folder: Path) -> Iterator[dict[str, Any]]:
    yield from write_files(folder)
    yield from write_texts(folder)
    yield from write_sizes(folder)
    yield from write_processor(folder)
