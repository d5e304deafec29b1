#!/usr/bin/env python3
"""A picture by a Stable-Diffusion-1.5-shaped pipeline, 1.07 G random weights saved by Python: the same pixels as
diffusers', and the time and the memory of both side by side.

`full_size_pipeline_test.py --xattn PROGRAM --folder DIR` writes 4.3 GB into DIR and removes them. It skips, with
"SKIPPED: …" and status 0, where memory or disk are short; where CI is set, a missing package fails.

`--step make` writes the folder DIR/pipeline alone, and `--step run` makes diffusers' picture of it: DIR/python.png,
and DIR/python.safetensors with `latents.0` … after each step and `image`, uint8. `--tiny` is for trying this script.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from machine import GIB, peak_bytes, shortage

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
MEMORY, DISK = 12 * GIB, 7 * GIB
PROMPT = "a photograph of a red cat on the moon, highly detailed"
TOLERANCE = 1  # of 255: a rounding that falls the other way

UNET = {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768, "attention_head_dim": 8}
VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 512}
TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
TINY_UNET = {"block_out_channels": (32, 32, 64, 64), "cross_attention_dim": 32, "attention_head_dim": 4}
TINY_VAE = {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1, "sample_size": 512}
TINY_TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def make(folder: Path, *, tiny: bool) -> None:
    """The pipeline, as diffusers saves it and with the files and keys that the hub's folders have."""
    sys.path.insert(0, str(ROOT / "python/golden_models"))
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from pipeline_models import write_tokenizer
    from safetensors.torch import load_file, save_file
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(1)
    unet = UNet2DConditionModel(sample_size=64, **(TINY_UNET if tiny else UNET)).eval()
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    vae = AutoencoderKL(**blocks, **(TINY_VAE if tiny else VAE)).eval()
    tokens = {"vocab_size": 49408, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "projection_dim": 768}
    text = CLIPTextModel(CLIPTextConfig(**tokens, **(TINY_TEXT if tiny else TEXT))).eval()
    with torch.no_grad():  # the first weights make noise that is nearly 0, and pictures that are grey
        width = unet.config.cross_attention_dim
        noise = unet(torch.randn(1, 4, 16, 16), 500, torch.randn(1, 77, width)).sample
        unet.conv_out.weight /= noise.std()
        pixels = vae.decode(torch.randn(1, 4, 16, 16)).sample
        vae.decoder.conv_out.weight /= 2 * pixels.std()
    write_tokenizer(folder / "tokenizer", "<|endoftext|>")
    scheduler = DDIMScheduler(
        **{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
        **{"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1},
    )
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    none = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    StableDiffusionPipeline(vae, text, tokenizer, unet, scheduler, **none).save_pretrained(folder)
    (folder / "tokenizer/tokenizer.json").unlink()
    write_tokenizer(folder / "tokenizer", "<|endoftext|>")
    weights = folder / "text_encoder/model.safetensors"
    keys = {key: key if key.startswith("text_model.") else f"text_model.{key}" for key in load_file(weights)}
    save_file({keys[key]: value for key, value in load_file(weights).items()}, weights, metadata={"format": "pt"})


def run(folder: Path, size: int, steps: int, prompt: str) -> None:
    """Makes diffusers' picture; prints the seconds of each stage, and the peak."""
    import numpy as np
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import logging
    from safetensors.torch import save_file

    logging.disable_progress_bar()
    marks = [time.monotonic()]
    pipe = StableDiffusionPipeline.from_pretrained(folder / "pipeline")
    marks.append(time.monotonic())
    pipe.set_progress_bar_config(disable=True)
    found: dict[str, torch.Tensor] = {}
    encode = pipe.encode_prompt

    def encode_prompt(*arguments, **options):
        result = encode(*arguments, **options)
        marks.append(time.monotonic())
        return result

    def after_step(_, i, timestep, tensors):
        found[f"latents.{i}"] = tensors["latents"].clone()
        marks[3:] = [time.monotonic()]
        return tensors

    pipe.encode_prompt = encode_prompt
    generator = torch.Generator().manual_seed(1)
    options = {"height": size, "width": size, "num_inference_steps": steps, "generator": generator}
    image = pipe(prompt, **options, callback_on_step_end=after_step).images[0]
    marks.append(time.monotonic())
    image.save(folder / "python.png")
    save_file({**found, "image": torch.from_numpy(np.array(image))[None]}, folder / "python.safetensors")
    stages = (after - before for before, after in zip(marks, marks[1:], strict=False))
    names = ("load", "text", "denoise", "decode")
    print(json.dumps({"stages": dict(zip(names, stages, strict=True)), "peak_memory": peak_bytes()}))


def xattn_command(program: Path, folder: Path, output: Path, size: int, steps: int, prompt: str) -> list[str]:
    command = [str(program), "generate", "-m", str(folder / "pipeline"), "-p", prompt, "--steps", str(steps)]
    return [*command, "-s", "1", "-H", str(size), "-W", str(size), "--json", "--force", "-o", str(output)]


def difference(expected: Path, actual: Path) -> tuple[int, float]:
    """The largest difference of two pictures' values, and the share of the values that differ."""
    import numpy as np
    from PIL import Image

    first, second = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (expected, actual))
    if first.shape != second.shape:
        raise ValueError(f"{actual.name}: expected {first.shape}, got {second.shape}")
    apart = np.abs(first - second)
    return int(apart.max()), float((apart > 0).mean())


def compare(options: argparse.Namespace) -> int:
    """Both pictures, side by side."""
    folder, settings = options.folder, ["--size", str(options.size), "--steps", str(options.steps)]
    found = {}
    for step in ("make", "run"):
        command = [sys.executable, __file__, "--step", step, "--folder", folder, *settings]
        command += ["--tiny"] if options.tiny else []
        found[step] = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    command = xattn_command(options.xattn, folder, folder / "xattn.png", options.size, options.steps, PROMPT)
    ours = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = {"Python": json.loads(found["run"].splitlines()[-1]), "xattn": json.loads(ours)}
    print(f"StableDiffusionPipeline of 1.5's shape, {options.size}×{options.size}, {options.steps} steps, float32")
    print(f"  {'':<10}{'load s':>9}{'text s':>9}{'denoise s':>11}{'decode s':>10}{'peak GiB':>10}")
    for name, row in rows.items():
        load, text, denoise, decode = (row["stages"][stage] for stage in ("load", "text", "denoise", "decode"))
        print(f"  {name:<10}{load:9.2f}{text:9.2f}{denoise:11.2f}{decode:10.2f}{row['peak_memory'] / GIB:10.2f}")
    largest, share = difference(folder / "python.png", folder / "xattn.png")
    print(f"  largest difference {largest} of 255, allowed {TOLERANCE}; {share:.2%} of the values differ")
    return 1 if largest > TOLERANCE else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--xattn", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--step", choices=("make", "run"))
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if options.step == "make":
        make(options.folder / "pipeline", tiny=options.tiny)
        return 0
    if options.step == "run":
        run(options.folder, options.size, options.steps, options.prompt)
        return 0
    if not options.xattn:
        parser.error("--xattn is needed")
    try:
        import diffusers  # noqa: F401
    except ImportError:
        print("SKIPPED: diffusers is missing" if "CI" not in os.environ else "diffusers is missing")
        return 1 if "CI" in os.environ else 0
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    try:
        if short := shortage(options.folder, MEMORY, DISK):
            print(f"SKIPPED: {short}")
            return 0
        return compare(options)
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
