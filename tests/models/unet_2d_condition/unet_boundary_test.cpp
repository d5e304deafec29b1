// What a UNet and its blocks must refuse by our errors, before LibTorch meets it.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <string>
#include <utility>
#include <vector>

#include "models/unet_2d_condition/unet_support.h"
#include "support/errors.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"
#include "xattn/models/unet_2d_condition/unet_down_block_2d.h"

namespace xattn::testing {
namespace {

class UNetBoundary : public ::testing::Test {
 protected:
  torch::Tensor forward(const UNet2DConditionArguments& arguments) {
    return unet->forward(sample, timestep, text, arguments);
  }

  torch::NoGradGuard no_grad;
  UNet2DConditionModel unet{small_unet_config()};
  torch::Tensor sample = torch::randn({2, 4, 8, 6}), timestep = torch::tensor(7),
                text = torch::randn({2, 5, 6});
};

TEST_F(UNetBoundary, RefusesClassesThatAreNone) {
  auto config = small_unet_config();
  config.num_class_embeds = 3;
  unet = UNet2DConditionModel(config);
  UNet2DConditionArguments arguments;
  const std::pair<torch::Tensor, const char*> labels[] = {
      {torch::tensor({0, 3}), "ids from 0 to 2, got 3"},
      {torch::tensor({-1, 0}), "ids from 0 to 2, got -1"},
      {torch::zeros({2}), "dtype int64 or int32, got float32"},
      {torch::zeros({2}, torch::kBool), "dtype int64 or int32, got bool"},
      {torch::zeros({3}, torch::kLong), "[2], got [3]"},
  };
  for (const auto& [label, expected] : labels) {
    arguments.class_labels = label;
    expect_value_error([&] { forward(arguments); },
                       std::string("[UNet2DConditionModel] class_labels: expected ") + expected);
  }
  arguments.class_labels = torch::tensor({0, 2});
  EXPECT_EQ(forward(arguments).sizes(), sample.sizes());
}

TEST_F(UNetBoundary, RefusesIntrablockResidualsThatDoNotFit) {
  const auto blocks = unet->down_blocks->size();
  UNet2DConditionArguments arguments;
  auto& residuals = arguments.down_intrablock_additional_residuals;
  for (const auto& sizes : {std::vector<int64_t>{2, 8, 8, 5}, {1, 8, 8, 6}, {8, 6}, {1}}) {
    residuals = {torch::zeros(sizes)};
    EXPECT_THROW(forward(arguments), ValueError) << sizes;
  }
  residuals = {torch::Tensor()};
  EXPECT_THROW(forward(arguments), ValueError);
  residuals.assign(blocks + 2, torch::zeros({1}));
  EXPECT_THROW(forward(arguments), ValueError);
}

TEST_F(UNetBoundary, HasAsManyBlocksAsAreAskedFor) {
  constexpr size_t kBlocks = 65;  // 2 to the number of the upsamplers has no place in 64 bits
  UNet2DConditionConfig config;
  config.sample_size = {1};
  config.down_block_types.assign(kBlocks, "DownBlock2D");
  config.up_block_types.assign(kBlocks, "UpBlock2D");
  config.block_out_channels.assign(kBlocks, 2);
  config.layers_per_block = {1};
  config.norm_num_groups = 1;
  config.cross_attention_dim = {6};
  config.attention_head_dim = {1};
  UNet2DConditionModel deep(config);
  const auto small = torch::randn({1, 4, 3, 1});
  EXPECT_EQ(deep->forward(small, timestep, text.narrow(0, 0, 1)).sizes(), small.sizes());
}

TEST(UNetBlocks, TakeBooleanMasksOfTextAndRefuseOthers) {
  CrossAttnDownBlock2D block(
      DownBlock2DOptions(8, 8, UNetResnetOptions(6).resnet_groups(4)),
      UNetTransformerOptions().num_attention_heads(2).cross_attention_dim(6));
  block->eval();
  const torch::NoGradGuard no_grad;
  const auto states = torch::randn({2, 8, 4, 4}), temb = torch::randn({2, 6}),
             text = torch::randn({2, 5, 6});
  const auto forward = [&](const torch::Tensor& mask) {
    return block->forward(states, temb, TextContext(text, mask)).hidden_states;
  };
  const auto keep = torch::tensor({{1, 1, 0, 1, 0}, {0, 1, 1, 1, 1}});
  const auto expected = forward(keep.to(torch::kFloat));
  EXPECT_TRUE(torch::equal(forward(keep.to(torch::kBool)), expected));
  EXPECT_TRUE(torch::equal(forward(keep), expected));
  EXPECT_FALSE(torch::equal(forward(torch::ones({2, 5})), expected));
  expect_value_error([&] { forward(keep.to(torch::kBool).unsqueeze(1)); },
                     "[TextContext] encoder_attention_mask: expected a floating-point dtype for a "
                     "mask [B, 1, L], got bool");
  for (const auto& sizes : {std::vector<int64_t>{1, 5}, {2, 4}, {5}, {2, 1, 1, 5}}) {
    EXPECT_THROW(forward(torch::ones(sizes, torch::kBool)), ValueError) << sizes;
  }
  for (const auto& sizes : {std::vector<int64_t>{1, 1, 5}, {2, 2, 5}, {2, 1, 1}}) {
    EXPECT_THROW(forward(torch::zeros(sizes)), ValueError) << sizes;
  }
}

TEST(UNetBlocks, RefuseResidualsThatDoNotFit) {
  CrossAttnDownBlock2D block(
      DownBlock2DOptions(8, 8, UNetResnetOptions(6).resnet_groups(4)),
      UNetTransformerOptions().num_attention_heads(2).cross_attention_dim(6));
  for (const auto& sizes : {std::vector<int64_t>{1}, {2, 8, 4, 1}, {1, 8, 4, 4}, {4, 4}}) {
    EXPECT_THROW(block->forward(torch::randn({2, 8, 4, 4}), torch::randn({2, 6}),
                                TextContext(torch::randn({2, 5, 6})), torch::zeros(sizes)),
                 ValueError)
        << sizes;
  }
}

}  // namespace
}  // namespace xattn::testing
