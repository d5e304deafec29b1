"""CLIP's text encoders and their blocks: transformers' CLIPTextModel and CLIPTextModelWithProjection."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from common import Inputs, Outputs, draw, randomize, write_case
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
from transformers.models.clip.modeling_clip import (
    CLIPMLP,
    CLIPAttention,
    CLIPEncoder,
    CLIPEncoderLayer,
    CLIPTextEmbeddings,
)

VOCABULARY = 120
BOS, EOS = VOCABULARY - 2, VOCABULARY - 1


def config_of(**changes: Any) -> CLIPTextConfig:
    values = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 80,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 20,
        "projection_dim": 24,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        **changes,
    }
    config = CLIPTextConfig(**values)
    config._attn_implementation = "sdpa"
    return config


def texts(lengths: list[int], tokens: int, padding: int, *, left: bool = False) -> Tensor:
    """Rows of begin, words, end and padding, as the tokenizer makes them; a length of 0 has no end."""
    generator = torch.Generator().manual_seed(7)
    rows = torch.full((len(lengths), tokens), padding)
    for row, length in zip(rows, lengths, strict=True):
        count = length or tokens
        text = torch.randint(3, BOS, (count,), generator=generator)
        text[0] = BOS
        if length:
            text[-1] = EOS
        row[slice(tokens - count, None) if left else slice(count)] = text
    return rows


def mask_of(lengths: list[int], tokens: int, *, left: bool = False) -> Tensor:
    mask = (torch.arange(tokens) < torch.tensor(lengths)[:, None]).long()
    return mask.flip(1) if left else mask


def call_model(model: nn.Module, inputs: Inputs) -> Outputs:
    output = model(**inputs, output_hidden_states=True)
    found = {f"hidden_states.{i}": state for i, state in enumerate(output.hidden_states)}
    for name in ("last_hidden_state", "pooler_output", "text_embeds"):
        if getattr(output, name, None) is not None:
            found[name] = getattr(output, name)
    return found


def write_model(
    folder: Path,
    kind: type[nn.Module],
    config: CLIPTextConfig,
    inputs: Inputs,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Any]:
    torch.manual_seed(0)
    model = randomize(kind(config).to(dtype), seed=1)
    model.save_pretrained(folder)
    # As a whole CLIP model's config holds it.
    CLIPConfig(text_config=config.to_dict()).save_pretrained(folder / "clip")
    return write_case(folder, model, inputs, call_model, save_parameters=False)


def models(folder: Path) -> Iterator[dict[str, Any]]:
    plain, projecting = CLIPTextModel, CLIPTextModelWithProjection
    ragged = [5, 12, 20]
    yield write_model(
        folder / "vit_l",
        plain,
        config_of(eos_token_id=2, max_position_embeddings=77, num_hidden_layers=4),
        {"input_ids": texts([9, 30, 77], 77, EOS)},
    )
    yield write_model(
        folder / "open_clip_with_projection",
        projecting,
        config_of(eos_token_id=2, hidden_act="gelu", hidden_size=40, projection_dim=56),
        {"input_ids": texts(ragged, 20, 0)},
    )
    yield write_model(
        folder / "eos_in_config",
        plain,
        config_of(layer_norm_eps=1e-3, num_attention_heads=2),
        {"input_ids": texts([5, 12, 0], 20, EOS)},
    )
    yield write_model(
        folder / "attention_mask",
        plain,
        config_of(hidden_act="gelu"),
        {"input_ids": texts(ragged, 20, 0), "attention_mask": mask_of(ragged, 20)},
    )
    # Tokens before the text see nothing at all.
    yield write_model(
        folder / "attention_mask_left_with_projection",
        projecting,
        config_of(),
        {"input_ids": texts(ragged, 20, 0, left=True), "attention_mask": mask_of(ragged, 20, left=True)},
    )
    yield write_model(
        folder / "position_ids",
        plain,
        config_of(eos_token_id=2),
        {"input_ids": texts([6, 11], 11, 0), "position_ids": torch.arange(11).flip(0)[None].clone()},
    )
    yield write_model(
        folder / "one_token",
        plain,
        config_of(num_attention_heads=1, num_hidden_layers=1),
        {"input_ids": texts([1], 1, 0)},
    )
    for name, kind, changes in (
        ("float64", plain, {"eos_token_id": 2}),
        ("float64_with_projection", projecting, {"hidden_act": "gelu"}),
    ):
        yield write_model(
            folder / name,
            kind,
            config_of(**changes),
            {"input_ids": texts(ragged, 20, 0), "attention_mask": mask_of(ragged, 20)},
            torch.float64,
        )


def call_attention(module: nn.Module, inputs: Inputs) -> Outputs:
    output = module(inputs["hidden_states"], inputs.get("attention_mask"), is_causal=True)
    return {"output": output[0] if isinstance(output, tuple) else output}


def call_encoder(module: nn.Module, inputs: Inputs) -> Outputs:
    return {"output": module(inputs["hidden_states"], is_causal=True).last_hidden_state}


def blocks(folder: Path) -> Iterator[dict[str, Any]]:
    shape = (2, 7, 32)
    lower = torch.ones(7, 7, dtype=torch.bool).tril()
    mask = lower & (torch.arange(7) < torch.tensor([4, 7])[:, None, None])
    for dtype in (torch.float32, torch.float64):

        def write(name: str, kind: Any, inputs: Inputs, call: Any, dtype=dtype, **changes: Any):
            suffix = "_float64" if dtype == torch.float64 else ""
            config = config_of(**changes)
            torch.manual_seed(2)
            module = randomize(kind(config).to(dtype), seed=3)
            return write_case(folder / (name + suffix), module, inputs, call, arguments=config.to_dict())

        hidden = draw(4, dtype, hidden_states=shape)
        ids = texts([3, 9], 9, 0)
        yield write(
            "embeddings",
            CLIPTextEmbeddings,
            {"input_ids": ids},
            lambda module, inputs: {"output": module(inputs["input_ids"])},
        )
        yield write("attention", CLIPAttention, hidden, call_attention)
        masked = {**hidden, "attention_mask": mask[:, None]}
        yield write("attention_masked", CLIPAttention, masked, call_attention, num_attention_heads=2)
        for act in ("quick_gelu", "gelu"):
            yield write(
                f"mlp_{act}",
                CLIPMLP,
                hidden,
                lambda module, inputs: {"output": module(inputs["hidden_states"])},
                hidden_act=act,
            )
        yield write("layer", CLIPEncoderLayer, hidden, call_attention)
        changes = {"hidden_act": "gelu", "layer_norm_eps": 1e-2}
        yield write("layer_masked", CLIPEncoderLayer, masked, call_attention, **changes)
        yield write("encoder", CLIPEncoder, hidden, call_encoder)


def write(folder: Path) -> Iterator[dict[str, Any]]:
    yield from models(folder)
    yield from blocks(folder)
