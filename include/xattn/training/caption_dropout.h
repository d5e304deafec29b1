#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "xattn/core/export.h"

namespace xattn {

/// Which of so many captions are dropped: each with this probability, so that the UNet learns what
/// guidance needs, pictures without a text.
///
/// Returns `[batch]`, boolean, on the CPU: one uniform number is drawn for each, whatever the
/// probability, so that it changes no other draw.
///
/// `generator`: of the CPU; torch's own where none is given.
///
/// Throws: `ValueError` for a probability outside 0 to 1.
XATTN_API at::Tensor draw_caption_dropout(
    int64_t batch, double probability,
    const std::optional<at::Generator>& generator = std::nullopt);

/// The captions with those dropped replaced by the empty one.
///
/// Shapes: captions `[B, T]` (ids) or `[B, T, E]` (features), dropped `[B]`, empty `[T]` or
/// `[T, E]`, or with a batch of 1.
XATTN_API at::Tensor drop_captions(const at::Tensor& captions, const at::Tensor& dropped,
                                   const at::Tensor& empty);

}  // namespace xattn
