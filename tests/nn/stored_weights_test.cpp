// Modules whose weights are stored in half precision: what they give, take and refuse.

#include "xattn/nn/stored_weights.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/parity.h"
#include "xattn/core/error.h"
#include "xattn/io/state_dict.h"
#include "xattn/models/simple_unet/simple_unet.h"
#include "xattn/nn/attention.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/cross_attention.h"
#include "xattn/nn/linear.h"
#include "xattn/nn/resnet_block_2d.h"

namespace xattn {
namespace {

using testing::expect_value_error;
using testing::expect_value_error_with;
using testing::is_near;
using testing::is_same;

constexpr double kRounding = 1e-6;

/// Rounds the weights that `store_weights` would store.
void round_weights(torch::nn::Module& module, at::ScalarType dtype) {
  const torch::NoGradGuard no_grad;
  module.apply([&](torch::nn::Module& each) {
    for (auto* weight : {each.as<Linear>() ? &each.as<Linear>()->weight : nullptr,
                         each.as<Conv2d>() ? &each.as<Conv2d>()->weight : nullptr}) {
      if (weight) weight->copy_(weight->to(dtype));
    }
  });
}

/// Three copies of a module: with stored weights, with rounded ones, and as it was.
template <typename Holder>
struct Copies {
  explicit Copies(const Holder& module, at::ScalarType dtype)
      : stored(copy(module)), rounded(copy(module)), exact(module) {
    store_weights(*stored, dtype);
    round_weights(*rounded, dtype);
  }

  static Holder copy(const Holder& module) {
    return Holder(std::dynamic_pointer_cast<typename Holder::ContainedType>(module->clone()));
  }

  /// Expects `call` to give the same of the stored and the rounded, and not of the exact.
  template <typename Call>
  void expect_alike(const Call& call) {
    const torch::NoGradGuard no_grad;
    const auto expected = call(rounded);
    EXPECT_TRUE(is_near("output", call(stored), expected, kRounding));
    EXPECT_FALSE(is_near("the twin that must fail", call(exact), expected, kRounding));
  }

  Holder stored, rounded, exact;
};

class StoredWeights : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override { torch::manual_seed(17); }
  at::ScalarType dtype() const { return GetParam(); }
};

TEST_P(StoredWeights, GiveWhatRoundedOnesGive) {
  Copies(Linear(64, 48), dtype()).expect_alike([x = torch::randn({70, 64})](Linear& module) {
    return module(x);
  });
  Copies(Conv2d(Conv2dOptions(32, 48, 3).padding(1)), dtype())
      .expect_alike([x = torch::randn({2, 32, 30, 30})](Conv2d& module) { return module(x); });
  Copies(ResnetBlock2D(ResnetBlock2DOptions(32).out_channels(48).temb_channels(24).groups(8)),
         dtype())
      .expect_alike([x = torch::randn({2, 32, 20, 20}), temb = torch::randn({2, 24})](
                        ResnetBlock2D& module) { return module(x, temb); });
}

TEST_P(StoredWeights, GiveWhatRoundedOnesGiveInAttention) {
  const auto image = torch::randn({2, 300, 64}), text = torch::randn({2, 9, 64});
  for (const auto path : {AttentionPath::kAuto, AttentionPath::kExplicit, AttentionPath::kSdpa,
                          AttentionPath::kBlocked, AttentionPath::kFolded}) {
    Copies attention(Attention(AttentionOptions(64).heads(4).dim_head(16).path(path)), dtype());
    attention.expect_alike([&](Attention& module) { return module(image, text); });
    attention.expect_alike(
        [&](Attention& module) { return module->forward_prepared(image, module->prepare(text)); });
    attention.expect_alike([&](Attention& module) { return module(image); });
    attention.expect_alike(
        [&](Attention& module) { return module->attention_weights(image, module->prepare(text)); });
    Copies cross(CrossAttention(CrossAttentionOptions(64).num_heads(4).path(path)), dtype());
    cross.expect_alike([&](CrossAttention& module) { return module(image, text); });
  }
}

TEST_P(StoredWeights, GiveWhatRoundedOnesGiveInSimpleUNets) {
  const auto images = torch::randn({2, 3, 24, 40}), text = torch::randn({2, 7, 32});
  for (const auto path : {AttentionPath::kAuto, AttentionPath::kSdpa, AttentionPath::kFolded}) {
    for (const auto layout : {TokenLayout::kSpatial, TokenLayout::kReinterpret}) {
      Copies unet(SimpleUNet(SimpleUNetOptions(32).path(path).token_layout(layout)), dtype());
      unet.expect_alike([&](SimpleUNet& module) { return module(images, text); });
    }
  }
}

TEST_P(StoredWeights, AreThoseOfLinearAndConv2dAlone) {
  SimpleUNet unet(SimpleUNetOptions(32));
  const auto exact = state_dict(*Copies<SimpleUNet>::copy(unet));
  store_weights(*unet, dtype());
  for (const auto& item : state_dict(*unet)) {
    const auto is_stored = item.key().ends_with("weight") && item.key() != "upsample.weight";
    const auto expected = exact[item.key()].to(is_stored ? dtype() : at::kFloat);
    EXPECT_TRUE(is_same(item.key(), item.value(), expected));
  }
}

TEST_P(StoredWeights, TakeFloatsAndNothingElse) {
  const torch::NoGradGuard no_grad;
  CrossAttention stored(CrossAttentionOptions(32)), whole(CrossAttentionOptions(32));
  store_weights(*stored, dtype());
  whole->to(dtype());
  const auto image = torch::randn({2, 9, 32}), text = torch::randn({2, 5, 32});
  EXPECT_EQ(stored(image, text).scalar_type(), at::kFloat);
  EXPECT_EQ(inputs_like(*stored).scalar_type(), at::kFloat);
  EXPECT_EQ(inputs_like(*whole).scalar_type(), dtype());
  expect_value_error([&] { stored(image.to(dtype()), text); },
                     "[CrossAttention] image_features: expected float32 as the weights, got " +
                         std::string(dtype() == at::kHalf ? "float16" : "bfloat16"));
  expect_value_error([&] { whole(image, text.to(dtype())); },
                     "[CrossAttention] image_features: expected " +
                         std::string(dtype() == at::kHalf ? "float16" : "bfloat16") +
                         " as the weights, got float32");
}

TEST_P(StoredWeights, AreOthersToAPreparedText) {
  const torch::NoGradGuard no_grad;
  CrossAttention module(CrossAttentionOptions(32));
  const auto image = torch::randn({2, 9, 32});
  const auto text = module->prepare(torch::randn({2, 5, 32}));
  store_weights(*module, dtype());
  expect_value_error_with([&] { module->forward_prepared(image, text); }, "prepare it again");
}

TEST_P(StoredWeights, AreCloned) {
  const torch::NoGradGuard no_grad;
  Attention module(AttentionOptions(32).heads(2).dim_head(16));
  store_weights(*module, dtype());
  const auto clone = Copies<Attention>::copy(module);
  const auto again = Copies<Attention>::copy(clone);
  const auto x = torch::randn({2, 9, 32});
  for (auto each : {clone, again}) {
    EXPECT_EQ(each->to_q->weight.scalar_type(), dtype());
    EXPECT_FALSE(each->to_q->weight.is_same(module->to_q->weight));
    EXPECT_TRUE(is_same("output", each(x), module(x)));
  }
  const auto expected = module(x);
  clone->to_q->weight.zero_();
  EXPECT_TRUE(is_same("output", module(x), expected));
}

TEST_P(StoredWeights, AreOfOneTypeAgainAfterTo) {
  const torch::NoGradGuard no_grad;
  const auto x = torch::randn({2, 9, 32});
  Copies copies(Attention(AttentionOptions(32).heads(2).dim_head(16)), dtype());
  auto module = copies.stored;
  module->to(at::kFloat);
  for (const auto& parameter : module->parameters()) EXPECT_EQ(parameter.scalar_type(), at::kFloat);
  EXPECT_TRUE(is_same("output", module(x), copies.rounded(x)));
  {
    const torch::AutoGradMode with_gradients(true);
    module(x).sum().backward();
    EXPECT_TRUE(module->to_q->weight.grad().defined());
  }

  store_weights(*module, dtype());
  module->to(at::kCPU);  // changes nothing
  EXPECT_EQ(module->to_q->weight.scalar_type(), dtype());
  EXPECT_TRUE(is_near("output", module(x), copies.rounded(x), kRounding));
  module->to(at::kCPU, at::kDouble);
  EXPECT_EQ(module(x.to(at::kDouble)).scalar_type(), at::kDouble);

  store_weights(*copies.exact, dtype());
  copies.exact->to(dtype());
  EXPECT_EQ(copies.exact->to_q->inputs_like().scalar_type(), dtype());
  EXPECT_EQ(copies.exact(x.to(dtype())).scalar_type(), dtype());
}

TEST_P(StoredWeights, StayOnTheCpu) {
  Linear module(4, 4);
  store_weights(*module, dtype());
  const auto before = module->weight.clone();
  expect_value_error_with([&] { module->to(at::Device(at::kCUDA, 0)); },
                          "[store_weights] device: expected cpu, for a weight that is stored as");
  expect_value_error_with([&] { module->clone(at::Device(at::kCUDA, 0)); }, "got cuda:0");
  EXPECT_TRUE(is_same("weight", module->weight, before));
}

TEST_P(StoredWeights, HaveNoGradients) {
  Attention module(AttentionOptions(32).heads(2).dim_head(16));
  store_weights(*module, dtype());
  auto x = torch::randn({2, 9, 32});
  expect_value_error_with([&] { module(x); },
                          ": expected no gradient wanted of one that is stored as");
  expect_value_error_with([&] { module->to_q(x); }, "[store_weights] weight: expected no gradient");
  // Those of inputs and of what is not stored pass through.
  for (auto& layer : {module->to_q, module->to_k, module->to_v})
    layer->weight.requires_grad_(false);
  module->to_out->at<LinearImpl>(0).weight.requires_grad_(false);
  x.requires_grad_(true);
  auto wide = Copies<Attention>::copy(module);
  wide->to(at::kFloat);
  auto other = x.detach().clone().requires_grad_(true);
  module(x).square().sum().backward();
  wide(other).square().sum().backward();
  EXPECT_TRUE(is_near("gradient", x.grad(), other.grad(), kRounding));
}

TEST_P(StoredWeights, TakeValuesOfAnyFloatingType) {
  Linear module(8, 8), other(8, 8);
  store_weights(*module, dtype());
  load_state_dict(*module, state_dict(*other));
  EXPECT_TRUE(is_same("weight", module->weight, other->weight.to(dtype())));
  EXPECT_THROW(load_state_dict(*module, state_dict(*other), {.strict_dtype = true}),
               StateDictError);
}

INSTANTIATE_TEST_SUITE_P(Types, StoredWeights, ::testing::Values(at::kHalf, at::kBFloat16),
                         [](const auto& info) { return std::string(toString(info.param)); });

TEST(StoreWeights, RefusesWhatItCannotStore) {
  Attention module(AttentionOptions(32).heads(2).dim_head(16));
  const auto before = state_dict(*Copies<Attention>::copy(module));
  expect_value_error([&] { store_weights(*module, at::kFloat); },
                     "[store_weights] dtype: expected float16 or bfloat16, got float32");
  expect_value_error([&] { store_weights(*module, at::kInt); },
                     "[store_weights] dtype: expected float16 or bfloat16, got int32");
  module->to_out->at<LinearImpl>(0).to(at::kDouble);
  expect_value_error(
      [&] { store_weights(*module, at::kHalf); },
      "[store_weights] to_out.0.weight: expected float32 on cpu, got float64 on cpu");
  EXPECT_TRUE(is_same("weight", module->to_q->weight, before["to_q.weight"]));
  module->to(at::kFloat);
  store_weights(*module, at::kHalf);
  expect_value_error([&] { store_weights(*module, at::kBFloat16); },
                     "[store_weights] to_q.weight: expected float32 on cpu, got float16 on cpu");
}

TEST(InputsLike, IsUndefinedWithoutParameters) {
  EXPECT_FALSE(inputs_like(*torch::nn::ModuleList()).defined());
  EXPECT_TRUE(inputs_like(*GroupNorm(2, 4)).defined());
}

}  // namespace
}  // namespace xattn
