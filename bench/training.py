"""A step of training in xattn and in PyTorch, side by side: python training.py --help

The models have the size of a small Stable Diffusion for pictures of 128×128: a UNet of 48, 96 and 128 channels with
its text encoder, 32 latents of 16×16; and an autoencoder of 32, 48, 64 and 96 channels, 16 pictures. A step is all
of it: noise, loss, gradients, their clipping, AdamW, the average. Contenders take turns, a round counts as one step of
each, after those that warm up. Their first losses must be PyTorch's. Exit codes: 0 done, 1 a contender failed or
differs, 2 bad usage.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from process import KEEP_MEMORY, ROOT, processor

KINDS = ("text_to_image", "autoencoder")
PYTHON = ("eager", "eager channels_last", "compile", "compile channels_last")
XATTN = ("xattn", "xattn channels_last")
TOLERANCE = 1e-3  # of a loss: what a few steps make of rounding
EDGE_WEIGHT, KL_WEIGHT, LEARNING_RATE, GAMMA = 0.5, 1e-6, 1e-4, 5.0


def make(kind: str, folder: Path, batch: int) -> None:
    """Models and a batch."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    if kind == "autoencoder":
        levels = (32, 48, 64, 96)
        vae = AutoencoderKL(
            block_out_channels=levels, down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1, norm_num_groups=8, sample_size=128,
        )  # fmt: skip
        vae.save_pretrained(folder / "vae")
        pictures = torch.nn.functional.interpolate(torch.randn(batch, 3, 16, 16), 128, mode="bilinear").tanh()
        save_file({"images": pictures}, folder / "input.safetensors")
        return
    unet = UNet2DConditionModel(
        sample_size=16, layers_per_block=1, norm_num_groups=16, block_out_channels=(48, 96, 128), attention_head_dim=3,
        cross_attention_dim=96, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    unet.save_pretrained(folder / "unet")
    config = CLIPTextConfig(
        vocab_size=512, hidden_size=96, intermediate_size=192, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=24, bos_token_id=1, eos_token_id=511, pad_token_id=511,
    )  # fmt: skip
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    ids = torch.randint(2, 500, (batch, 24))
    save_file({"latents": torch.randn(batch, 4, 16, 16), "ids": ids}, folder / "input.safetensors")


def python_step(kind: str, folder: Path, name: str) -> Callable[[], float]:
    """As fast as PyTorch has it: the fused AdamW, and operations on all tensors at once."""
    import torch
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from diffusers.training_utils import EMAModel, compute_snr
    from safetensors.torch import load_file
    from torch.nn import functional as F
    from transformers import CLIPTextModel

    data = load_file(folder / "input.safetensors")
    generator = torch.Generator().manual_seed(1)
    channels_last = {"memory_format": torch.channels_last} if "channels_last" in name else {}
    built = torch.compile if "compile" in name else lambda module: module

    if kind == "autoencoder":
        averaged = vae = AutoencoderKL.from_pretrained(folder / "vae").train().to(**channels_last)
        images = data["images"].contiguous(**channels_last)
        encode, decode = built(vae._encode), built(vae._decode)
        from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

        def loss_of() -> torch.Tensor:
            posterior = DiagonalGaussianDistribution(encode(images))
            decoded = decode(posterior.sample(generator)).sample
            loss = F.l1_loss(decoded, images)
            for dim in (2, 3):
                loss = loss + EDGE_WEIGHT * F.l1_loss(decoded.diff(dim=dim), images.diff(dim=dim))
            return loss + KL_WEIGHT * posterior.kl().sum() / posterior.mean.numel()

        parameters = list(vae.parameters())
    else:
        averaged = unet = UNet2DConditionModel.from_pretrained(folder / "unet").train().to(**channels_last)
        text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").train()
        scheduler = DDPMScheduler()
        latents = data["latents"].contiguous(**channels_last)
        run_unet, run_text = built(unet), built(text_encoder)

        def loss_of() -> torch.Tensor:
            noise = torch.randn(latents.shape, generator=generator)
            timesteps = torch.randint(0, 1000, (len(latents),), generator=generator)
            text = run_text(data["ids"])[0]
            output = run_unet(scheduler.add_noise(latents, noise, timesteps), timesteps, text).sample
            snr = compute_snr(scheduler, timesteps)
            loss = F.mse_loss(output, noise, reduction="none").mean(dim=(1, 2, 3))
            return (loss * snr.clamp(max=GAMMA) / snr).mean()

        parameters = [*unet.parameters(), *text_encoder.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, fused=True)
    ema = EMAModel(averaged.parameters(), foreach=True)

    def step() -> float:
        loss = loss_of()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.step(averaged.parameters())
        return loss.item()

    return step


def python_worker(options: argparse.Namespace) -> None:
    """A step for every line on stdin; answers with its seconds and its loss."""
    import time

    import torch

    torch.set_num_threads(options.threads)
    step = python_step(options.kind, options.folder, options.worker)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.monotonic()
        loss = step()
        print(time.monotonic() - start, loss, flush=True)


class Contender:
    """A process that makes a step when it is asked."""

    def __init__(self, name: str, command: list[str], threads: int) -> None:
        self.name = name
        environment = {**os.environ, **KEEP_MEMORY, "OMP_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self._answer()

    def _answer(self) -> str:
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"{self.name}: the worker stopped")
        return line

    def step(self) -> tuple[float, float]:
        """Its seconds and its loss."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds, loss = self._answer().split()
        return float(seconds), float(loss)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def command_of(name: str, options: argparse.Namespace, kind: str, folder: Path) -> list[str]:
    if name in XATTN:
        layout = "channels_last" if "channels_last" in name else "contiguous"
        return [str(options.xattn), kind, str(folder), layout]
    command = [sys.executable, __file__, "--worker", name, "--kind", kind, "--folder", str(folder)]
    return [*command, "--threads", str(options.threads)]


def check(losses: dict[str, list[float]]) -> None:
    """The first steps' losses must be those of PyTorch, or of whoever is the first."""
    expected = losses.get("eager", next(iter(losses.values())))
    for name, found in losses.items():
        for i, (loss, other) in enumerate(zip(found, expected, strict=True)):
            if not abs(loss - other) <= TOLERANCE * abs(other):
                raise RuntimeError(f"{name}: loss {loss} in step {i + 1}, where others have {other}")


def table(found: dict[str, list[float]], batch: int) -> str:
    """Medians, and medians of the ratios within a round to the fastest of xattn."""
    ours = [name for name in found if name in XATTN] or list(found)
    base = found[min(ours, key=lambda name: statistics.median(found[name]))]
    lines = [f"{'':<24}{'ms a step':>10}{'pictures/s':>12}{'times xattn':>13}"]
    for name, seconds in found.items():
        median = statistics.median(seconds)
        ratio = statistics.median(a / b for a, b in zip(seconds, base, strict=True))
        lines.append(f"{name:<24}{1000 * median:>10.1f}{batch / median:>12.1f}{ratio:>13.2f}")
    return "\n".join(lines)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(":")[0] + ".")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=3, help="steps of each that do not count")
    parser.add_argument("--kinds", default=",".join(KINDS), help="comma-separated")
    parser.add_argument("--contenders", default=",".join(XATTN + PYTHON), help="comma-separated")
    parser.add_argument("--xattn", type=Path, default=ROOT / "build/release/bin/xattn_training_worker")
    parser.add_argument("--json", type=Path, metavar="FILE")
    for hidden in ("--worker", "--kind"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    options.kinds, options.contenders = options.kinds.split(","), options.contenders.split(",")
    if min(options.threads, options.rounds, options.warm_up) < 1:
        parser.error("--threads, --rounds and --warm-up: expected 1 or more")
    for given, known in ((options.kinds, KINDS), (options.contenders, XATTN + PYTHON)):
        if unknown := set(given) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return options


def measure(options: argparse.Namespace, kind: str, folder: Path) -> dict[str, list[float]]:
    contenders: list[Contender] = []
    try:
        for name in options.contenders:
            contenders.append(Contender(name, command_of(name, options, kind, folder), options.threads))
        found = {contender.name: [contender.step() for _ in range(options.warm_up)] for contender in contenders}
        check({name: [loss for _, loss in steps] for name, steps in found.items()})
        seconds: dict[str, list[float]] = {name: [] for name in found}
        for _ in range(options.rounds):
            for contender in contenders:
                seconds[contender.name].append(contender.step()[0])
        return seconds
    finally:
        for contender in contenders:
            contender.close()


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    if options.worker:
        python_worker(options)
        return 0
    print(f"{processor()}, {options.threads} threads, float32", flush=True)
    results = {}
    for kind in options.kinds:
        batch = 32 if kind == "text_to_image" else 16
        with tempfile.TemporaryDirectory() as scratch:
            make(kind, Path(scratch), batch)
            try:
                results[kind] = measure(options, kind, Path(scratch))
            except (RuntimeError, OSError) as error:
                print(f"training.py: {error}", file=sys.stderr)
                return 1
        print(f"\n{kind}, batch {batch}\n{table(results[kind], batch)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": processor(), "seconds": results}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
