#include "xattn/pipelines/guidance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/log.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/std.h>

#include "core/check.h"

namespace xattn {

at::Tensor rescale_noise_cfg(const at::Tensor& noise_cfg, const at::Tensor& noise_pred_text,
                             double guidance_rescale) {
  std::vector<int64_t> dims;
  for (int64_t dim = 1; dim < noise_pred_text.dim(); ++dim) dims.push_back(dim);
  const auto deviation = [&](const at::Tensor& tensor) {
    return at::std(tensor, dims, /*unbiased=*/true, /*keepdim=*/true);
  };
  const auto rescaled = noise_cfg * (deviation(noise_pred_text) / deviation(noise_cfg));
  return guidance_rescale * rescaled + (1 - guidance_rescale) * noise_cfg;
}

at::Tensor guidance_scale_embedding(const at::Tensor& w, int64_t embedding_dim) {
  check_shape("guidance_scale_embedding", "w", w, {"B"});
  check_at_least("guidance_scale_embedding", "embedding_dim", embedding_dim, 4);
  const auto half = embedding_dim / 2;
  const auto options = w.options().dtype(at::kFloat);
  // The logarithm of a tensor: of a double it would round otherwise.
  const auto step = at::log(at::scalar_tensor(10000.0, options)) / (half - 1);
  const auto rates = at::exp(at::arange(half, options) * -step);
  const auto angles = (w * 1000.0).to(at::kFloat).unsqueeze(1) * rates.unsqueeze(0);
  const auto embedding = at::cat({at::sin(angles), at::cos(angles)}, 1);
  return embedding_dim % 2 == 0 ? embedding : at::constant_pad_nd(embedding, {0, 1});
}

}  // namespace xattn
