#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/text/clip_tokenizer.h"
#include "xattn/text/prompt_syntax.h"

namespace xattn {

/// What a text encoder makes of texts.
struct EncodedText {
  /// `[B, T, E]`
  at::Tensor hidden_states;
  /// `[B, P]`, or undefined where the encoder pools nothing.
  at::Tensor pooled;
};

/// A text encoder: `input_ids` are int64 `[B, 77]` on the CPU, and so is `attention_mask`, zero
/// where no token may look; without a mask it is undefined. All floating-point dtypes will do.
///
/// What it takes of the hidden states (the last, the one before it with or without the final norm)
/// is its own choice: weights are applied to what it gives.
using EncodeIds =
    std::function<EncodedText(const at::Tensor& input_ids, const at::Tensor& attention_mask)>;

/// Encodes a prompt whose words have weights, as the original of its syntax does.
///
/// Plain: `hidden_states` are what the encoder makes of the text, cut and padded to 77 tokens.
///
/// a1111: the text is cut into chunks of 75 tokens, after a comma where one is among the last 20,
/// and at each `BREAK`. A chunk begins with bos, and is filled up with eos, or with the tokenizer's
/// pad token after the first eos. With z of a chunk `[77, E]` and its weights w `[77]`:
///
///     hidden_states = z·w · mean(z) / mean(z·w)
///
/// `pooled` is that of the first chunk, without weights.
///
/// compel (its default, `truncate_long_prompts`): 77 tokens; what does not fit is named in a
/// warning. With z of the text, z₀ of the empty one, and z₋ᵢ of the text whose i-th fragment of
/// a weight wᵢ below 1 is masked:
///
///     u(z) = z₀ + (z - z₀)·w
///     hidden_states = (u(z) + Σ tᵢ·u(z₋ᵢ)) / (1 + Σ tᵢ),  tᵢ = tan((1 - max(wᵢ, 1e-5))·π/2)
///
/// `.blend()` adds such texts with their factors. `.and()` puts them one after the other, each as
/// z₀ + (z - z₀)·weight. `pooled` is that of the prompt as it was written, signs included.
///
/// In both, a prompt of weights 1 that fits into a chunk is as its text in plain syntax.
///
/// Shapes: hidden_states `[1, 77·k, E]`, pooled `[1, P]`; 77 is the tokenizer's `model_max_length`.
///
/// Dtype: the encoder's; weights are applied in float32 at least.
///
/// Throws: `ValueError` as `parse_a1111_prompt` and `parse_compel_prompt`, and for an encoder that
/// gives another shape.
///
/// Reference: stable-diffusion-webui 1.10.1, modules/sd_hijack_clip.py and sd_emphasis.py
/// ("Original", `comma_padding_backtrack` 20); compel 2.5.1, embeddings_provider.py and compel.py.
XATTN_API EncodedText encode_weighted_prompt(const CLIPTokenizer& tokenizer,
                                             const EncodeIds& encode, const std::string& prompt,
                                             PromptSyntax syntax);

/// Makes prompts as long as the longest of them, and `least_tokens` at least, which a text in
/// another encoder may have: the encoded empty prompt follows them, as often as it takes.
///
/// Both originals do this for a prompt and its negative one; the pooled texts stay as they are.
///
/// Shapes: hidden_states `[B, 77·k, E]` in, each with its own k; `[B, 77·max k, E]` out.
///
/// Throws: `ValueError` for lengths that are not multiples of 77, and for other E.
///
/// Reference: compel 2.5.1, compel.py, `pad_conditioning_tensors_to_same_length`;
/// stable-diffusion-webui 1.10.1, modules/sd_samplers_cfg_denoiser.py, `pad_cond`, which is its
/// option `pad_cond_uncond`.
XATTN_API std::vector<EncodedText> same_length(const CLIPTokenizer& tokenizer,
                                               const EncodeIds& encode,
                                               std::vector<EncodedText> texts,
                                               int64_t least_tokens = 0);

}  // namespace xattn
