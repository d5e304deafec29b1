#pragma once

#include <cstdint>
#include <optional>

#include "xattn/core/export.h"
#include "xattn/io/checkpoint.h"
#include "xattn/models/simple_unet/simple_unet.h"
#include "xattn/nn/cross_attention.h"

namespace xattn {

/// Whether a checkpoint holds the weights of a `CrossAttention` (`query_proj.weight` at its root).
XATTN_API bool holds_cross_attention(const Checkpoint& checkpoint);

/// Whether a checkpoint holds the weights of a `SimpleUNet` (`downsample.weight` at its root).
XATTN_API bool holds_simple_unet(const Checkpoint& checkpoint);

/// The options of the `CrossAttention` in a checkpoint.
///
/// embed_dim is read off the weights' shape. num_heads comes from the file or from the argument. A
/// scripted module has it as an attribute, and safetensors may have it as metadata; a traced module
/// and a state_dict do not know it.
///
/// Throws: `ValueError` where num_heads is in neither the file nor the argument, or differs between
/// them.
XATTN_API CrossAttentionOptions cross_attention_options(
    const Checkpoint& checkpoint, std::optional<int64_t> num_heads = std::nullopt);

/// The options of the `SimpleUNet` in a checkpoint.
///
/// num_heads comes from the file's `cross_attention.num_heads` or from the argument; without either
/// it is the 8 of the model's definition. token_layout comes from the file's `token_layout` or from
/// the argument; without either it is spatial. The published reference's own layout is reinterpret.
///
/// Throws: `ValueError` where the file and an argument differ.
XATTN_API SimpleUNetOptions
simple_unet_options(const Checkpoint& checkpoint, std::optional<int64_t> num_heads = std::nullopt,
                    std::optional<TokenLayout> token_layout = std::nullopt);

}  // namespace xattn
