#include "xattn/models/autoencoder_kl/autoencoder_kl.h"

#include <torch/utils.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/call.h"
#include "core/check.h"
#include "models/autoencoder_kl/tiles.h"
#include "xattn/nn/gradient_checkpoint.h"

namespace xattn {
namespace {

constexpr auto kAutoencoderKL = AutoencoderKLImpl::kClassName;

void check_blocks(const char* name, const std::vector<std::string>& types, const char* type,
                  size_t levels) {
  if (types.size() != levels) {
    throw_value_error(kAutoencoderKL, name, std::to_string(levels) + ", as block_out_channels",
                      std::to_string(types.size()));
  }
  for (const auto& each : types) {
    if (each != type)
      throw_value_error(kAutoencoderKL, name, std::string(type) + ", the only one implemented",
                        each);
  }
}

/// By how much an image is larger than its latent.
int64_t scale_of(const AutoencoderKLConfig& config) {
  return int64_t{1} << (config.block_out_channels.size() - 1);
}

/// The tiles of an input whose tiles have `size`, for an output whose tiles have `output_size`.
Tiles tiles_of(int64_t size, int64_t output_size, double overlap) {
  check_at_least(kAutoencoderKL, "tile_sample_min_size and tile_latent_min_size",
                 std::min(size, output_size), 1);
  if (!(overlap >= 0 && overlap < 1)) {
    throw_value_error(kAutoencoderKL, "tile_overlap_factor", "0 or more, below 1",
                      std::to_string(overlap));
  }
  const auto step = static_cast<int64_t>(static_cast<double>(size) * (1 - overlap));
  const auto blend_extent = static_cast<int64_t>(static_cast<double>(output_size) * overlap);
  check_at_least(kAutoencoderKL, "the tile without its overlap", step, 1);
  return {size, step, blend_extent, output_size - blend_extent};
}

template <typename Function>
torch::Tensor for_each_image(const torch::Tensor& batch, const Function& function) {
  std::vector<torch::Tensor> results;
  for (const auto& image : batch.split(1)) results.push_back(function(image));
  return torch::cat(results);
}

}  // namespace

AutoencoderKLImpl::AutoencoderKLImpl(const AutoencoderKLConfig& config_)
    : config(config_), tile_sample_min_size(config_.sample_size) {
  reset();
  tile_latent_min_size = config.sample_size / scale_of(config);
}

void AutoencoderKLImpl::reset() {
  constexpr size_t kMostLevels = 32;
  const auto levels = config.block_out_channels.size();
  if (levels < 1 || levels > kMostLevels) {
    throw_value_error(kAutoencoderKL, "block_out_channels", "1 to 32 numbers",
                      std::to_string(levels));
  }
  check_blocks("down_block_types", config.down_block_types, "DownEncoderBlock2D", levels);
  check_blocks("up_block_types", config.up_block_types, "UpDecoderBlock2D", levels);
  const auto latent = config.latent_channels;
  encoder = register_module("encoder",
                            Encoder(EncoderOptions(config.in_channels, latent)
                                        .block_out_channels(config.block_out_channels)
                                        .layers_per_block(config.layers_per_block)
                                        .norm_num_groups(config.norm_num_groups)
                                        .act_fn(config.act_fn)
                                        .mid_block_add_attention(config.mid_block_add_attention)));
  decoder = register_module("decoder",
                            Decoder(DecoderOptions(latent, config.out_channels)
                                        .block_out_channels(config.block_out_channels)
                                        .layers_per_block(config.layers_per_block)
                                        .norm_num_groups(config.norm_num_groups)
                                        .act_fn(config.act_fn)
                                        .mid_block_add_attention(config.mid_block_add_attention)));
  if (config.use_quant_conv) {
    quant_conv = register_module("quant_conv", Conv2d(Conv2dOptions(2 * latent, 2 * latent, 1)));
  }
  if (config.use_post_quant_conv) {
    post_quant_conv = register_module("post_quant_conv", Conv2d(Conv2dOptions(latent, latent, 1)));
  }
}

void AutoencoderKLImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::AutoencoderKL(in_channels=" << config.in_channels
         << ", latent_channels=" << config.latent_channels
         << ", levels=" << config.block_out_channels.size() << ")";
}

void AutoencoderKLImpl::enable_gradient_checkpointing() {
  set_gradient_checkpointing(*this, true);
}

void AutoencoderKLImpl::disable_gradient_checkpointing() {
  set_gradient_checkpointing(*this, false);
}

torch::Tensor AutoencoderKLImpl::forward(const torch::Tensor& sample, bool sample_posterior,
                                         const std::optional<at::Generator>& generator) {
  const Call call(*this, kAutoencoderKL);
  const auto posterior = encode(sample);
  return decode(sample_posterior ? posterior.sample(generator) : posterior.mode());
}

DiagonalGaussianDistribution AutoencoderKLImpl::encode(const torch::Tensor& x) {
  const Call call(*this, kAutoencoderKL);
  check_input(kAutoencoderKL, "x", x, {"B", config.in_channels, "H", "W"},
              encoder->conv_in->inputs_like());
  if (!use_slicing || x.size(0) <= 1) return DiagonalGaussianDistribution(encode_slice(x));
  return DiagonalGaussianDistribution(
      for_each_image(x, [this](const torch::Tensor& image) { return encode_slice(image); }));
}

torch::Tensor AutoencoderKLImpl::decode(const torch::Tensor& z) {
  const Call call(*this, kAutoencoderKL);
  check_input(kAutoencoderKL, "z", z, {"B", config.latent_channels, "h", "w"},
              encoder->conv_in->inputs_like());
  if (z.size(2) < 1 || z.size(3) < 1) {
    throw_value_error(kAutoencoderKL, "z", "a height and width of 1 or more",
                      shape_text(z.sizes()));
  }
  if (!use_slicing || z.size(0) <= 1) return decode_slice(z);
  return for_each_image(z, [this](const torch::Tensor& latent) { return decode_slice(latent); });
}

torch::Tensor AutoencoderKLImpl::encode_slice(const torch::Tensor& x) {
  const bool fits = x.size(2) <= tile_sample_min_size && x.size(3) <= tile_sample_min_size;
  if (!use_tiling || fits) return encode_tile(x);
  return map_tiles(x, tiles_of(tile_sample_min_size, tile_latent_min_size, tile_overlap_factor),
                   [this](const torch::Tensor& tile) { return encode_tile(tile); });
}

torch::Tensor AutoencoderKLImpl::decode_slice(const torch::Tensor& z) {
  const bool fits = z.size(2) <= tile_latent_min_size && z.size(3) <= tile_latent_min_size;
  if (!use_tiling || fits) return decode_tile(z);
  return map_tiles(z, tiles_of(tile_latent_min_size, tile_sample_min_size, tile_overlap_factor),
                   [this](const torch::Tensor& tile) { return decode_tile(tile); });
}

torch::Tensor AutoencoderKLImpl::encode_tile(const torch::Tensor& x) {
  const auto scale = scale_of(config);
  if (x.size(2) < scale || x.size(3) < scale) {
    throw_value_error(kAutoencoderKL, "x (or a tile of it)",
                      "a height and width of " + std::to_string(scale) + " or more",
                      shape_text(x.sizes()));
  }
  const auto moments = encoder(x);
  return quant_conv ? quant_conv(moments) : moments;
}

torch::Tensor AutoencoderKLImpl::decode_tile(const torch::Tensor& z) {
  return decoder(post_quant_conv ? post_quant_conv(z) : z);
}

std::vector<KeyTarget> AutoencoderKLImpl::map_key(const AutoencoderKLConfig& /*config*/,
                                                  const std::string& key) {
  const auto same = [&] { return std::vector{KeyTarget{.key = key}}; };
  if (key.find(".attentions.") == std::string::npos) return same();
  const auto last = key.rfind('.');
  const auto before = key.rfind('.', last - 1);
  const auto layer = key.substr(before + 1, last - before - 1);
  const auto renamed = [&](const char* name) {
    return std::vector{KeyTarget{.key = key.substr(0, before + 1) + name + key.substr(last)}};
  };
  if (layer == "query") return renamed("to_q");
  if (layer == "key") return renamed("to_k");
  if (layer == "value") return renamed("to_v");
  if (layer == "proj_attn") return renamed("to_out.0");
  return same();
}

}  // namespace xattn
