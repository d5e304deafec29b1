// What AutoencoderKL does without Python: configs, keys, tiles, errors.

#include "xattn/models/autoencoder_kl/autoencoder_kl.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/mapped_key.h"

namespace xattn::testing {
namespace {

AutoencoderKLConfig small_config() {
  AutoencoderKLConfig config;
  config.block_out_channels = {4, 8};
  config.down_block_types = {"DownEncoderBlock2D", "DownEncoderBlock2D"};
  config.up_block_types = {"UpDecoderBlock2D", "UpDecoderBlock2D"};
  config.norm_num_groups = 2;
  config.sample_size = 8;
  return config;
}

TEST(AutoencoderKlConfig, ReadsWhatTheHubHas) {
  ::testing::internal::CaptureStderr();
  const auto config = AutoencoderKLConfig::from_json(R"({
    "_class_name": "AutoencoderKL", "_diffusers_version": "0.30.0.dev0", "_name_or_path": "../checkpoints",
    "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
    "force_upcast": true, "in_channels": 3, "latent_channels": 16, "latents_mean": null, "latents_std": null,
    "layers_per_block": 2, "mid_block_add_attention": true, "norm_num_groups": 32, "out_channels": 3,
    "sample_size": [1024, 1024], "scaling_factor": 0.3611, "shift_factor": 0.1159,
    "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
    "use_post_quant_conv": false, "use_quant_conv": false})");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(config.block_out_channels, (std::vector<int64_t>{128, 256, 512, 512}));
  EXPECT_EQ(config.sample_size, 1024);
  EXPECT_EQ(config.shift_factor, 0.1159);
  EXPECT_FALSE(config.latents_mean);
  EXPECT_FALSE(config.use_quant_conv);
}

TEST(AutoencoderKlConfig, WarnsOfWhatPythonDoesNotKnowEither) {
  ::testing::internal::CaptureStderr();
  AutoencoderKLConfig::from_json(R"({"wobble": 3})");
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("wobble: unknown, ignored"),
            std::string::npos);
}

TEST(AutoencoderKl, RefusesConfigs) {
  auto config = small_config();
  config.down_block_types[1] = "AttnDownEncoderBlock2D";
  expect_value_error([&] { AutoencoderKL{config}; },
                     "[AutoencoderKL] down_block_types: expected DownEncoderBlock2D, the only one "
                     "implemented, got "
                     "AttnDownEncoderBlock2D");
  config = small_config();
  config.up_block_types.pop_back();
  expect_value_error([&] { AutoencoderKL{config}; },
                     "[AutoencoderKL] up_block_types: expected 2, as block_out_channels, got 1");
  config = small_config();
  config.block_out_channels.clear();
  expect_value_error([&] { AutoencoderKL{config}; },
                     "[AutoencoderKL] block_out_channels: expected 1 to 32 numbers, got 0");
  config = small_config();
  config.latent_channels = 0;
  expect_value_error([&] { AutoencoderKL{config}; },
                     "[Encoder] out_channels: expected 1 or more, got 0");
}

TEST(AutoencoderKl, RefusesInputs) {
  AutoencoderKL model(small_config());
  expect_value_error(
      [&] {
        model->encode(torch::zeros({1, 4, 8, 8}));
      },
      "[AutoencoderKL] x: expected [B, 3, H, W], got [1, 4, 8, 8]");
  expect_value_error(
      [&] {
        model->encode(torch::zeros({1, 3, 8, 1}));
      },
      "[AutoencoderKL] x (or a tile of it): expected a height and width of 2 or more, got [1, 3, "
      "8, 1]");
  expect_value_error(
      [&] {
        model->decode(torch::zeros({1, 3, 8, 8}));
      },
      "[AutoencoderKL] z: expected [B, 4, h, w], got [1, 3, 8, 8]");
  expect_value_error(
      [&] {
        model->decode(torch::zeros({1, 4, 0, 8}));
      },
      "[AutoencoderKL] z: expected a height and width of 1 or more, got [1, 4, 0, 8]");
  expect_value_error(
      [&] {
        model->decode(torch::zeros({1, 4, 8, 8}, torch::kDouble));
      },
      "[AutoencoderKL] z: expected float32 as the weights, got float64");
}

TEST(AutoencoderKl, RefusesTilesThatLeadNowhere) {
  AutoencoderKL model(small_config());
  model->use_tiling = true;
  const auto z = torch::zeros({1, 4, 8, 8});
  model->tile_overlap_factor = 1;
  expect_value_error(
      [&] { model->decode(z); },
      "[AutoencoderKL] tile_overlap_factor: expected 0 or more, below 1, got 1.000000");
  model->tile_overlap_factor = 0.9;
  expect_value_error([&] { model->decode(z); },
                     "[AutoencoderKL] the tile without its overlap: expected 1 or more, got 0");
  model->tile_latent_min_size = 0;
  expect_value_error(
      [&] { model->decode(z); },
      "[AutoencoderKL] tile_sample_min_size and tile_latent_min_size: expected 1 or more, got 0");
}

TEST(AutoencoderKl, SlicesAreTheBatch) {
  torch::NoGradGuard no_grad;
  AutoencoderKL model(small_config());
  model->eval();
  const auto x = torch::randn({3, 3, 8, 6}), z = torch::randn({3, 4, 4, 3});
  const auto mean = model->encode(x).mean, image = model->decode(z);
  model->use_slicing = true;
  EXPECT_TRUE(model->encode(x).mean.allclose(mean, 1e-5, 1e-5));
  EXPECT_TRUE(model->decode(z).allclose(image, 1e-5, 1e-5));
}

TEST(AutoencoderKl, ImagesOfOneTileAreNotCut) {
  torch::NoGradGuard no_grad;
  AutoencoderKL model(small_config());
  const auto x = torch::randn({1, 3, 8, 8});
  const auto mean = model->encode(x).mean;
  model->use_tiling = true;
  EXPECT_EQ(model->tile_latent_min_size, 4);
  EXPECT_TRUE(model->encode(x).mean.equal(mean));
}

TEST(AutoencoderKl, MapsKeys) {
  const auto map = mapped<AutoencoderKLImpl>;
  EXPECT_EQ(map("encoder.mid_block.attentions.0.query.weight"),
            "encoder.mid_block.attentions.0.to_q.weight");
  EXPECT_EQ(map("encoder.mid_block.attentions.0.key.bias"),
            "encoder.mid_block.attentions.0.to_k.bias");
  EXPECT_EQ(map("decoder.mid_block.attentions.0.value.bias"),
            "decoder.mid_block.attentions.0.to_v.bias");
  EXPECT_EQ(map("decoder.mid_block.attentions.0.proj_attn.bias"),
            "decoder.mid_block.attentions.0.to_out.0.bias");
  EXPECT_EQ(map("decoder.mid_block.attentions.0.to_out.0.bias"),
            "decoder.mid_block.attentions.0.to_out.0.bias");
  EXPECT_EQ(map("decoder.mid_block.attentions.0.group_norm.bias"),
            "decoder.mid_block.attentions.0.group_norm.bias");
  EXPECT_EQ(map("quant_conv.weight"), "quant_conv.weight");
  EXPECT_EQ(map(".attentions."), ".attentions.");
}

}  // namespace
}  // namespace xattn::testing
