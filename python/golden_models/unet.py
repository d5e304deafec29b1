"""UNet2DConditionModel and its blocks, made with diffusers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from common import Inputs, Outputs, draw, randomize, write_case
from diffusers import Transformer2DModel, UNet2DConditionModel
from diffusers.models.activations import GEGLU, GELU
from diffusers.models.attention import BasicTransformerBlock, FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.downsampling import Downsample2D
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_2d_blocks import (
    CrossAttnDownBlock2D,
    CrossAttnUpBlock2D,
    DownBlock2D,
    UNetMidBlock2DCrossAttn,
    UpBlock2D,
)
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

F32, F64 = torch.float32, torch.float64


def numbered(inputs: Inputs, prefix: str) -> list[Tensor]:
    """The inputs "prefix_0", "prefix_1", …."""
    count = sum(name.startswith(prefix + "_") for name in inputs)
    return [inputs[f"{prefix}_{i}"] for i in range(count)]


def call_block(module: nn.Module, inputs: Inputs) -> Outputs:
    """Calls a block with its inputs as arguments; "residual_0" and so on become one tuple."""
    arguments = {name: value for name, value in inputs.items() if not name.startswith("residual_")}
    residuals = numbered(inputs, "residual")
    if residuals:
        arguments["res_hidden_states_tuple"] = tuple(residuals)
    if "output_size" in arguments:
        arguments["output_size"] = tuple(arguments["output_size"].tolist())
    if "upsample_size" in arguments:
        arguments["upsample_size"] = tuple(arguments["upsample_size"].tolist())
    if isinstance(module, ResnetBlock2D):
        arguments.setdefault("temb", None)
    result = module(**arguments)
    if isinstance(module, Transformer2DModel):
        return {"output": result.sample}
    if isinstance(result, tuple):
        return {"output": result[0], **{f"state_{i}": state for i, state in enumerate(result[1])}}
    return {"output": result}


class Blocks:
    """Writes the cases of blocks, each with a seed of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seed = 0

    def __call__(self, name: str, kind: type[nn.Module], arguments: Mapping[str, Any], *, dtype: torch.dtype = F32,
                 more: Mapping[str, Tensor] | None = None, **shapes: tuple[int, ...]) -> dict[str, Any]:
        self.seed += 1
        torch.manual_seed(self.seed)
        module = randomize(kind(**arguments).to(dtype), self.seed)
        inputs = {**draw(self.seed, dtype, **shapes), **(more or {})}
        return write_case(self.folder / name, module, inputs, call_block, arguments=arguments)


def parts(block: Blocks) -> Iterator[dict[str, Any]]:
    times = torch.tensor([0.0, 1.0, 500.0, 999.0])
    yield block("timesteps_flip", Timesteps, {"num_channels": 16, "flip_sin_to_cos": True, "downscale_freq_shift": 0},
                more={"timesteps": times})
    yield block("timesteps_shift", Timesteps, {"num_channels": 15, "flip_sin_to_cos": False, "downscale_freq_shift": 1,
                                               "scale": 3}, more={"timesteps": times})
    yield block("time_embedding", TimestepEmbedding, {"in_channels": 8, "time_embed_dim": 12}, sample=(3, 8))
    yield block("time_embedding_cond", TimestepEmbedding,
                {"in_channels": 8, "time_embed_dim": 12, "act_fn": "mish", "post_act_fn": "gelu", "cond_proj_dim": 5,
                 "out_dim": 7, "sample_proj_bias": False}, sample=(3, 8), condition=(3, 5))
    yield block("gelu", GELU, {"dim_in": 6, "dim_out": 10}, hidden_states=(2, 5, 6))
    yield block("gelu_tanh", GELU, {"dim_in": 6, "dim_out": 10, "approximate": "tanh", "bias": False},
                hidden_states=(2, 5, 6))
    yield block("geglu", GEGLU, {"dim_in": 6, "dim_out": 10}, hidden_states=(2, 5, 6))
    for activation in ("geglu", "gelu", "gelu-approximate"):
        yield block(f"feed_forward_{activation.replace('-', '_')}", FeedForward,
                    {"dim": 8, "activation_fn": activation}, hidden_states=(2, 5, 8))
    yield block("feed_forward_options", FeedForward,
                {"dim": 8, "dim_out": 6, "mult": 2, "final_dropout": True, "bias": False}, hidden_states=(2, 5, 8))
    yield block("feed_forward_inner", FeedForward, {"dim": 8, "inner_dim": 20}, dtype=F64, hidden_states=(2, 5, 8))
    for name, arguments in {
        "conv": {"use_conv": True},
        "op": {"use_conv": True, "name": "op"},
        "pad": {"use_conv": True, "name": "op", "padding": 0, "out_channels": 6},
        "pool": {},
    }.items():
        yield block(f"downsample_{name}", Downsample2D, {"channels": 4, **arguments}, hidden_states=(2, 4, 7, 6))
    yield block("upsample_conv", Upsample2D, {"channels": 4, "use_conv": True, "out_channels": 6},
                hidden_states=(2, 4, 3, 5))
    yield block("upsample_size", Upsample2D, {"channels": 4, "use_conv": True, "name": "op"},
                hidden_states=(2, 4, 3, 5), more={"output_size": torch.tensor([5, 9])})
    yield block("upsample_plain", Upsample2D, {"channels": 4}, hidden_states=(2, 4, 3, 5))


def resnets(block: Blocks) -> Iterator[dict[str, Any]]:
    image, time = (2, 8, 5, 6), (2, 10)
    base = {"in_channels": 8, "groups": 4, "temb_channels": 10}
    for name, arguments in {
        "same": {},
        "shortcut": {"out_channels": 12},
        "scale_shift": {"out_channels": 12, "time_embedding_norm": "scale_shift"},
        "options": {"out_channels": 12, "groups_out": 6, "eps": 1e-3, "non_linearity": "gelu", "skip_time_act": True,
                    "output_scale_factor": 1.5, "conv_2d_out_channels": 16, "conv_shortcut_bias": False},
        "forced_shortcut": {"use_in_shortcut": True, "non_linearity": "mish"},
    }.items():
        yield block(f"resnet_{name}", ResnetBlock2D, {**base, **arguments}, input_tensor=image, temb=time)
    yield block("resnet_f64", ResnetBlock2D, {**base, "out_channels": 12}, dtype=F64, input_tensor=image, temb=time)
    yield block("resnet_no_time", ResnetBlock2D, {**base, "temb_channels": None}, input_tensor=image)


def attentions(block: Blocks) -> Iterator[dict[str, Any]]:
    base = {"query_dim": 16, "heads": 2, "dim_head": 6}
    yield block("attention_self", Attention, base, hidden_states=(2, 20, 16))
    yield block("attention_cross", Attention, {**base, "cross_attention_dim": 10}, hidden_states=(2, 20, 16),
                encoder_hidden_states=(2, 7, 10))
    yield block("attention_options", Attention, {**base, "cross_attention_dim": 10, "bias": True, "out_bias": False,
                                                 "rescale_output_factor": 1.5, "residual_connection": True},
                hidden_states=(2, 20, 16), encoder_hidden_states=(2, 7, 10), attention_mask=(2, 1, 7))
    yield block("attention_self_mask", Attention, base, dtype=F64, hidden_states=(2, 20, 16),
                attention_mask=(2, 1, 20))
    yield block("attention_image", Attention,
                {"query_dim": 16, "heads": 1, "dim_head": 16, "norm_num_groups": 4, "eps": 1e-6, "bias": True,
                 "residual_connection": True, "_from_deprecated_attn_block": True}, hidden_states=(2, 16, 5, 6))
    yield block("attention_normed_tokens", Attention, {**base, "norm_num_groups": 4}, hidden_states=(2, 20, 16))
    yield block("attention_large", Attention, {"query_dim": 64, "heads": 4, "dim_head": 16, "cross_attention_dim": 48},
                hidden_states=(2, 300, 64), encoder_hidden_states=(2, 77, 48))


def transformers(block: Blocks) -> Iterator[dict[str, Any]]:
    tokens = {"hidden_states": (2, 20, 16), "encoder_hidden_states": (2, 7, 10)}
    base = {"dim": 16, "num_attention_heads": 2, "attention_head_dim": 8}
    text = {**base, "cross_attention_dim": 10}
    yield block("transformer_block", BasicTransformerBlock, text, **tokens)
    yield block("transformer_block_f64", BasicTransformerBlock, text, dtype=F64, **tokens)
    yield block("transformer_block_masks", BasicTransformerBlock, {**text, "activation_fn": "gelu"},
                attention_mask=(2, 1, 20), encoder_attention_mask=(2, 1, 7), **tokens)
    yield block("transformer_block_only_cross", BasicTransformerBlock, {**text, "only_cross_attention": True},
                attention_mask=(2, 1, 7), encoder_attention_mask=(2, 1, 7), **tokens)
    yield block("transformer_block_self", BasicTransformerBlock, {**base, "activation_fn": "gelu-approximate"},
                hidden_states=(2, 20, 16))
    yield block("transformer_block_double", BasicTransformerBlock,
                {**base, "double_self_attention": True, "attention_bias": True, "attention_out_bias": False,
                 "norm_elementwise_affine": False, "final_dropout": True, "ff_inner_dim": 24, "ff_bias": False},
                hidden_states=(2, 20, 16))
    image = {"hidden_states": (2, 16, 4, 5), "encoder_hidden_states": (2, 7, 10)}
    base = {"num_attention_heads": 2, "attention_head_dim": 8, "in_channels": 16, "norm_num_groups": 4,
            "cross_attention_dim": 10}
    for linear in (False, True):
        yield block(f"transformer_{'linear' if linear else 'conv'}", Transformer2DModel,
                    {**base, "num_layers": 2, "use_linear_projection": linear}, **image)
    yield block("transformer_f64", Transformer2DModel, base, dtype=F64, **image)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0]])
    yield block("transformer_mask", Transformer2DModel, base, more={"encoder_attention_mask": mask}, **image)
    # Heads whose widths together are not the image's.
    yield block("transformer_narrow", Transformer2DModel,
                {**base, "num_attention_heads": 3, "attention_head_dim": 5, "only_cross_attention": True}, **image)


def unet_blocks(block: Blocks) -> Iterator[dict[str, Any]]:
    base = {"out_channels": 16, "temb_channels": 10, "num_layers": 2, "resnet_groups": 4}
    text = {"num_attention_heads": 2, "cross_attention_dim": 10}
    states = {"hidden_states": (2, 8, 6, 5), "temb": (2, 10)}
    words = {"encoder_hidden_states": (2, 7, 10)}
    down = {**base, "in_channels": 8}
    yield block("down", DownBlock2D, down, **states)
    yield block("down_last", DownBlock2D, {**down, "add_downsample": False, "resnet_time_scale_shift": "scale_shift"},
                **states)
    yield block("down_pad", DownBlock2D, {**down, "downsample_padding": 0, "resnet_act_fn": "gelu",
                                          "output_scale_factor": 2.0}, dtype=F64, **states)
    yield block("cross_down", CrossAttnDownBlock2D, {**down, **text}, **states, **words)
    yield block("cross_down_options", CrossAttnDownBlock2D,
                {**down, **text, "transformer_layers_per_block": [2, 1], "use_linear_projection": True,
                 "only_cross_attention": True, "add_downsample": False}, **states, **words,
                additional_residuals=(2, 16, 6, 5))
    yield block("cross_down_f64", CrossAttnDownBlock2D, {**down, **text}, dtype=F64, **states, **words)
    mid = {"in_channels": 8, "temb_channels": 10, "resnet_groups": 4}
    yield block("mid", UNetMidBlock2DCrossAttn, {**mid, **text}, **states, **words)
    yield block("mid_options", UNetMidBlock2DCrossAttn,
                {**mid, **text, "num_layers": 2, "transformer_layers_per_block": 2, "output_scale_factor": 1.5,
                 "use_linear_projection": True}, **states, **words, encoder_attention_mask=(2, 1, 7))
    up = {**base, "in_channels": 12, "prev_output_channel": 8}
    residuals = {"residual_0": (2, 12, 6, 5), "residual_1": (2, 16, 6, 5)}
    yield block("up", UpBlock2D, up, **states, **residuals)
    yield block("up_size", UpBlock2D, up, dtype=F64, **states, **residuals,
                more={"upsample_size": torch.tensor([11, 9])})
    yield block("up_last", UpBlock2D, {**up, "add_upsample": False}, **states, **residuals)
    yield block("cross_up", CrossAttnUpBlock2D, {**up, **text}, **states, **words, **residuals)
    yield block("cross_up_options", CrossAttnUpBlock2D,
                {**up, **text, "transformer_layers_per_block": 2, "use_linear_projection": True}, **states, **words,
                **residuals, attention_mask=(2, 1, 30), encoder_attention_mask=(2, 1, 7),
                more={"upsample_size": torch.tensor([11, 9])})


def call_unet(unet: nn.Module, inputs: Inputs) -> Outputs:
    arguments = {name: value for name, value in inputs.items()
                 if not name.startswith(("down_", "text_embeds", "time_ids"))}
    if "text_embeds" in inputs:
        arguments["added_cond_kwargs"] = {name: inputs[name] for name in ("text_embeds", "time_ids")}
    control = numbered(inputs, "down_block_additional_residuals")
    if control:
        arguments["down_block_additional_residuals"] = tuple(control)
    adapter = numbered(inputs, "down_intrablock_additional_residuals")
    if adapter:
        # The original adds in place.
        arguments["down_intrablock_additional_residuals"] = [value.clone() for value in adapter]
    return {"sample": unet(**arguments).sample}


CROSS_DOWN, DOWN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, UP = "CrossAttnUpBlock2D", "UpBlock2D"
TWO = {
    "block_out_channels": (16, 32),
    "down_block_types": (CROSS_DOWN, DOWN),
    "up_block_types": (UP, CROSS_UP),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "cross_attention_dim": 24,
    "attention_head_dim": 4,
}
SD1 = {
    **TWO,
    "block_out_channels": (16, 32, 32, 32),
    "down_block_types": (CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN),
    "up_block_types": (UP, CROSS_UP, CROSS_UP, CROSS_UP),
    "layers_per_block": 2,
}
SD2 = {**SD1, "layers_per_block": 1, "attention_head_dim": (2, 4, 4, 4), "use_linear_projection": True}
SDXL = {
    **TWO,
    "block_out_channels": (16, 32, 48),
    "down_block_types": (DOWN, CROSS_DOWN, CROSS_DOWN),
    "up_block_types": (CROSS_UP, CROSS_UP, UP),
    "attention_head_dim": (2, 4, 6),
    "transformer_layers_per_block": (1, 2, 3),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 20 + 6 * 8,
    "upcast_attention": False,
}
REFINER = {
    **SDXL,
    "block_out_channels": (16, 32, 32, 32),
    "down_block_types": (DOWN, CROSS_DOWN, CROSS_DOWN, DOWN),
    "up_block_types": (UP, CROSS_UP, CROSS_UP, UP),
    "attention_head_dim": (2, 4, 4, 4),
    "transformer_layers_per_block": 2,
    "projection_class_embeddings_input_dim": 20 + 5 * 8,
}
ONE = {**TWO, "block_out_channels": (16,), "down_block_types": (CROSS_DOWN,), "up_block_types": (CROSS_UP,)}
SIZES = {6: [[64, 48, 0, 8, 64, 64], [32, 32, 16, 0, 64, 48]], 5: [[64, 48, 0, 8, 6], [32, 32, 16, 0, 2.5]]}


class UNets:
    """Writes the cases of whole models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seed = 100

    def __call__(self, name: str, config: Mapping[str, Any], *, dtype: torch.dtype = F32, size: tuple[int, int] = (8, 8),
                 timestep: Tensor | None = None, more: Mapping[str, Tensor] | None = None,
                 **shapes: tuple[int, ...]) -> dict[str, Any]:
        self.seed += 1
        torch.manual_seed(self.seed)
        unet = randomize(UNet2DConditionModel(**config).to(dtype), self.seed)
        unet.save_pretrained(self.folder / name)
        width = config["cross_attention_dim"]
        width = width[0] if isinstance(width, tuple) else width
        inputs = {
            **draw(self.seed, dtype, sample=(2, config.get("in_channels", 4), *size),
                   encoder_hidden_states=(2, 7, width), **shapes),
            "timestep": torch.tensor([981, 21]) if timestep is None else timestep,
            **(more or {}),
        }
        return write_case(self.folder / name, unet, inputs, call_unet, save_parameters=False)


def unets(unet: UNets) -> Iterator[dict[str, Any]]:
    sizes6, sizes5 = torch.tensor(SIZES[6]).float(), torch.tensor(SIZES[5])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0]])
    yield unet("sd1", SD1, timestep=torch.tensor(500))
    yield unet("sd1_f64", {**SD1, "layers_per_block": 1}, dtype=F64)
    yield unet("sd1_odd", SD1, size=(13, 9))
    yield unet("sd1_wide_text", {**TWO, "block_out_channels": (32, 64)}, size=(20, 24))
    yield unet("sd2", SD2)
    yield unet("sd2_v", {**SD2, "upcast_attention": True, "attention_head_dim": (1, 2, 8, 4), "sample_size": 96})
    yield unet("sdxl", SDXL, text_embeds=(2, 20), more={"time_ids": sizes6})
    yield unet("sdxl_f64", {**SDXL, "transformer_layers_per_block": 1}, dtype=F64, text_embeds=(2, 20),
               more={"time_ids": sizes6})
    yield unet("sdxl_odd", SDXL, size=(6, 10), text_embeds=(2, 20), more={"time_ids": sizes6})
    yield unet("refiner", REFINER, text_embeds=(2, 20), more={"time_ids": sizes5})
    yield unet("inpainting", {**SD1, "layers_per_block": 1, "in_channels": 9})
    yield unet("lcm", {**TWO, "time_cond_proj_dim": 12}, timestep_cond=(2, 12))
    yield unet("lcm_without_condition", {**TWO, "time_cond_proj_dim": 12}, timestep=torch.tensor([500.5]))
    classes = torch.tensor([3, 0])
    yield unet("class_table", {**TWO, "num_class_embeds": 5}, more={"class_labels": classes})
    yield unet("class_timestep", {**TWO, "class_embed_type": "timestep"}, more={"class_labels": classes})
    yield unet("class_identity", {**TWO, "class_embed_type": "identity"}, class_labels=(2, 64))
    projection = {**TWO, "projection_class_embeddings_input_dim": 11}
    yield unet("class_projection", {**projection, "class_embed_type": "projection"}, class_labels=(2, 11))
    yield unet("class_simple_projection", {**projection, "class_embed_type": "simple_projection"},
               class_labels=(2, 11))
    yield unet("class_concat", {**TWO, "num_class_embeds": 5, "class_embeddings_concat": True},
               more={"class_labels": classes})
    yield unet("text_mask", TWO, more={"encoder_attention_mask": mask.bool()})
    yield unet("masks", ONE, more={"encoder_attention_mask": mask,
                                   "attention_mask": (torch.arange(64).repeat(2, 1) % 5 > 0)})
    yield unet("only_cross", {**SD1, "layers_per_block": 1, "only_cross_attention": True})
    yield unet("only_cross_mask", {**SD2, "only_cross_attention": True, "mid_block_type": None},
               more={"attention_mask": mask})
    yield unet("only_cross_some", {**TWO, "down_block_types": (CROSS_DOWN, CROSS_DOWN),
                                   "up_block_types": (CROSS_UP, CROSS_UP), "only_cross_attention": (True, False)})
    control = {f"down_block_additional_residuals_{i}": shape for i, shape in enumerate(
        [(2, 16, 8, 8), (2, 16, 8, 8), (2, 16, 4, 4), (2, 32, 4, 4)])}
    yield unet("controlnet", TWO, mid_block_additional_residual=(2, 32, 4, 4), **control)
    yield unet("t2i_adapter", TWO, down_intrablock_additional_residuals_0=(2, 16, 8, 8),
               down_intrablock_additional_residuals_1=(2, 32, 4, 4))
    yield unet("t2i_adapter_mid", SD2, down_intrablock_additional_residuals_0=(2, 16, 8, 8),
               down_intrablock_additional_residuals_1=(2, 32, 4, 4),
               down_intrablock_additional_residuals_2=(2, 32, 2, 2),
               down_intrablock_additional_residuals_3=(2, 32, 1, 1),
               down_intrablock_additional_residuals_4=(2, 32, 1, 1))
    yield unet("no_text_blocks", {**TWO, "down_block_types": (DOWN, DOWN), "up_block_types": (UP, UP),
                                  "mid_block_type": None})
    yield unet("scale_shift", {**TWO, "resnet_time_scale_shift": "scale_shift", "act_fn": "gelu",
                               "time_embedding_act_fn": "mish", "timestep_post_act": "silu",
                               "time_embedding_dim": 40})
    yield unet("lists", {**TWO, "block_out_channels": (16, 32, 24),
                         "down_block_types": (CROSS_DOWN, CROSS_DOWN, CROSS_DOWN),
                         "up_block_types": (CROSS_UP, UP, CROSS_UP), "layers_per_block": (1, 2, 1),
                         "cross_attention_dim": (24, 24, 24), "transformer_layers_per_block": (1, 2, 1),
                         "attention_head_dim": (4, 2, 3)})
    yield unet("options", {**TWO, "conv_in_kernel": 5, "conv_out_kernel": 1, "center_input_sample": True,
                           "flip_sin_to_cos": False, "freq_shift": 1, "downsample_padding": 0,
                           "mid_block_scale_factor": 1.41, "norm_eps": 1e-4, "out_channels": 3, "dropout": 0.1,
                           "sample_size": (8, 8)})


def write(folder: Path) -> Iterator[dict[str, Any]]:
    block = Blocks(folder)
    for cases in (parts, resnets, attentions, transformers, unet_blocks):
        yield from cases(block)
    yield from unets(UNets(folder))
