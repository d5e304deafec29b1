"""Small pipelines as diffusers saves them, whose pictures look like something.

Random weights alone give a UNet whose output has nothing to do with its input: latents grow, guidance amplifies
rounding, and pictures saturate. So the last layer of each UNet, which its output is linear in, is fitted by least
squares to what a trained one would say of blurred noise that the text colours. The last layers of the VAE are
scaled to its `scaling_factor` and to the range of pictures.
"""

import functools
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from common import randomize
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel
from tokenizer import SD1_CONFIG, SD1_MAP, merges_of_clip
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

LATENT = 8  # side of the latents that the UNets are for: pictures of 64×64
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
WORDS = "a red green blue dark bright cat dog house in the sea at night painting of photo 고양이 바다 noir".split()


def write_tokenizer(folder: Path, pad: str) -> None:
    """The files of a tokenizer as they are on the hub."""
    merges, vocabulary = merges_of_clip()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({**SD1_CONFIG, "pad_token": pad}, indent=2))
    (folder / "special_tokens_map.json").write_text(json.dumps({**SD1_MAP, "pad_token": pad}, indent=2))


@functools.cache
def tokenizer_of(out: Path, pad: str) -> CLIPTokenizer:
    folder = out / f"tokenizer_{'eos' if len(pad) > 1 else 'mark'}"
    if not folder.exists():
        write_tokenizer(folder, pad)
    return CLIPTokenizer.from_pretrained(folder)


def text_encoder(kind: type[nn.Module], seed: int, **changes: Any) -> nn.Module:
    values = {
        "vocab_size": 49408,
        "max_position_embeddings": 77,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "projection_dim": 20,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
        "pad_token_id": 1,
        **changes,
    }
    torch.manual_seed(seed)
    model = randomize(kind(CLIPTextConfig(**values)), seed)
    with torch.no_grad():  # transformers begins with so little that all words are alike
        for name, parameter in model.named_parameters():
            if "token_embedding" in name or "position_embedding" in name:
                parameter.normal_(std=0.7)
            elif parameter.dim() > 1:
                parameter.normal_(std=parameter.shape[1] ** -0.5)
    return model


def vae(seed: int, scaling_factor: float, **changes: Any) -> AutoencoderKL:
    torch.manual_seed(seed)
    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 16, 16, 16),
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=64,
        scaling_factor=scaling_factor,
        **changes,
    )
    randomize(model, seed)
    generator = torch.Generator().manual_seed(seed)
    pictures = nn.functional.interpolate(torch.randn(16, 3, 8, 8, generator=generator), 64, mode="bilinear")
    with torch.no_grad():
        spread = model.encode(pictures).latent_dist.mean.std()
        model.quant_conv.weight[:4] /= spread * scaling_factor
        model.quant_conv.bias[:4] /= spread * scaling_factor
        model.quant_conv.bias[4:] -= 3.0
        latents = blurred(torch.randn(16, 4, LATENT, LATENT, generator=generator)) / scaling_factor
        spread = model.decode(latents).sample.std(dim=(0, 2, 3))
        model.decoder.conv_out.weight /= 2 * spread[:, None, None, None]
        model.decoder.conv_out.bias.zero_()
        model.decoder.conv_out.bias -= model.decode(latents).sample.mean(dim=(0, 2, 3))
    return model


def unet(seed: int, **changes: Any) -> UNet2DConditionModel:
    values = {
        "sample_size": LATENT,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
        **changes,
    }
    torch.manual_seed(seed)
    return randomize(UNet2DConditionModel(**values), seed)


def xl_unet(seed: int, *, ids: int = 6, **changes: Any) -> UNet2DConditionModel:
    """`ids`: the numbers of micro-conditioning, 6 for a base model and 5 for a refiner."""
    values = {
        "block_out_channels": (16, 16, 32),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": [1, 1, 2],
        "attention_head_dim": [2, 2, 4],
        "use_linear_projection": True,
        "cross_attention_dim": 64,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 20 + 8 * ids,
        **changes,
    }
    return unet(seed, **values)


def blurred(noise: Tensor) -> Tensor:
    """As smooth as the latents of pictures, and of variance 1."""
    smooth = nn.functional.avg_pool2d(nn.functional.pad(noise, (1,) * 4, mode="reflect"), 3, stride=1)
    return smooth / smooth.std()


def fit(pipe: DiffusionPipeline, seed: int, count: int = 96) -> None:
    """Makes the UNet's last layer say what a trained one would."""
    model, generator = pipe.unet, torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    picked = torch.randint(len(WORDS), (count, 6), generator=generator)
    encoded = pipe.encode_prompt([" ".join(WORDS[i] for i in row) for row in picked], device="cpu",
                                 num_images_per_prompt=1, do_classifier_free_guidance=False)  # fmt: skip
    text = encoded[0]
    colour = text.mean(1) @ draw(text.shape[2], 4)
    colour = (colour - colour.mean(0)) / colour.std(0)
    clean = 0.8 * blurred(draw(count, 4, LATENT, LATENT)) + 0.6 * colour[:, :, None, None]
    noise = draw(*clean.shape)
    timesteps = torch.linspace(0, 999, count).long()[torch.randperm(count, generator=generator)]
    kept = pipe.scheduler.alphas_cumprod[timesteps][:, None, None, None]
    sample = kept.sqrt() * clean + (1 - kept).sqrt() * noise
    is_velocity = pipe.scheduler.config.prediction_type == "v_prediction"
    target = kept.sqrt() * noise - (1 - kept).sqrt() * clean if is_velocity else noise
    arguments: dict[str, Any] = {}
    if model.config.in_channels == 9:
        mask = (blurred(draw(count, 1, LATENT, LATENT)) > 0).float()
        sample = torch.cat([sample, mask, clean * (1 - mask)], dim=1)
    if model.config.addition_embed_type == "text_time":
        numbers = (model.config.projection_class_embeddings_input_dim - 20) // 8
        ids = torch.tensor([64.0, 64.0, 0.0, 0.0, 64.0, 64.0] if numbers == 6 else [64.0, 64.0, 0.0, 0.0, 6.0])
        arguments["added_cond_kwargs"] = {"text_embeds": encoded[2], "time_ids": ids.repeat(count, 1)}
    if model.config.time_cond_proj_dim:
        scale = torch.linspace(0, 9, count)
        dimensions = model.config.time_cond_proj_dim
        arguments["timestep_cond"] = pipe.get_guidance_scale_embedding(scale, embedding_dim=dimensions)
    features: list[Tensor] = []
    hook = model.conv_out.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    with torch.no_grad():
        model(sample, timesteps, encoder_hidden_states=text, **arguments)
        hook.remove()
        columns = nn.functional.unfold(features[0], 3, padding=1).transpose(1, 2).flatten(0, 1).double()
        columns = nn.functional.pad(columns, (0, 1), value=1.0)
        wanted = target.flatten(2).transpose(1, 2).flatten(0, 1).double()
        # Without the second term weights become so large that rounding shows.
        normal = columns.T @ columns + 1e-3 * len(columns) * torch.eye(columns.shape[1], dtype=torch.float64)
        weights = torch.linalg.solve(normal, columns.T @ wanted).float().T
        model.conv_out.weight.copy_(weights[:, :-1].reshape(model.conv_out.weight.shape))
        model.conv_out.bias.copy_(weights[:, -1])


def stable_diffusion(
    out: Path,
    kind: str,
    scheduler: Any,
    seed: int,
    unet_changes: Mapping[str, Any],
    *,
    text_changes: Mapping[str, Any] | None = None,
    pad: str = "<|endoftext|>",
    vae_changes: Mapping[str, Any] | None = None,
) -> DiffusionPipeline:
    return getattr(diffusers, kind)(
        vae=vae(seed + 1, 0.18215, **(vae_changes or {})),
        text_encoder=text_encoder(CLIPTextModel, seed + 2, **(text_changes or {})),
        tokenizer=tokenizer_of(out, pad),
        unet=unet(seed, **unet_changes),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl(out: Path, kind: str, scheduler: Any, seed: int, network: nn.Module, **changes: Any) -> Any:
    second = text_encoder(
        CLIPTextModelWithProjection, seed + 3, hidden_size=40, intermediate_size=80, hidden_act="gelu", eos_token_id=2
    )
    is_refiner = kind == "StableDiffusionXLImg2ImgPipeline"
    return getattr(diffusers, kind)(
        vae=vae(seed + 1, 0.13025, force_upcast=True),
        text_encoder=None if is_refiner else text_encoder(CLIPTextModel, seed + 2, hidden_size=24, num_hidden_layers=3),
        text_encoder_2=second,
        tokenizer=None if is_refiner else tokenizer_of(out, "<|endoftext|>"),
        tokenizer_2=tokenizer_of(out, "!"),
        unet=network,
        scheduler=scheduler,
        add_watermarker=False,
        **changes,
    )


def sd1(out: Path) -> DiffusionPipeline:
    scheduler = diffusers.PNDMScheduler(**NOISE, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1)
    return stable_diffusion(out, "StableDiffusionPipeline", scheduler, 10, {}, text_changes={"eos_token_id": 2})


def sd2(out: Path) -> DiffusionPipeline:
    scheduler = diffusers.DDIMScheduler(
        **NOISE,
        **{"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "prediction_type": "v_prediction"},
        **{"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
    )
    changes = {"use_linear_projection": True, "upcast_attention": True, "attention_head_dim": [2, 4]}
    text = {"hidden_act": "gelu", "num_hidden_layers": 3}
    return stable_diffusion(out, "StableDiffusionPipeline", scheduler, 20, changes, text_changes=text, pad="!")


def inpaint9(out: Path) -> DiffusionPipeline:
    scheduler = diffusers.PNDMScheduler(**NOISE, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1)
    return stable_diffusion(out, "StableDiffusionInpaintPipeline", scheduler, 30, {"in_channels": 9})


def lcm(out: Path) -> DiffusionPipeline:
    scheduler = diffusers.LCMScheduler(**NOISE, set_alpha_to_one=True)
    return stable_diffusion(out, "LatentConsistencyModelPipeline", scheduler, 40, {"time_cond_proj_dim": 16})


def euler(**changes: Any) -> Any:
    values = {**NOISE, "timestep_spacing": "leading", "steps_offset": 1, **changes}
    return diffusers.EulerDiscreteScheduler(**values)


def xl(out: Path) -> DiffusionPipeline:
    kind, changes = "StableDiffusionXLPipeline", {"force_zeros_for_empty_prompt": True}
    return stable_diffusion_xl(out, kind, euler(), 50, xl_unet(50), **changes)


def xl_refiner(out: Path) -> DiffusionPipeline:
    changes = {"requires_aesthetics_score": True, "force_zeros_for_empty_prompt": False}
    network = xl_unet(60, ids=5, cross_attention_dim=40)
    return stable_diffusion_xl(out, "StableDiffusionXLImg2ImgPipeline", euler(), 60, network, **changes)


def xl_inpaint9(out: Path) -> DiffusionPipeline:
    kind = "StableDiffusionXLInpaintPipeline"
    return stable_diffusion_xl(out, kind, euler(), 70, xl_unet(70, in_channels=9))


def turbo(out: Path) -> DiffusionPipeline:
    scheduler = diffusers.EulerAncestralDiscreteScheduler(**NOISE, timestep_spacing="trailing")
    return stable_diffusion_xl(out, "StableDiffusionXLPipeline", scheduler, 80, xl_unet(80))


PIPELINES: dict[str, Callable[[Path], DiffusionPipeline]] = {
    make.__name__: make for make in (sd1, sd2, inpaint9, lcm, xl, xl_refiner, xl_inpaint9, turbo)
}


# As on the hub: keys of other classes are there, which a change of scheduler then finds, and later ones are not.
HUB = {**NOISE, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None}
PNDM = {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", **HUB, "clip_sample": False}
HUB_SCHEDULERS: dict[str, dict[str, Any]] = {
    **{"sd1": PNDM, "inpaint9": PNDM},
    "xl": {
        **{"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", **HUB, "clip_sample": False},
        **{"interpolation_type": "linear", "prediction_type": "epsilon", "sample_max_value": 1.0},
        **{"timestep_spacing": "leading", "use_karras_sigmas": False},
    },
}


def write_pipelines(out: Path) -> dict[str, DiffusionPipeline]:
    """Saves each into out/NAME."""
    made = {}
    for i, (name, make) in enumerate(PIPELINES.items()):
        pipe, folder = make(out / "tokenizers"), out / name
        fit(pipe, seed=90 + i)
        pipe.save_pretrained(folder)
        if name == "sd1":  # transformers 5 writes tokenizer.json alone; on the hub most folders have the older files
            (folder / "tokenizer/tokenizer.json").unlink()
            write_tokenizer(folder / "tokenizer", "<|endoftext|>")
        if name in HUB_SCHEDULERS:
            (folder / "scheduler/scheduler_config.json").write_text(json.dumps(HUB_SCHEDULERS[name], indent=2) + "\n")
        # One that was not read knows which values nobody chose, and `from_config` drops those.
        pipe.scheduler = type(pipe.scheduler).from_pretrained(folder / "scheduler")
        made[name] = pipe
    shutil.rmtree(out / "tokenizers")
    return made
