#include "xattn/pipelines/latents.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_lstsq.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include "core/check.h"
#include "pipelines/encoding_dtype.h"
#include "schedulers/noise_schedule.h"
#include "xattn/pipelines/vae_image_processor.h"

namespace xattn {
namespace {

/// A tensor of the dtype and device that the VAE's inputs have.
at::Tensor input_of(const AutoencoderKL& vae) {
  return vae->decoder->conv_in->inputs_like();
}

/// The VAE in a dtype: a copy where it has another, for others may be using it.
AutoencoderKL in_dtype(const AutoencoderKL& vae, at::ScalarType dtype) {
  if (input_of(vae).scalar_type() == dtype) return vae;
  AutoencoderKL copy(std::dynamic_pointer_cast<AutoencoderKLImpl>(vae->clone()));
  copy->to(dtype);
  return copy;
}

/// The config's numbers, one a channel.
at::Tensor by_channel(const std::vector<double>& values, const at::Tensor& like) {
  return at::tensor(values, at::kFloat).view({1, int64_t(values.size()), 1, 1}).to(like.options());
}

bool has_mean_and_std(const AutoencoderKLConfig& config, LatentRules rules) {
  return rules.mean_and_std && config.latents_mean && config.latents_std;
}

}  // namespace

at::ScalarType encoding_dtype(const AutoencoderKL& vae, LatentRules rules) {
  const auto is_wide = rules.force_upcast && vae->config.force_upcast;
  return is_wide ? at::kFloat : input_of(vae).scalar_type();
}

at::Tensor randn_tensor(at::IntArrayRef shape, const std::vector<at::Generator>& generators,
                        const at::TensorOptions& options) {
  return draw_noise("randn_tensor", at::empty(shape, options), generators);
}

int64_t vae_scale_factor(const AutoencoderKL& vae) {
  return int64_t{1} << (vae->config.block_out_channels.size() - 1);
}

at::Tensor encode_latents(const AutoencoderKL& vae, const at::Tensor& image,
                          const std::vector<at::Generator>& generators, LatentRules rules) {
  check_shape("encode_latents", "image", image, {"B", vae->config.in_channels, "H", "W"});
  const auto batch = image.size(0);
  const auto model = in_dtype(vae, encoding_dtype(vae, rules));
  const auto input = image.to(input_of(model).options());

  at::Tensor latents;
  if (generators.size() <= 1) {
    const auto generator = generators.empty() ? std::nullopt : std::optional(generators[0]);
    latents = model.ptr()->encode(input).sample(generator);
  } else if (int64_t(generators.size()) < batch) {
    throw_value_error("encode_latents", "generators", fmt::format("none, 1 or {}", batch),
                      std::to_string(generators.size()));
  } else {
    std::vector<at::Tensor> each;
    for (int64_t i = 0; i < batch; ++i)
      each.push_back(model.ptr()->encode(input.narrow(0, i, 1)).sample(generators[size_t(i)]));
    latents = at::cat(each);
  }
  latents = latents.to(input_of(vae).scalar_type());

  const auto& config = vae->config;
  if (has_mean_and_std(config, rules)) {
    return (latents - by_channel(*config.latents_mean, latents)) * config.scaling_factor /
           by_channel(*config.latents_std, latents);
  }
  return config.scaling_factor * latents;
}

at::Tensor decode_latents(const AutoencoderKL& vae, const at::Tensor& latents, LatentRules rules) {
  const auto& config = vae->config;
  check_shape("decode_latents", "latents", latents, {"B", config.latent_channels, "h", "w"});
  // The original decodes in bfloat16 where the VAE is, and encodes in float32.
  const auto is_half = input_of(vae).scalar_type() == at::kHalf;
  const auto model = is_half ? in_dtype(vae, encoding_dtype(vae, rules)) : vae;
  const auto input = latents.to(input_of(model).options());
  const auto unscaled =
      has_mean_and_std(config, rules)
          ? input * by_channel(*config.latents_std, input) / config.scaling_factor +
                by_channel(*config.latents_mean, input)
          : input / config.scaling_factor;
  return model.ptr()->decode(unscaled);
}

LatentPreview::LatentPreview(const AutoencoderKL& vae, LatentRules rules) {
  constexpr int64_t kSide = 16;
  const auto channels = vae->config.latent_channels;
  const auto noise =
      randn_tensor({1, channels, kSide, kSide}, {at::make_generator<at::CPUGeneratorImpl>(1)},
                   at::TensorOptions(at::kFloat));
  const auto image = decode_latents(vae, noise, rules).to(at::kCPU, at::kFloat);
  const auto colours = at::adaptive_avg_pool2d(image.narrow(1, 0, 3), {kSide, kSide});
  const auto rows = [](const at::Tensor& map) { return map[0].flatten(1).transpose(0, 1); };
  const auto inputs = at::cat({rows(noise), at::ones({kSide * kSide, 1})}, 1);
  map_ = std::get<0>(at::linalg_lstsq(inputs, rows(colours)));
}

at::Tensor LatentPreview::operator()(const at::Tensor& latents) const {
  check_shape("LatentPreview", "latents", latents, {"B", map_.size(0) - 1, "h", "w"});
  const auto pixels = latents.to(at::kCPU, at::kFloat).permute({0, 2, 3, 1});
  const auto colours = at::matmul(pixels, map_.narrow(0, 0, map_.size(0) - 1)) + map_[-1];
  return at::stack(VaeImageProcessor().postprocess(colours.permute({0, 3, 1, 2})));
}

}  // namespace xattn
