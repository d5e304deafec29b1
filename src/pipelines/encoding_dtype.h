#pragma once

#include <c10/core/ScalarType.h>

#include "xattn/pipelines/latents.h"

namespace xattn {

/// The dtype that pictures are encoded in, and that the encoder's noise is drawn in: the VAE's own,
/// or float32 where the rules and its config say so.
at::ScalarType encoding_dtype(const AutoencoderKL& vae, LatentRules rules);

}  // namespace xattn
