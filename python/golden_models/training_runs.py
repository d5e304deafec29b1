"""A hundred steps of training in PyTorch, with diffusers' own parts, in the order of its script
examples/text_to_image/train_text_to_image.py: what C++ must follow from the same seed and batches."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel, compute_snr
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel

STEPS = 100
BATCH = 4
PICTURES = 16
TOKENS = 9
SEED = 11
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def small_unet() -> UNet2DConditionModel:
    torch.manual_seed(1)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=4,
    )


def small_text_encoder() -> CLIPTextModel:
    torch.manual_seed(2)
    config = CLIPTextConfig(
        vocab_size=50, max_position_embeddings=TOKENS, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, bos_token_id=48, eos_token_id=49, pad_token_id=49,
    )  # fmt: skip
    return CLIPTextModel(config)


def small_autoencoder() -> AutoencoderKL:
    torch.manual_seed(3)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=16,
    )


def draw_noise(latents: Tensor, timesteps: int, options: dict[str, Any], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Noise, what is added to the latents, and timesteps, in the script's order."""
    noise = torch.randn(latents.shape, generator=generator, dtype=latents.dtype)
    if offset := options.get("noise_offset"):
        noise += offset * torch.randn((*latents.shape[:2], 1, 1), generator=generator)
    added = noise
    if perturbation := options.get("input_perturbation"):
        added = noise + perturbation * torch.randn(latents.shape, generator=generator, dtype=latents.dtype)
    drawn = torch.randint(0, timesteps, (len(latents),), generator=generator).long()
    return noise, added, drawn


def diffusion_loss(
    unet: nn.Module, scheduler: DDPMScheduler, latents: Tensor, drawn: tuple[Tensor, Tensor, Tensor], text: Tensor, snr_gamma: float | None
) -> Tensor:
    """The script's loss; it does not know "sample", whose weights are those of the min-SNR paper."""
    noise, added, timesteps = drawn
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        target = noise
    elif kind == "v_prediction":
        target = scheduler.get_velocity(latents, noise, timesteps)
    else:
        target = latents
    output = unet(scheduler.add_noise(latents, added, timesteps), timesteps, text).sample
    if snr_gamma is None:
        return F.mse_loss(output.float(), target.float(), reduction="mean")
    snr = compute_snr(scheduler, timesteps)
    weights = torch.stack([snr, snr_gamma * torch.ones_like(timesteps)], dim=1).min(dim=1)[0]
    if kind != "sample":
        weights = weights / (snr + 1 if kind == "v_prediction" else snr)
    loss = F.mse_loss(output.float(), target.float(), reduction="none")
    return (loss.mean(dim=list(range(1, len(loss.shape)))) * weights).mean()


def autoencoder_loss(model: AutoencoderKL, images: Tensor, options: dict[str, Any], generator: torch.Generator) -> Tensor:
    posterior = model.encode(images).latent_dist
    decoded = model.decode(posterior.sample(generator)).sample
    loss = (F.l1_loss if options["reconstruction"] == "l1" else F.mse_loss)(decoded, images)
    if options["edge_weight"]:
        edges = [F.l1_loss(decoded.diff(dim=dim), images.diff(dim=dim)) for dim in (2, 3)]
        loss = loss + options["edge_weight"] * (edges[0] + edges[1])
    return loss + options["kl_weight"] * (posterior.kl().sum() / posterior.mean.numel())


class Run:
    """The optimizer and what belongs to it, as accelerate's `accumulate` lets the script use them."""

    def __init__(self, parameters: list[nn.Parameter], averaged: nn.Module, options: dict[str, Any]) -> None:
        self.parameters = parameters
        self.averaged = averaged
        self.options = options
        # Fused, as ours is: a key's bias has no gradient but for rounding, of which AdamW makes whole steps.
        self.optimizer = torch.optim.AdamW(parameters, lr=options["lr"], weight_decay=options["weight_decay"], fused=True)
        self.schedule = get_scheduler(
            options["lr_scheduler"], self.optimizer,
            num_warmup_steps=options["num_warmup_steps"], num_training_steps=options["num_training_steps"],
        )  # fmt: skip
        self.ema = EMAModel(averaged.parameters(), **options["ema"])
        self.losses, self.rates, self.norms = [], [], []

    def __call__(self, loss: Tensor) -> None:
        count = self.options["gradient_accumulation_steps"]
        self.losses.append(loss.item())
        (loss / count).backward()
        if len(self.losses) % count:
            return
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        self.norms.append(nn.utils.clip_grad_norm_(self.parameters, self.options["max_grad_norm"]).item())
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.ema.step(self.averaged.parameters())

    def found(self) -> dict[str, Tensor]:
        found = {"output.losses": self.losses, "output.rates": self.rates, "output.norms": self.norms}
        found = {name: torch.tensor(values, dtype=torch.float64) for name, values in found.items()}
        names = [name for name, _ in self.averaged.named_parameters()]
        return found | {f"output.ema.{name}": shadow for name, shadow in zip(names, self.ema.shadow_params, strict=True)}


def write(folder: Path, module: str, tensors: dict[str, Tensor], arguments: dict[str, Any]) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().contiguous().clone() for name, value in tensors.items()}, folder / "golden.safetensors")
    return {"name": folder.name, "module": module, "dtype": "float32", "arguments": arguments, "keys": []}


def run_text_to_image(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    unet, text_encoder = small_unet().train(), small_text_encoder().train()
    folder.mkdir(parents=True)
    unet.save_pretrained(folder / "unet")
    text_encoder.save_pretrained(folder / "text_encoder")
    text_encoder.requires_grad_(options["train_text_encoder"])
    scheduler = DDPMScheduler(**NOISE, prediction_type=options["prediction_type"])
    scheduler.save_config(folder / "scheduler")
    data = torch.Generator().manual_seed(5)
    found = {
        "input.latents": torch.randn(PICTURES, 4, 8, 8, generator=data),
        "input.ids": torch.randint(0, 48, (PICTURES, TOKENS), generator=data),
        "input.empty": torch.tensor([48] + [49] * (TOKENS - 1)),
        "input.rows": torch.randint(0, PICTURES, (STEPS, BATCH), generator=data),
    }
    found["input.ids"][:, 0], found["input.ids"][:, -1] = 48, 49
    run = Run([*unet.parameters(), *(p for p in text_encoder.parameters() if p.requires_grad)], unet, options)
    generator = torch.Generator().manual_seed(SEED)
    for rows in found["input.rows"]:
        latents, ids = found["input.latents"][rows], found["input.ids"][rows]
        drawn = draw_noise(latents, scheduler.config.num_train_timesteps, options, generator)
        if options["caption_dropout"]:
            dropped = torch.rand(len(ids), generator=generator) < options["caption_dropout"]
            ids = torch.where(dropped[:, None], found["input.empty"], ids)
        text = text_encoder(ids)[0]
        run(diffusion_loss(unet, scheduler, latents, drawn, text, options["snr_gamma"]))
    found |= run.found()
    found |= {f"output.unet.{name}": value for name, value in unet.named_parameters()}
    found |= {f"output.text_encoder.{name}": value for name, value in text_encoder.named_parameters()}
    return write(folder, "text_to_image", found, {**options, "seed": SEED})


def run_autoencoder(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    model = small_autoencoder().train()
    folder.mkdir(parents=True)
    model.save_pretrained(folder / "vae")
    data = torch.Generator().manual_seed(6)
    coarse = torch.randn(PICTURES, 3, 4, 4, generator=data)
    images = F.interpolate(coarse, 16, mode="bilinear").tanh()
    rows = torch.randint(0, PICTURES, (STEPS, BATCH), generator=data)
    run = Run([*model.parameters()], model, options)
    generator = torch.Generator().manual_seed(SEED)
    for row in rows:
        run(autoencoder_loss(model, images[row], options, generator))
    found = {"input.images": images, "input.rows": rows} | run.found()
    found |= {f"output.vae.{name}": value for name, value in model.named_parameters()}
    return write(folder, "autoencoder", found, {**options, "seed": SEED})


COMMON = {
    "lr": 1e-3,
    "weight_decay": 1e-2,
    "max_grad_norm": 1.0,
    "gradient_accumulation_steps": 1,
    "lr_scheduler": "constant",
    "num_warmup_steps": 0,
    "num_training_steps": STEPS,
    "ema": {"decay": 0.999},
}
TEXT_TO_IMAGE = {
    "text_to_image_epsilon": {
        "prediction_type": "epsilon",
        "snr_gamma": 5.0,
        "noise_offset": 0.1,
        "input_perturbation": 0.0,
        "caption_dropout": 0.1,
        "train_text_encoder": True,
        "lr_scheduler": "cosine",
        "num_warmup_steps": 10,
    },
    "text_to_image_v": {
        "prediction_type": "v_prediction",
        "snr_gamma": None,
        "noise_offset": 0.0,
        "input_perturbation": 0.1,
        "caption_dropout": 0.0,
        "train_text_encoder": False,
        "gradient_accumulation_steps": 2,
        "ema": {"decay": 0.99, "use_ema_warmup": True, "power": 0.75, "update_after_step": 3},
    },
}
AUTOENCODER = {
    "autoencoder_l1": {"reconstruction": "l1", "edge_weight": 0.5, "kl_weight": 1e-6, "lr_scheduler": "cosine", "num_warmup_steps": 5},
    "autoencoder_l2": {"reconstruction": "l2", "edge_weight": 0.0, "kl_weight": 1e-3},
}


def runs(folder: Path) -> list[dict[str, Any]]:
    cases = [run_text_to_image(folder / name, {**COMMON, **options}) for name, options in TEXT_TO_IMAGE.items()]
    return cases + [run_autoencoder(folder / name, {**COMMON, **options}) for name, options in AUTOENCODER.items()]
