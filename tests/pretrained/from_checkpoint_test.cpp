#include "xattn/pretrained/from_checkpoint.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "support/errors.h"

namespace xattn {
namespace {

using testing::expect_value_error;

Checkpoint attention_checkpoint() {
  Checkpoint checkpoint{CheckpointFormat::kTorchSave, StateDict(), {}};
  checkpoint.tensors.insert("query_proj.weight", torch::zeros({24, 24}));
  return checkpoint;
}

Checkpoint unet_checkpoint() {
  Checkpoint checkpoint{CheckpointFormat::kTorchSave, StateDict(), {}};
  checkpoint.tensors.insert("downsample.weight", torch::zeros({24, 3, 4, 4}));
  return checkpoint;
}

TEST(FromCheckpoint, ReadsTheWidthOffTheWeights) {
  EXPECT_EQ(cross_attention_options(attention_checkpoint(), 4).embed_dim(), 24);
  EXPECT_EQ(simple_unet_options(unet_checkpoint()).embed_dim(), 24);
}

TEST(FromCheckpoint, TellsTheModulesApart) {
  EXPECT_TRUE(holds_cross_attention(attention_checkpoint()));
  EXPECT_FALSE(holds_simple_unet(attention_checkpoint()));
  EXPECT_TRUE(holds_simple_unet(unet_checkpoint()));
  EXPECT_FALSE(holds_cross_attention(unet_checkpoint()));
}

TEST(FromCheckpoint, TakesTheHeadsOfAScriptedModuleAndOfMetadata) {
  auto checkpoint = attention_checkpoint();
  checkpoint.attributes["num_heads"] = int64_t{6};
  EXPECT_EQ(cross_attention_options(checkpoint).num_heads(), 6);
  checkpoint.attributes["num_heads"] = std::string("12");
  EXPECT_EQ(cross_attention_options(checkpoint).num_heads(), 12);
  checkpoint.attributes["num_heads"] = std::string("12x");
  expect_value_error([&] { cross_attention_options(checkpoint); },
                     "[load] num_heads: expected a whole number in the file, got 12x");
}

TEST(FromCheckpoint, NeverGuessesTheHeadsOfABareAttention) {
  expect_value_error(
      [] { cross_attention_options(attention_checkpoint()); },
      "[CrossAttention] num_heads: expected it in the file, as a scripted module has it, or "
      "given (xattn run: --heads), got neither");
}

TEST(FromCheckpoint, RefusesWhatContradictsTheFile) {
  auto attention = attention_checkpoint();
  attention.attributes["num_heads"] = int64_t{6};
  expect_value_error([&] { cross_attention_options(attention, 4); },
                     "[CrossAttention] num_heads: expected 6 as in the file, got 4");
  auto unet = unet_checkpoint();
  unet.attributes["token_layout"] = std::string("reinterpret");
  expect_value_error([&] { simple_unet_options(unet, std::nullopt, TokenLayout::kSpatial); },
                     "[SimpleUNet] token_layout: expected reinterpret as in the file, got spatial");
}

TEST(FromCheckpoint, ASimpleUNetHasItsDefinitionsHeadsAndLayoutUnlessTheFileSaysOtherwise) {
  auto checkpoint = unet_checkpoint();
  EXPECT_EQ(simple_unet_options(checkpoint).num_heads(), 8);
  EXPECT_EQ(simple_unet_options(checkpoint).token_layout(), TokenLayout::kSpatial);
  checkpoint.attributes["cross_attention.num_heads"] = int64_t{4};
  checkpoint.attributes["token_layout"] = std::string("published");
  EXPECT_EQ(simple_unet_options(checkpoint).num_heads(), 4);
  EXPECT_EQ(simple_unet_options(checkpoint).token_layout(), TokenLayout::kReinterpret);
  checkpoint.attributes["token_layout"] = std::string("diagonal");
  expect_value_error(
      [&] { simple_unet_options(checkpoint); },
      "[SimpleUNet] token_layout: expected spatial or reinterpret in the file, got diagonal");
}

TEST(FromCheckpoint, RefusesAFileOfSomethingElse) {
  expect_value_error([] { cross_attention_options(unet_checkpoint(), 8); },
                     "[CrossAttention] checkpoint: expected a tensor query_proj.weight, got none");
  auto checkpoint = unet_checkpoint();
  checkpoint.tensors["downsample.weight"] = torch::zeros({24, 4, 4, 4});
  expect_value_error([&] { simple_unet_options(checkpoint); },
                     "[SimpleUNet] downsample.weight: expected [E, 3, 4, 4], got [24, 4, 4, 4]");
}

}  // namespace
}  // namespace xattn
