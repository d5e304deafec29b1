// A prepared text knows its layer and its layer's weights, and can be selected, repeated, joined.

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/parity.h"
#include "xattn/io/state_dict.h"
#include "xattn/models/simple_unet/simple_unet.h"
#include "xattn/nn/attention.h"
#include "xattn/nn/cross_attention.h"

namespace xattn {
namespace {

using testing::expect_value_error;
using testing::is_near;
using testing::is_same;

constexpr AttentionPath kPaths[] = {AttentionPath::kAuto, AttentionPath::kExplicit,
                                    AttentionPath::kSdpa, AttentionPath::kBlocked,
                                    AttentionPath::kFolded};

constexpr auto kAnothers =
    "[CrossAttention] text (prepared): expected one that this layer prepared, got another's";
constexpr auto kChanged =
    "[CrossAttention] text (prepared): expected the weights that it was prepared with, got others: "
    "prepare it again after they change";

class PreparedTextTest : public ::testing::TestWithParam<AttentionPath> {
 protected:
  PreparedTextTest() { torch::manual_seed(1); }

  CrossAttention make() const {
    return CrossAttention(CrossAttentionOptions(16).num_heads(4).path(GetParam()));
  }

  torch::NoGradGuard no_grad;
  torch::Tensor image = torch::randn({3, 40, 16}), text = torch::randn({3, 5, 16});
};

TEST_P(PreparedTextTest, IsRefusedByAnotherLayer) {
  auto own = make(), other = make();
  const auto prepared = own->prepare(text);
  expect_value_error([&] { other->forward_prepared(image, prepared); }, kAnothers);
  expect_value_error([&] { other->attention_weights(image, prepared); }, kAnothers);
  auto clone = std::dynamic_pointer_cast<CrossAttentionImpl>(own->clone());
  expect_value_error([&] { clone->forward_prepared(image, prepared); }, kAnothers);

  Attention attention(AttentionOptions(16).heads(4).dim_head(4));
  expect_value_error(
      [&] { attention->forward_prepared(image, prepared); },
      "[Attention] text (prepared): expected one that this layer prepared, got another's");
}

TEST_P(PreparedTextTest, IsRefusedAfterAnyOfItsWeightsChanges) {
  auto attention = make();
  for (const auto& item : attention->named_parameters()) {
    const auto prepared = attention->prepare(text);
    attention->forward_prepared(image, prepared);
    item.value().add_(0.5);
    SCOPED_TRACE(item.key());
    expect_value_error([&] { attention->forward_prepared(image, prepared); }, kChanged);
    EXPECT_THROW(cross_attention(image, prepared), ValueError);
  }
  const auto prepared = attention->prepare(text);
  load_state_dict(*attention, state_dict(*make()));
  expect_value_error([&] { attention->forward_prepared(image, prepared); }, kChanged);
}

TEST_P(PreparedTextTest, IsRefusedAfterItsLayerIsConverted) {
  auto attention = make();
  const auto prepared = attention->prepare(text);
  attention->to(torch::kDouble);
  expect_value_error([&] { attention->forward_prepared(image.to(torch::kDouble), prepared); },
                     kChanged);
  attention->to(torch::kFloat);
  expect_value_error([&] { attention->forward_prepared(image, prepared); }, kChanged);
}

TEST_P(PreparedTextTest, IsRefusedByTheOpForAnotherBatchOrWidth) {
  auto attention = make();
  const auto prepared = attention->prepare(text);
  expect_value_error(
      [&] {
        cross_attention(torch::randn({2, 40, 16}), prepared);
      },
      "[cross_attention] image_features: expected [3, N, 16], got [2, 40, 16]");
  expect_value_error(
      [&] {
        cross_attention(torch::randn({3, 40, 8}), prepared);
      },
      "[cross_attention] image_features: expected [3, N, 16], got [3, 40, 8]");
  expect_value_error(
      [&] {
        cross_attention(torch::randn({3, 16}), prepared);
      },
      "[cross_attention] image_features: expected [3, N, 16], got [3, 16]");
  expect_value_error([&] { cross_attention(image, {}); },
                     "[cross_attention] text (prepared): expected one that prepare_text made, got "
                     "none");
  expect_value_error(
      [&] {
        prepare_text(attention->weights(), torch::randn({3, 5, 8}), {}, GetParam());
      },
      "[prepare_text] text_features: expected [B, T, 16], got [3, 5, 8]");
  expect_value_error(
      [&] {
        prepare_text(attention->weights(), text, torch::ones({3, 1, 1, 4}), GetParam());
      },
      "[prepare_text] mask: expected [3, 1, 1, 5], got [3, 1, 1, 4]");
}

TEST_P(PreparedTextTest, OfOneServesAnyBatchOfImages) {
  auto attention = make();
  const auto one = text.narrow(0, 1, 1);
  const auto mask = torch::tensor({true, true, false, true, true}).unsqueeze(0);
  const auto expected = attention->forward_prepared(
      image, attention->prepare(one.expand({3, 5, 16}), mask.expand({3, 5})));
  const auto prepared = attention->prepare(one, mask);
  EXPECT_TRUE(is_near("output", attention->forward_prepared(image, prepared), expected, 1e-6));
  EXPECT_TRUE(is_near("raw", attention(image, one),
                      attention(image, one.expand({3, 5, 16}).contiguous()), 1e-6));
}

TEST_P(PreparedTextTest, IsSelectedRepeatedAndJoined) {
  auto attention = make();
  const auto mask = torch::rand({3, 5}) < 0.7;
  const auto prepared = attention->prepare(text, mask);
  const auto output = attention->forward_prepared(image, prepared);
  EXPECT_EQ(prepared.batch_size(), 3);

  const auto selected = prepared.select({2, 0, 2});
  const auto index = torch::tensor({2, 0, 2});
  EXPECT_TRUE(is_near("selected",
                      attention->forward_prepared(image.index_select(0, index), selected),
                      output.index_select(0, index), 1e-6));
  EXPECT_TRUE(is_near(
      "repeated",
      attention->forward_prepared(image.repeat_interleave(2, 0), prepared.repeat_interleave(2)),
      output.repeat_interleave(2, 0), 1e-6));
  const auto joined = PreparedText::cat({prepared.select({1}), prepared});
  EXPECT_EQ(joined.batch_size(), 4);
  EXPECT_TRUE(is_near(
      "joined", attention->forward_prepared(torch::cat({image.narrow(0, 1, 1), image}), joined),
      torch::cat({output.narrow(0, 1, 1), output}), 1e-6));
}

TEST_P(PreparedTextTest, IsNotSelectedOrJoinedWrongly) {
  auto attention = make(), other = make();
  const auto prepared = attention->prepare(text);
  expect_value_error([&] { prepared.select({3}); },
                     "[PreparedText] texts: expected places from 0 to 2, got 3");
  expect_value_error([&] { prepared.repeat_interleave(0); },
                     "[PreparedText] repeats: expected 1 or more, got 0");
  expect_value_error([&] { PreparedText::cat({}); },
                     "[PreparedText] cat: expected one text or more, got none");
  EXPECT_THROW(PreparedText::cat({prepared, other->prepare(text)}), ValueError);
  EXPECT_THROW(PreparedText::cat({prepared, attention->prepare(text.narrow(1, 0, 4))}), ValueError);
  EXPECT_THROW(
      PreparedText::cat({prepared, attention->prepare(text, torch::ones({3, 5}, torch::kBool))}),
      ValueError);
}

TEST_P(PreparedTextTest, OfSimpleUNetAndItsAttentionAreNotMixed) {
  SimpleUNet unet(SimpleUNetOptions(16).path(GetParam()));
  const auto images = torch::randn({3, 3, 12, 12});
  const auto of_unet = unet->prepare(text);
  const auto of_attention = unet->cross_attention->prepare(text);
  expect_value_error(
      [&] { unet->forward_prepared(images, of_attention); },
      "[SimpleUNet] text (prepared): expected one that this layer prepared, got another's");
  expect_value_error([&] { unet->cross_attention->forward_prepared(image, of_unet); }, kAnothers);
  EXPECT_THROW(SimpleUNet(16)->forward_prepared(images, of_unet), ValueError);
  // By "auto" a plain call of so few pixels takes another path.
  EXPECT_TRUE(is_near("output", unet->forward_prepared(images, of_unet), unet(images, text), 1e-6));
  // The convolutions are a part of what was prepared.
  unet->downsample->bias.add_(1);
  EXPECT_THROW(unet->forward_prepared(images, of_unet), ValueError);
  const auto one = unet->prepare(text.narrow(0, 0, 1));
  EXPECT_TRUE(is_near("one text", unet->forward_prepared(images, one),
                      unet(images, text.narrow(0, 0, 1).expand({3, 5, 16}).contiguous()), 1e-5));
}

INSTANTIATE_TEST_SUITE_P(Paths, PreparedTextTest, ::testing::ValuesIn(kPaths),
                         [](const auto& info) { return to_string(info.param); });

/// bfloat16 autocast on the CPU while one lives.
class Autocast {
 public:
  Autocast() {
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    at::autocast::set_autocast_enabled(at::kCPU, false);
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  }
};

TEST(Autocast, RunsBothModulesAndGivesOurKernelsUp) {
  torch::manual_seed(2);
  const auto image = torch::randn({2, 40, 16}), text = torch::randn({2, 5, 16});
  const auto images = torch::randn({2, 3, 12, 12});
  CrossAttention attention(CrossAttentionOptions(16).num_heads(4));
  SimpleUNet unet(16);
  for (const bool with_gradient : {false, true}) {
    const torch::AutoGradMode mode(with_gradient);
    const auto exact = attention(image, text), exact_unet = unet(images, text);
    const auto prepared = attention->prepare(text);
    torch::Tensor output, output_prepared, unet_output;
    PreparedText prepared_inside;
    {
      const Autocast autocast;
      output = attention(image.to(torch::kBFloat16), text);
      output_prepared = attention->forward_prepared(image, prepared);
      prepared_inside = attention->prepare(text.to(torch::kBFloat16));
      unet_output = unet(images, text);
    }
    for (const auto& each : {output, output_prepared, unet_output})
      EXPECT_EQ(each.scalar_type(), torch::kBFloat16);
    EXPECT_TRUE(is_near("output", output.to(torch::kFloat), exact, 2e-2));
    EXPECT_TRUE(is_near("prepared", output_prepared.to(torch::kFloat), exact, 2e-2));
    EXPECT_TRUE(is_near("unet", unet_output.to(torch::kFloat), exact_unet, 3e-2));
    EXPECT_TRUE(is_near("prepared inside", attention->forward_prepared(image, prepared_inside),
                        exact, 2e-2));
    if (with_gradient) {
      unet_output.to(torch::kFloat).sum().backward();
      EXPECT_EQ(unet->downsample->weight.grad().scalar_type(), torch::kFloat);
    }
  }
}

}  // namespace
}  // namespace xattn
