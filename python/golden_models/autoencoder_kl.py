"""The VAE and its blocks: diffusers' AutoencoderKL, Encoder, Decoder, and what these are made of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from common import Inputs, Outputs, draw, randomize, write_case
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import Decoder, Encoder
from diffusers.models.unets.unet_2d_blocks import DownEncoderBlock2D, UNetMidBlock2D, UpDecoderBlock2D
from torch import nn

GENERATOR_SEED = 11


def config_of(channels: tuple[int, ...], **changes: Any) -> dict[str, Any]:
    return {
        "block_out_channels": channels,
        "down_block_types": ("DownEncoderBlock2D",) * len(channels),
        "up_block_types": ("UpDecoderBlock2D",) * len(channels),
        "norm_num_groups": 4,
        "layers_per_block": 1,
        "sample_size": 16,
        **changes,
    }


def call_model(model: nn.Module, inputs: Inputs) -> Outputs:
    posterior = model.encode(inputs["x"]).latent_dist
    generator = torch.Generator().manual_seed(GENERATOR_SEED)
    return {
        "mean": posterior.mean,
        "logvar": posterior.logvar,
        "kl": posterior.kl(),
        "decoded": model.decode(inputs["z"]).sample,
        "sample": model(inputs["x"]).sample,
        "sampled": model(inputs["x"], sample_posterior=True, generator=generator).sample,
    }


def write_model(
    folder: Path,
    config: dict[str, Any],
    shapes: dict[str, tuple[int, ...]],
    dtype: torch.dtype = torch.float32,
    **members: Any,
) -> dict[str, Any]:
    """`members` are what is set on the model, as its enable_tiling and enable_slicing do."""
    torch.manual_seed(0)
    model = randomize(AutoencoderKL(**config).to(dtype), seed=1)
    for name, value in members.items():
        setattr(model, name, value)
    model.save_pretrained(folder)
    return write_case(
        folder, model, draw(2, dtype, **shapes), call_model, arguments=members, save_parameters=False
    )


def models(folder: Path) -> Iterator[dict[str, Any]]:
    four_levels = config_of((16, 32, 32, 48), layers_per_block=2, norm_num_groups=8)
    three_levels = config_of((8, 12, 16))
    yield write_model(folder / "sd", four_levels, {"x": (2, 3, 24, 40), "z": (2, 4, 3, 5)})
    yield write_model(
        folder / "no_quant_conv_shift_factor",
        config_of(
            (16, 24),
            use_quant_conv=False,
            use_post_quant_conv=False,
            latent_channels=16,
            scaling_factor=1.5305,
            shift_factor=0.0609,
            force_upcast=False,
        ),
        {"x": (1, 3, 12, 14), "z": (1, 16, 6, 7)},
    )
    yield write_model(
        folder / "no_mid_attention",
        config_of(
            (8, 16),
            mid_block_add_attention=False,
            use_post_quant_conv=False,
            act_fn="mish",
            latents_mean=(0.1, 0.2, -0.3, 0.0),
            latents_std=(1.0, 0.5, 2.0, 1.5),
        ),
        {"x": (2, 3, 10, 8), "z": (1, 4, 5, 4)},
    )
    yield write_model(
        folder / "odd_channels_and_sizes",
        config_of((12, 20, 28), in_channels=1, out_channels=2, latent_channels=3, use_quant_conv=False),
        {"x": (1, 1, 23, 17), "z": (1, 3, 5, 3)},
    )
    # The default config has one level, which halves nothing.
    yield write_model(folder / "default", {}, {"x": (1, 3, 6, 5), "z": (1, 4, 6, 5)})
    yield write_model(
        folder / "sliced", three_levels, {"x": (3, 3, 12, 16), "z": (3, 4, 3, 4)}, use_slicing=True
    )
    tiled = {"x": (1, 3, 44, 28), "z": (1, 4, 11, 9)}
    yield write_model(folder / "tiled", three_levels, tiled, use_tiling=True)
    yield write_model(
        folder / "tiled_overlap",
        three_levels,
        tiled,
        use_tiling=True,
        tile_overlap_factor=0.5,
        tile_sample_min_size=24,
        tile_latent_min_size=6,
    )
    yield write_model(
        folder / "tiled_and_sliced",
        three_levels,
        {"x": (2, 3, 20, 24), "z": (2, 4, 6, 4)},
        use_tiling=True,
        use_slicing=True,
    )
    small = {"x": (1, 3, 24, 16), "z": (1, 4, 3, 2)}
    yield write_model(folder / "float64", four_levels, small, torch.float64)
    yield write_model(folder / "tiled_float64", three_levels, tiled, torch.float64, use_tiling=True)


def call_block(module: nn.Module, inputs: Inputs) -> Outputs:
    return {"output": module(*inputs.values())}


def blocks(folder: Path) -> Iterator[dict[str, Any]]:
    image = {"hidden_states": (2, 8, 7, 6)}
    with_time = {**image, "temb": (2, 10)}
    levels = {"norm_num_groups": 4, "block_out_channels": (8, 12)}
    down, up = ("DownEncoderBlock2D",) * 2, ("UpDecoderBlock2D",) * 2
    groups = {"resnet_groups": 4}
    wider = {"in_channels": 8, "out_channels": 12, **groups}
    for name, kind, shapes, arguments in (
        ("down", DownEncoderBlock2D, image, {**wider, "num_layers": 2}),
        (
            "down_padding_0",
            DownEncoderBlock2D,
            image,
            {**wider, "out_channels": 8, "downsample_padding": 0, "output_scale_factor": 1.5},
        ),
        (
            "down_last",
            DownEncoderBlock2D,
            image,
            {**wider, "add_downsample": False, "resnet_act_fn": "gelu"},
        ),
        ("up", UpDecoderBlock2D, image, {**wider, "num_layers": 2}),
        (
            "up_last_with_time",
            UpDecoderBlock2D,
            with_time,
            {**wider, "out_channels": 4, "add_upsample": False, "temb_channels": 10},
        ),
        (
            "mid",
            UNetMidBlock2D,
            image,
            {"in_channels": 8, "temb_channels": None, "attention_head_dim": 8, **groups},
        ),
        (
            "mid_heads_and_time",
            UNetMidBlock2D,
            with_time,
            {
                "in_channels": 8,
                "temb_channels": 10,
                "attention_head_dim": 2,
                "num_layers": 2,
                "resnet_groups": None,
                "attn_groups": 1,
                "output_scale_factor": 2.0,
            },
        ),
        (
            "mid_scale_shift",
            UNetMidBlock2D,
            with_time,
            {
                "in_channels": 8,
                "temb_channels": 10,
                "attention_head_dim": None,
                "resnet_time_scale_shift": "scale_shift",
                **groups,
            },
        ),
        (
            "mid_no_attention",
            UNetMidBlock2D,
            image,
            {"in_channels": 8, "temb_channels": None, "add_attention": False, **groups},
        ),
        (
            "encoder",
            Encoder,
            {"sample": (1, 3, 10, 8)},
            {"in_channels": 3, "out_channels": 4, "down_block_types": down, "double_z": False, **levels},
        ),
        (
            "decoder",
            Decoder,
            {"sample": (1, 4, 5, 4)},
            {"in_channels": 4, "out_channels": 3, "up_block_types": up, "layers_per_block": 1, **levels},
        ),
    ):
        for dtype in (torch.float32, torch.float64):
            torch.manual_seed(3)
            module = randomize(kind(**arguments).to(dtype), seed=4)
            case = name if dtype == torch.float32 else f"{name}_float64"
            yield write_case(folder / case, module, draw(5, dtype, **shapes), call_block, arguments=arguments)


def write(folder: Path) -> Iterator[dict[str, Any]]:
    yield from models(folder)
    yield from blocks(folder)
