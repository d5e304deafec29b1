// AutoencoderKL against diffusers: whole, tiled and sliced.

#include <ATen/CPUGeneratorImpl.h>
#include <torch/utils.h>

#include "support/model_golden.h"
#include "support/saved_model.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl.h"

namespace xattn::testing {
namespace {

constexpr auto kFile = "diffusion_pytorch_model.safetensors";
constexpr uint64_t kGeneratorSeed = 11;  // as python/golden_models/autoencoder_kl.py

using Tensors = std::map<std::string, at::Tensor>;

AutoencoderKL model_of(const ModelCase& model_case, const StateDict& file) {
  auto model = saved_model<AutoencoderKL>(model_case, file);
  const auto& members = model_case.arguments;
  model->use_tiling = members.value("use_tiling", model->use_tiling);
  model->use_slicing = members.value("use_slicing", model->use_slicing);
  model->tile_sample_min_size = members.value("tile_sample_min_size", model->tile_sample_min_size);
  model->tile_latent_min_size = members.value("tile_latent_min_size", model->tile_latent_min_size);
  model->tile_overlap_factor = members.value("tile_overlap_factor", model->tile_overlap_factor);
  return model;
}

Tensors run(AutoencoderKL& model, const Tensors& inputs) {
  const auto posterior = model->encode(inputs.at("x"));
  return {{"mean", posterior.mean},
          {"logvar", posterior.logvar},
          {"kl", posterior.kl()},
          {"decoded", model->decode(inputs.at("z"))},
          {"sample", model(inputs.at("x"))},
          {"sampled", model(inputs.at("x"), /*sample_posterior=*/true,
                            at::make_generator<at::CPUGeneratorImpl>(kGeneratorSeed))}};
}

class AutoencoderKlParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AutoencoderKlParity);
INSTANTIATE_TEST_SUITE_P(Diffusers, AutoencoderKlParity,
                         ::testing::ValuesIn(model_cases("autoencoder_kl", "AutoencoderKL")),
                         model_case_name);

TEST_P(AutoencoderKlParity, OutputsAndGradientsAreThoseOfPython) {
  const auto golden = load_golden(GetParam());
  auto model = model_of(GetParam(), saved_weights(GetParam(), kFile));
  expect_same_keys(GetParam(), *model);
  const auto leaves = golden.leaves();
  const auto outputs = run(model, leaves);
  expect_same_outputs(GetParam(), golden, outputs);
  expect_same_gradients(GetParam(), golden, *model, leaves, outputs);
}

TEST_P(AutoencoderKlParity, WithoutGradientsTheNumbersAreTheSame) {
  torch::NoGradGuard no_grad;
  const auto golden = load_golden(GetParam());
  auto model = model_of(GetParam(), saved_weights(GetParam(), kFile));
  expect_same_outputs(GetParam(), golden, run(model, golden.inputs));
  auto clone = clone_of(model);
  expect_same_outputs(GetParam(), golden, run(clone, golden.inputs));
  // The twin: one changed weight is an error.
  auto& resnet = clone->encoder->mid_block->resnets->at<ResnetBlock2DImpl>(0);
  resnet.conv2->weight.mul_(1.01);
  EXPECT_FALSE(are_same_outputs(GetParam(), golden, run(clone, golden.inputs)));
  EXPECT_TRUE(are_same_outputs(GetParam(), golden, run(model, golden.inputs)))
      << "the clone shares weights";
}

TEST_P(AutoencoderKlParity, LoadsTheOldNamesOfTheAttention) {
  const std::vector<std::pair<std::string, std::string>> names = {{".to_q.", ".query."},
                                                                  {".to_k.", ".key."},
                                                                  {".to_v.", ".value."},
                                                                  {".to_out.0.", ".proj_attn."}};
  StateDict old;
  size_t renamed = 0;
  for (const auto& item : saved_weights(GetParam(), kFile)) {
    auto key = item.key();
    for (const auto& [now, before] : names) {
      const auto at = key.find(now);
      if (at == std::string::npos) continue;
      key.replace(at, now.size(), before);
      ++renamed;
    }
    old.insert(key, item.value());
  }
  auto model = model_of(GetParam(), old);
  EXPECT_EQ(renamed, model->config.mid_block_add_attention ? 16 : 0);
  torch::NoGradGuard no_grad;
  const auto golden = load_golden(GetParam());
  expect_same_outputs(GetParam(), golden, run(model, golden.inputs));
}

TEST_P(AutoencoderKlParity, TheConfigSurvivesWriting) {
  const auto config = AutoencoderKLConfig::from_json(config_text(GetParam().directory));
  const auto written = config.to_json();
  EXPECT_EQ(AutoencoderKLConfig::from_json(written).to_json(), written);
  // All that Python wrote is there, but for its version.
  auto python = nlohmann::json::parse(config_text(GetParam().directory));
  python.erase("_diffusers_version");
  EXPECT_EQ(nlohmann::json::parse(written), python);
}

TEST(AutoencoderKlGoldenData, IsThere) {
  if (model_cases("autoencoder_kl").empty()) {
    GTEST_SKIP() << "no golden data: they are made by a Python with diffusers";
  }
}

}  // namespace
}  // namespace xattn::testing
