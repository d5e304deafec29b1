// SimpleUNet against the Python module, over every golden case and every file format.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/module_parity.h"
#include "xattn/io/checkpoint.h"
#include "xattn/models/simple_unet/simple_unet.h"
#include "xattn/pretrained/from_checkpoint.h"

namespace xattn::testing {
namespace {

TokenLayout layout_of(const GoldenCase& golden_case) {
  return golden_case.token_layout == "spatial" ? TokenLayout::kSpatial : TokenLayout::kReinterpret;
}

/// The module that a case's file describes; a traced module and a state_dict do not know their
/// layout.
SimpleUNet load(const GoldenCase& golden_case, const std::string& file) {
  const auto checkpoint = load_checkpoint(golden_case.directory / file);
  const auto knows_layout = file == "scripted.pt" || file == "weights.safetensors";
  const auto options =
      simple_unet_options(checkpoint, std::nullopt,
                          knows_layout ? std::nullopt : std::optional(layout_of(golden_case)));
  EXPECT_EQ(options.embed_dim(), golden_case.embed_dim);
  EXPECT_EQ(options.num_heads(), golden_case.num_heads);
  EXPECT_EQ(options.token_layout(), layout_of(golden_case));
  SimpleUNet module(options);
  module->to(golden_case.dtype);
  load_state_dict(*module, checkpoint.tensors);
  return module;
}

class SimpleUNetParity : public ::testing::TestWithParam<CaseAndFile> {
 protected:
  const GoldenCase& golden_case() const { return std::get<0>(GetParam()); }
  const std::string& file() const { return std::get<1>(GetParam()); }
};

TEST_P(SimpleUNetParity, ForwardAndBackwardArePythons) {
  const auto golden = load_golden(golden_case());
  auto module = load(golden_case(), file());
  expect_same_parameters(*module, golden.parameters);

  const auto inputs = leaves_of(golden);
  const auto output = module(inputs.at("images"), inputs.at("text_features"));
  expect_same_output(golden_case(), "output", output, golden.outputs.at("output"));
  if (!golden.gradients.empty())
    expect_same_gradients(golden_case(), *module, golden, inputs, output);
}

TEST_P(SimpleUNetParity, EveryPathIsPythons) {
  if (file() != "weights.safetensors") return;  // the weights are the same
  const auto golden = load_golden(golden_case());
  for (const auto path : {AttentionPath::kAuto, AttentionPath::kExplicit, AttentionPath::kSdpa,
                          AttentionPath::kBlocked, AttentionPath::kFolded}) {
    SCOPED_TRACE(to_string(path));
    auto options = load(golden_case(), file())->options;
    SimpleUNet module(options.path(path));
    module->to(golden_case().dtype);
    load_state_dict(*module, golden.parameters);
    {
      torch::NoGradGuard no_grad;  // without which no path but explicit and sdpa is taken
      const auto& images = golden.inputs.at("images");
      const auto& text = golden.inputs.at("text_features");
      const auto& expected = golden.outputs.at("output");
      expect_same_output(golden_case(), "output", module(images, text), expected);
      expect_same_output(golden_case(), "output",
                         module->forward_prepared(images, module->prepare(text)), expected);
    }
    if (golden.gradients.empty()) continue;
    const auto inputs = leaves_of(golden);
    expect_same_gradients(golden_case(), *module, golden, inputs,
                          module(inputs.at("images"), inputs.at("text_features")));
  }
}

TEST_P(SimpleUNetParity, AnotherWeightGivesAnotherOutput) {
  const auto golden = load_golden(golden_case());
  if (golden.outputs.at("output").numel() == 0) return;  // nothing that could differ
  auto module = load(golden_case(), file());
  torch::NoGradGuard no_grad;
  module->upsample->bias.neg_();
  EXPECT_FALSE(is_near("output",
                       module(golden.inputs.at("images"), golden.inputs.at("text_features")),
                       golden.outputs.at("output"), parity_tolerance(golden_case().dtype).output));
}

TEST_P(SimpleUNetParity, TheOtherLayoutGivesAnotherOutputUnlessTheLatentIsOnePixel) {
  const auto golden = load_golden(golden_case());
  const auto images = golden.inputs.at("images"), text = golden.inputs.at("text_features");
  if (golden.outputs.at("output").numel() == 0 || text.size(1) == 0)
    return;  // all tokens are alike
  auto module = load(golden_case(), file());
  module->options.token_layout(layout_of(golden_case()) == TokenLayout::kSpatial
                                   ? TokenLayout::kReinterpret
                                   : TokenLayout::kSpatial);
  torch::NoGradGuard no_grad;
  const auto same = is_near("output", module(images, text), golden.outputs.at("output"),
                            parity_tolerance(golden_case().dtype).output);
  if (images.size(2) / 2 == 1 && images.size(3) / 2 == 1) {
    EXPECT_TRUE(same);
  } else if (text.size(1) > 1) {  // one text token gives every image token the same
    EXPECT_FALSE(same);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, SimpleUNetParity,
                         ::testing::Combine(::testing::ValuesIn(golden_cases("SimpleUNet")),
                                            ::testing::ValuesIn(kWeightFiles)),
                         case_and_file_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SimpleUNetParity);

TEST(SimpleUNetGolden, EnoughCasesAreThere) {
  XATTN_REQUIRE_GOLDEN_DATA();
  for (const std::string layout : {"spatial", "reinterpret"}) {
    const auto cases = golden_cases("SimpleUNet");
    EXPECT_GE(
        std::count_if(cases.begin(), cases.end(),
                      [&](const auto& golden_case) { return golden_case.token_layout == layout; }),
        40);
  }
}

TEST(SimpleUNetGolden, ConstructorDrawsWhatPythonsDraws) {
  XATTN_REQUIRE_GOLDEN_DATA();
  for (const auto& golden_case : golden_cases("SimpleUNet")) {
    SCOPED_TRACE(golden_case.name);
    torch::manual_seed(golden_case.seed);
    SimpleUNet module(golden_case.embed_dim);
    module->to(golden_case.dtype);
    expect_same_parameters(*module, load_golden(golden_case).parameters);
  }
}

}  // namespace
}  // namespace xattn::testing
