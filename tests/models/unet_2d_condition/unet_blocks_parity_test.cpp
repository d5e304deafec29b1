// Every block of the UNet alone against the Python original, forward and backward.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "models/unet_2d_condition/unet_blocks.h"
#include "xattn/io/state_dict.h"

namespace xattn::testing {
namespace {

class UNetBlockParity : public ::testing::TestWithParam<ModelCase> {
 protected:
  Block load(const ModelGolden& golden) const {
    auto block = make_block(GetParam().module, GetParam().arguments);
    block.module->to(GetParam().dtype);
    block.module->eval();
    load_state_dict(*block.module, golden.parameters);
    return block;
  }
};

TEST_P(UNetBlockParity, ForwardAndBackwardArePythons) {
  const auto golden = load_golden(GetParam());
  const auto block = load(golden);
  expect_same_keys(GetParam(), *block.module);
  const auto leaves = golden.leaves();
  const auto outputs = block.call(leaves);
  expect_same_outputs(GetParam(), golden, outputs);
  expect_same_gradients(GetParam(), golden, *block.module, leaves, outputs);
}

TEST_P(UNetBlockParity, ForwardWithoutGradientIsPythons) {
  const torch::NoGradGuard no_grad;
  const auto golden = load_golden(GetParam());
  expect_same_outputs(GetParam(), golden, load(golden).call(golden.inputs));
}

// The twin that must fail: the comparison notices each weight.
TEST_P(UNetBlockParity, NoticesEveryChangedWeight) {
  const torch::NoGradGuard no_grad;
  const auto golden = load_golden(GetParam());
  const auto block = load(golden);
  for (const auto& item : block.module->named_parameters()) {
    // Keys with a bias of their own add the same to every score of a query.
    if (item.key().ends_with("to_k.bias")) continue;
    const auto before = item.value().clone();
    item.value().flatten()[0] += 0.5;
    EXPECT_FALSE(are_same_outputs(GetParam(), golden, block.call(golden.inputs))) << item.key();
    item.value().copy_(before);
  }
}

TEST_P(UNetBlockParity, ACloneIsTheSame) {
  const torch::NoGradGuard no_grad;
  const auto golden = load_golden(GetParam());
  const auto block = load(golden);
  const auto clone = block.module->clone();
  EXPECT_EQ(state_dict(*clone).keys(), state_dict(*block.module).keys());
}

std::vector<ModelCase> cases() {
  auto found = model_cases("unet");
  std::erase_if(found, [](const ModelCase& each) { return each.module == "UNet2DConditionModel"; });
  return found;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(UNetBlockParity);
INSTANTIATE_TEST_SUITE_P(Golden, UNetBlockParity, ::testing::ValuesIn(cases()), model_case_name);

TEST(UNetGolden, IsThere) {
  if (model_cases("unet").empty()) GTEST_SKIP() << "no golden data (needs Python with diffusers)";
}

}  // namespace
}  // namespace xattn::testing
