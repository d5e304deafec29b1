// The VAE's blocks against diffusers, and what they refuse.

#include <ATen/CPUGeneratorImpl.h>
#include <torch/utils.h>

#include <limits>

#include "support/errors.h"
#include "support/model_golden.h"
#include "support/saved_model.h"
#include "xattn/models/autoencoder_kl/decoder.h"
#include "xattn/models/autoencoder_kl/diagonal_gaussian_distribution.h"
#include "xattn/models/autoencoder_kl/encoder.h"

namespace xattn::testing {
namespace {

using Tensors = std::map<std::string, at::Tensor>;
using nlohmann::json;

std::optional<int64_t> optional_number(const json& arguments, const char* name,
                                       std::optional<int64_t> otherwise) {
  if (!arguments.contains(name)) return otherwise;
  return arguments.at(name).is_null() ? std::nullopt : std::optional<int64_t>(arguments.at(name));
}

DownEncoderBlock2D make_down(const json& arguments) {
  DownEncoderBlock2DOptions options(arguments.at("in_channels"), arguments.at("out_channels"));
  return DownEncoderBlock2D(
      options.num_layers(arguments.value("num_layers", options.num_layers()))
          .resnet_act_fn(arguments.value("resnet_act_fn", options.resnet_act_fn()))
          .resnet_groups(arguments.at("resnet_groups"))
          .output_scale_factor(
              arguments.value("output_scale_factor", options.output_scale_factor()))
          .add_downsample(arguments.value("add_downsample", options.add_downsample()))
          .downsample_padding(arguments.value("downsample_padding", options.downsample_padding())));
}

UpDecoderBlock2D make_up(const json& arguments) {
  UpDecoderBlock2DOptions options(arguments.at("in_channels"), arguments.at("out_channels"));
  return UpDecoderBlock2D(
      options.num_layers(arguments.value("num_layers", options.num_layers()))
          .resnet_groups(arguments.at("resnet_groups"))
          .temb_channels(optional_number(arguments, "temb_channels", std::nullopt))
          .add_upsample(arguments.value("add_upsample", options.add_upsample())));
}

UNetMidBlock2D make_mid(const json& arguments) {
  UNetMidBlock2DOptions options(arguments.at("in_channels"));
  return UNetMidBlock2D(
      options.temb_channels(optional_number(arguments, "temb_channels", std::nullopt))
          .num_layers(arguments.value("num_layers", options.num_layers()))
          .resnet_time_scale_shift(
              arguments.value("resnet_time_scale_shift", options.resnet_time_scale_shift()))
          .resnet_groups(optional_number(arguments, "resnet_groups", options.resnet_groups()))
          .attn_groups(optional_number(arguments, "attn_groups", std::nullopt))
          .add_attention(arguments.value("add_attention", options.add_attention()))
          .attention_head_dim(
              optional_number(arguments, "attention_head_dim", options.attention_head_dim()))
          .output_scale_factor(
              arguments.value("output_scale_factor", options.output_scale_factor())));
}

Encoder make_encoder(const json& arguments) {
  return Encoder(
      EncoderOptions(arguments.at("in_channels"), arguments.at("out_channels"))
          .block_out_channels(arguments.at("block_out_channels").get<std::vector<int64_t>>())
          .norm_num_groups(arguments.at("norm_num_groups"))
          .double_z(arguments.at("double_z")));
}

Decoder make_decoder(const json& arguments) {
  return Decoder(
      DecoderOptions(arguments.at("in_channels"), arguments.at("out_channels"))
          .block_out_channels(arguments.at("block_out_channels").get<std::vector<int64_t>>())
          .layers_per_block(arguments.at("layers_per_block"))
          .norm_num_groups(arguments.at("norm_num_groups")));
}

/// Calls a block with its image and, where the case has one, its time embedding.
template <typename Block>
Tensors run(Block& block, const Tensors& inputs) {
  const auto image = inputs.count("sample") ? inputs.at("sample") : inputs.at("hidden_states");
  if constexpr (requires { block->forward(image, image); }) {
    const auto time = inputs.find("temb");
    return {{"output",
             block(image, time == inputs.end() ? std::nullopt : std::make_optional(time->second))}};
  } else {
    return {{"output", block(image)}};
  }
}

template <typename Block>
void expect_parity(const ModelCase& model_case, Block block) {
  const auto golden = load_golden(model_case);
  block->to(model_case.dtype);
  block->eval();
  load_state_dict(*block, golden.parameters);
  expect_same_keys(model_case, *block);
  const auto leaves = golden.leaves();
  const auto outputs = run(block, leaves);
  expect_same_outputs(model_case, golden, outputs);
  expect_same_gradients(model_case, golden, *block, leaves, outputs);

  torch::NoGradGuard no_grad;
  auto clone = clone_of(block);
  expect_same_outputs(model_case, golden, run(clone, golden.inputs));
  for (auto& parameter : clone->parameters()) {
    if (parameter.dim() == 4) parameter.mul_(1.001);
  }
  EXPECT_FALSE(are_same_outputs(model_case, golden, run(clone, golden.inputs)));
  expect_same_outputs(model_case, golden, run(block, golden.inputs));
}

std::vector<ModelCase> block_cases() {
  auto cases = model_cases("autoencoder_kl");
  std::erase_if(cases, [](const ModelCase& each) { return each.module == "AutoencoderKL"; });
  return cases;
}

class AutoencoderBlock : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AutoencoderBlock);
INSTANTIATE_TEST_SUITE_P(Diffusers, AutoencoderBlock, ::testing::ValuesIn(block_cases()),
                         model_case_name);

TEST_P(AutoencoderBlock, OutputsAndGradientsAreThoseOfPython) {
  const auto& arguments = GetParam().arguments;
  const auto& module = GetParam().module;
  if (module == "DownEncoderBlock2D") return expect_parity(GetParam(), make_down(arguments));
  if (module == "UpDecoderBlock2D") return expect_parity(GetParam(), make_up(arguments));
  if (module == "UNetMidBlock2D") return expect_parity(GetParam(), make_mid(arguments));
  if (module == "Encoder") return expect_parity(GetParam(), make_encoder(arguments));
  ASSERT_EQ(module, "Decoder");
  expect_parity(GetParam(), make_decoder(arguments));
}

TEST(AutoencoderBlocks, RefuseOptions) {
  expect_value_error([] { DownEncoderBlock2D(DownEncoderBlock2DOptions(8, 8).num_layers(0)); },
                     "[DownEncoderBlock2D] num_layers: expected 1 or more, got 0");
  expect_value_error([] { UpDecoderBlock2D(UpDecoderBlock2DOptions(8, 8).num_layers(0)); },
                     "[UpDecoderBlock2D] num_layers: expected 1 or more, got 0");
  expect_value_error([] { UNetMidBlock2D(UNetMidBlock2DOptions(32).num_layers(-1)); },
                     "[UNetMidBlock2D] num_layers: expected 0 or more, got -1");
  expect_value_error([] { UNetMidBlock2D(UNetMidBlock2DOptions(32).attention_head_dim(0)); },
                     "[UNetMidBlock2D] attention_head_dim: expected 1 or more, got 0");
  expect_value_error([] { Encoder(EncoderOptions(3, 4).block_out_channels({})); },
                     "[Encoder] block_out_channels: expected one number or more, got none");
  expect_value_error(
      [] {
        Decoder(DecoderOptions(4, 3).block_out_channels({32, 0}));
      },
      "[Decoder] block_out_channels: expected 1 or more, got 0");
}

TEST(AutoencoderBlocks, RefuseInputs) {
  Encoder encoder(EncoderOptions(3, 4).block_out_channels({32}).layers_per_block(1));
  expect_value_error(
      [&] {
        encoder(torch::zeros({1, 4, 8, 8}));
      },
      "[Encoder] sample: expected [B, 3, H, W], got [1, 4, 8, 8]");
  Decoder decoder(DecoderOptions(4, 3).block_out_channels({32}).layers_per_block(1));
  expect_value_error(
      [&] {
        decoder(torch::zeros({1, 4, 8, 8}, torch::kDouble));
      },
      "[Decoder] sample: expected float32 as the weights, got float64");
}

TEST(DiagonalGaussianDistribution, KeepsTheLogVarianceWithinBounds) {
  const auto parameters = torch::tensor({1.0, 2.0, 3.0, -50.0, 0.5, 99.0}).view({1, 6, 1, 1});
  const DiagonalGaussianDistribution distribution(parameters);
  EXPECT_TRUE(distribution.mode().flatten().equal(torch::tensor({1.0, 2.0, 3.0})));
  EXPECT_TRUE(distribution.logvar.flatten().equal(torch::tensor({-30.0, 0.5, 20.0})));
  EXPECT_TRUE(distribution.var.allclose(distribution.std.pow(2)));
}

TEST(DiagonalGaussianDistribution, SamplesAreTheSeeds) {
  const auto parameters = torch::randn({2, 6, 4, 5});
  const DiagonalGaussianDistribution distribution(parameters);
  const auto draw = [&](uint64_t seed) {
    return distribution.sample(at::make_generator<at::CPUGeneratorImpl>(seed));
  };
  EXPECT_TRUE(draw(3).equal(draw(3)));
  EXPECT_FALSE(draw(3).equal(draw(4)));
  EXPECT_EQ(distribution.sample().sizes(), distribution.mean.sizes());
  const DiagonalGaussianDistribution certain(parameters, /*deterministic=*/true);
  EXPECT_TRUE(certain.sample().equal(certain.mean));
  EXPECT_TRUE(certain.kl().equal(torch::zeros({1})));
  EXPECT_TRUE(certain.nll(certain.mean).equal(torch::zeros({1})));
}

TEST(DiagonalGaussianDistribution, DivergesFromOthersOnly) {
  const DiagonalGaussianDistribution one(torch::randn({2, 6, 4, 5}, torch::kDouble));
  const DiagonalGaussianDistribution standard(torch::zeros({2, 6, 4, 5}, torch::kDouble));
  EXPECT_LT(one.kl(one).abs().max().item<double>(), 1e-12);
  EXPECT_TRUE(one.kl().allclose(one.kl(standard)));
  // Of the standard normal at its mean: log √2π for each of 3·4·5 elements.
  const auto expected = torch::full({2}, 60 * 0.9189385332046727, torch::kDouble);
  EXPECT_TRUE(standard.nll(standard.mean).allclose(expected));
}

TEST(DiagonalGaussianDistribution, RefusesAnOddNumberOfChannels) {
  expect_value_error(
      [] {
        DiagonalGaussianDistribution(torch::zeros({1, 5, 2, 2}));
      },
      "[DiagonalGaussianDistribution] parameters: expected [B, 2C, …], got [1, 5, 2, 2]");
}

}  // namespace
}  // namespace xattn::testing
