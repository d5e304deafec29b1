// CrossAttention against the Python module, over every golden case and every file format.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/module_parity.h"
#include "xattn/io/checkpoint.h"
#include "xattn/nn/cross_attention.h"
#include "xattn/pretrained/from_checkpoint.h"

namespace xattn::testing {
namespace {

/// The module that a case's file describes; a traced module and a state_dict do not know their
/// heads.
CrossAttention load(const GoldenCase& golden_case, const std::string& file) {
  const auto checkpoint = load_checkpoint(golden_case.directory / file);
  const auto knows_heads = file == "scripted.pt" || file == "weights.safetensors";
  const auto options = cross_attention_options(
      checkpoint, knows_heads ? std::nullopt : std::optional(golden_case.num_heads));
  EXPECT_EQ(options.embed_dim(), golden_case.embed_dim);
  EXPECT_EQ(options.num_heads(), golden_case.num_heads);
  CrossAttention module(options);
  module->to(golden_case.dtype);
  load_state_dict(*module, checkpoint.tensors);
  return module;
}

at::Tensor run(CrossAttention& module, const std::map<std::string, at::Tensor>& inputs) {
  const auto mask = inputs.find("text_mask");
  if (mask == inputs.end()) return module(inputs.at("image_features"), inputs.at("text_features"));
  const auto text = module->prepare(inputs.at("text_features"), mask->second);
  return module->forward_prepared(inputs.at("image_features"), text);
}

class CrossAttentionParity : public ::testing::TestWithParam<CaseAndFile> {
 protected:
  const GoldenCase& golden_case() const { return std::get<0>(GetParam()); }
  const std::string& file() const { return std::get<1>(GetParam()); }
};

TEST_P(CrossAttentionParity, ForwardAndBackwardArePythons) {
  const auto golden = load_golden(golden_case());
  auto module = load(golden_case(), file());
  expect_same_parameters(*module, golden.parameters);

  const auto inputs = leaves_of(golden);
  const auto output = run(module, inputs);
  expect_same_output(golden_case(), "output", output, golden.outputs.at("output"));

  const auto weights = golden.outputs.find("attention_weights");
  if (weights != golden.outputs.end()) {
    const auto text = module->prepare(inputs.at("text_features"), inputs.at("text_mask"));
    expect_same_output(golden_case(), "attention_weights",
                       module->attention_weights(inputs.at("image_features"), text),
                       weights->second);
  }
  if (!golden.gradients.empty())
    expect_same_gradients(golden_case(), *module, golden, inputs, output);
}

TEST_P(CrossAttentionParity, EveryPathIsPythons) {
  if (file() != "weights.safetensors") return;  // the weights are the same
  const auto golden = load_golden(golden_case());
  for (const auto path : {AttentionPath::kAuto, AttentionPath::kExplicit, AttentionPath::kSdpa,
                          AttentionPath::kBlocked, AttentionPath::kFolded}) {
    SCOPED_TRACE(to_string(path));
    auto module = load(golden_case(), file());
    module->options.path(path);
    {
      torch::NoGradGuard no_grad;  // without which no path but explicit and sdpa is taken
      expect_same_output(golden_case(), "output", run(module, golden.inputs),
                         golden.outputs.at("output"));
    }
    if (golden.gradients.empty()) continue;
    const auto inputs = leaves_of(golden);
    expect_same_gradients(golden_case(), *module, golden, inputs, run(module, inputs));
  }
}

TEST_P(CrossAttentionParity, AnotherWeightGivesAnotherOutput) {
  const auto golden = load_golden(golden_case());
  if (golden.outputs.at("output").numel() == 0) return;  // nothing that could differ
  auto module = load(golden_case(), file());
  torch::NoGradGuard no_grad;
  module->out_proj->bias.neg_();
  EXPECT_FALSE(is_near("output", run(module, golden.inputs), golden.outputs.at("output"),
                       parity_tolerance(golden_case().dtype).output));
}

INSTANTIATE_TEST_SUITE_P(Golden, CrossAttentionParity,
                         ::testing::Combine(::testing::ValuesIn(golden_cases("CrossAttention")),
                                            ::testing::ValuesIn(kWeightFiles)),
                         case_and_file_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CrossAttentionParity);

TEST(CrossAttentionGolden, EnoughCasesAreThere) {
  XATTN_REQUIRE_GOLDEN_DATA();
  EXPECT_GE(golden_cases("CrossAttention").size(), 40u);
}

TEST(CrossAttentionGolden, ConstructorDrawsWhatPythonsDraws) {
  XATTN_REQUIRE_GOLDEN_DATA();
  for (const auto& golden_case : golden_cases("CrossAttention")) {
    SCOPED_TRACE(golden_case.name);
    torch::manual_seed(golden_case.seed);
    CrossAttention module(
        CrossAttentionOptions(golden_case.embed_dim).num_heads(golden_case.num_heads));
    module->to(golden_case.dtype);
    expect_same_parameters(*module, load_golden(golden_case).parameters);
  }
}

}  // namespace
}  // namespace xattn::testing
