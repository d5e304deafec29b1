// Texts prepared for a whole UNet: by layer, for one model, joined for guidance, replayed by block.

#include "xattn/models/unet_2d_condition/prepared_texts.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "models/unet_2d_condition/unet_support.h"
#include "support/errors.h"
#include "support/parity.h"
#include "xattn/models/unet_2d_condition/basic_transformer_block.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"
#include "xattn/models/unet_2d_condition/unet_down_block_2d.h"

namespace xattn::testing {
namespace {

class PreparedTextsTest : public ::testing::Test {
 protected:
  PreparedTextsTest() {
    torch::manual_seed(3);
    unet = UNet2DConditionModel(small_unet_config());
    unet->eval();
  }

  torch::NoGradGuard no_grad;
  UNet2DConditionModel unet = nullptr;
  torch::Tensor sample = torch::randn({2, 4, 8, 6}), timestep = torch::tensor(7),
                text = torch::randn({2, 5, 6});
};

TEST_F(PreparedTextsTest, AreNamedAsTheirLayers) {
  const auto prepared = unet->prepare(text);
  std::vector<std::string> names;
  for (const auto& [name, layer] : prepared.layers()) names.push_back(name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"down_blocks.0.attentions.0.transformer_blocks.0.attn2",
                                      "mid_block.attentions.0.transformer_blocks.0.attn2",
                                      "up_blocks.1.attentions.0.transformer_blocks.0.attn2",
                                      "up_blocks.1.attentions.1.transformer_blocks.0.attn2"}));
  EXPECT_EQ(prepared.batch_size(), 2);
  expect_value_error([&] { prepared.at("mid_block"); },
                     "[PreparedTexts] name: expected a layer's that reads the text, got mid_block");
}

TEST_F(PreparedTextsTest, LetALayersAttentionBeLookedAt) {
  const auto prepared = unet->prepare(text);
  auto& transformer = unet->mid_block->attentions->at<Transformer2DModelImpl>(0);
  auto& layer = *transformer.transformer_blocks->at<BasicTransformerBlockImpl>(0).attn2;
  const auto& own = prepared.at("mid_block.attentions.0.transformer_blocks.0.attn2");
  const auto weights = layer.attention_weights(torch::randn({2, 12, 16}), own);
  EXPECT_EQ(weights.sizes(), (std::vector<int64_t>{2, 2, 12, 5}));
  EXPECT_TRUE(is_near("sums", weights.sum(-1), torch::ones({2, 2, 12}), 1e-6));
}

TEST_F(PreparedTextsTest, OfOneTextServeABatch) {
  const auto one = text.narrow(0, 0, 1);
  const auto output = unet->forward_prepared(sample, timestep, unet->prepare(one));
  EXPECT_TRUE(is_near("output", output, unet(sample, timestep, one.expand({2, 5, 6})), 1e-5));
}

TEST_F(PreparedTextsTest, AreJoinedForGuidanceAndRepeatedForImages) {
  const auto conditional = unet->prepare(text.narrow(0, 0, 1));
  const auto unconditional = unet->prepare(text.narrow(0, 1, 1));
  const auto both = PreparedTexts::cat({unconditional, conditional});
  EXPECT_TRUE(is_near("guidance", unet->forward_prepared(sample, timestep, both),
                      unet(sample, timestep, text.flip(0)), 1e-5));
  EXPECT_TRUE(is_near(
      "images",
      unet->forward_prepared(sample.repeat_interleave(2, 0), timestep, both.repeat_interleave(2)),
      unet(sample.repeat_interleave(2, 0), timestep, text.flip(0).repeat_interleave(2, 0)), 1e-5));
  EXPECT_TRUE(is_near("selected",
                      unet->forward_prepared(sample.narrow(0, 0, 1), timestep, both.select({1})),
                      unet(sample.narrow(0, 0, 1), timestep, text.narrow(0, 0, 1)), 1e-5));
  UNet2DConditionModel other(small_unet_config());
  EXPECT_THROW(PreparedTexts::cat({both, other->prepare(text)}), ValueError);
  EXPECT_THROW(PreparedTexts::cat({}), ValueError);
}

TEST_F(PreparedTextsTest, AreRefusedByAnotherModelAndAfterAChange) {
  const auto prepared = unet->prepare(text);
  auto clone = std::dynamic_pointer_cast<UNet2DConditionModelImpl>(unet->clone());
  constexpr auto kPath =
      "[UNet2DConditionModel] down_blocks.0.attentions.0.transformer_blocks.0.attn2: text "
      "(prepared): expected ";
  expect_value_error([&] { clone->forward_prepared(sample, timestep, prepared); },
                     std::string(kPath) + "one that this layer prepared, got another's");
  auto& transformer =
      unet->down_blocks->at<UNetDownBlock2DImpl>(0).attentions->at<Transformer2DModelImpl>(0);
  transformer.transformer_blocks->at<BasicTransformerBlockImpl>(0).attn2->to_k->weight.add_(1);
  expect_value_error([&] { unet->forward_prepared(sample, timestep, prepared); },
                     std::string(kPath) +
                         "the weights that it was prepared with, got others: prepare it again "
                         "after they change");
}

TEST_F(PreparedTextsTest, OfABlockAloneMayBeReplayed) {
  auto& block = unet->down_blocks->at<UNetDownBlock2DImpl>(0);
  const auto states = torch::randn({2, 8, 8, 6}), temb = torch::randn({2, 32});
  const auto expected = block.forward(states, temb, TextContext(text)).hidden_states;
  const auto prepared = prepare_texts(block, TextContext(text));
  const TextContext context(&prepared);
  // Twice, as gradient checkpointing does: nothing is used up.
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(
        is_near("output", block.forward(states, temb, context).hidden_states, expected, 1e-5));
  }
}

TEST_F(PreparedTextsTest, MasksOfAnyKindAreTaken) {
  const auto mask = torch::tensor({{1, 1, 0, 1, 0}, {1, 1, 1, 1, 0}});
  UNet2DConditionArguments arguments;
  arguments.encoder_attention_mask = mask;
  const auto expected = unet(sample, timestep, text, arguments);
  for (const auto dtype : {torch::kBool, torch::kLong, torch::kFloat}) {
    EXPECT_TRUE(is_near(
        "output", unet->forward_prepared(sample, timestep, unet->prepare(text, mask.to(dtype))),
        expected, 1e-5));
  }
}

}  // namespace
}  // namespace xattn::testing
