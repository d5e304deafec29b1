// Gradients of layers that are computed again are the same, and less memory is held meanwhile.

#include "xattn/nn/gradient_checkpoint.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "support/errors.h"
#include "support/parity.h"
#include "training/small_models.h"
#include "xattn/core/autocast.h"
#include "xattn/models/unet_2d_condition/unet_down_block_2d.h"
#include "xattn/nn/linear.h"

namespace xattn::testing {
namespace {

/// How many bytes of tensors there are at most at a time, of those made while it lives.
class PeakMemory : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* /*ptr*/, int64_t size, size_t /*total*/, size_t /*reserved*/,
                         c10::Device /*device*/) override {
    now_ += size;
    peak_ = std::max(peak_, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t peak() const { return peak_; }

 private:
  int64_t now_ = 0, peak_ = 0;
};

template <typename Function>
int64_t peak_of(const Function& function) {
  const auto memory = std::make_shared<PeakMemory>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, memory);
  function();
  return memory->peak();
}

/// Computes the gradients of a model both ways, and expects less memory the second time.
template <typename Model, typename Backward>
std::array<std::vector<at::Tensor>, 2> both_ways(Model model, const Backward& backward,
                                                 double memory_left) {
  std::array<std::vector<at::Tensor>, 2> gradients;
  backward(model);  // so that both find what is made once
  take_gradients(*model);
  const auto plain = peak_of([&] { backward(model); });
  gradients[0] = take_gradients(*model);
  model->enable_gradient_checkpointing();
  EXPECT_TRUE(is_gradient_checkpointing(*model));
  const auto checkpointed = peak_of([&] { backward(model); });
  gradients[1] = take_gradients(*model);
  EXPECT_LT(static_cast<double>(checkpointed), memory_left * static_cast<double>(plain))
      << checkpointed << " of " << plain << " bytes";
  model->disable_gradient_checkpointing();
  EXPECT_FALSE(is_gradient_checkpointing(*model));
  EXPECT_NEAR(static_cast<double>(peak_of([&] { backward(model); })), static_cast<double>(plain),
              0.01 * static_cast<double>(plain));
  take_gradients(*model);
  return gradients;
}

void expect_same_bits(const torch::nn::Module& module,
                      const std::array<std::vector<at::Tensor>, 2>& gradients) {
  const auto names = module.named_parameters().keys();
  for (size_t i = 0; i < names.size(); ++i)
    EXPECT_TRUE(is_same(names[i], gradients[1][i], gradients[0][i]));
}

void backward_of_autoencoder(AutoencoderKL& model) {
  const auto posterior = model->encode(drawn({2, 3, 32, 32}, 1));
  (model->decode(posterior.sample(generator_of(2))).square().mean() + posterior.kl().mean())
      .backward();
}

TEST(GradientCheckpoint, OfAnAutoencoderEveryBitIsTheSame) {
  auto model = small_autoencoder();
  expect_same_bits(*model, both_ways(model, backward_of_autoencoder, 0.75));
}

TEST(GradientCheckpoint, OfATextEncoderEveryBitIsTheSame) {
  auto model = small_text_encoder();
  const auto backward = [](CLIPTextModel& encoder) {
    encoder(torch::arange(36).view({4, 9})).last_hidden_state.square().sum().backward();
  };
  expect_same_bits(*model, both_ways(model, backward, 0.95));
  // As the original: in training alone.
  model->eval();
  model->enable_gradient_checkpointing();
  EXPECT_EQ(model(torch::arange(9).view({1, 9})).last_hidden_state.grad_fn()->name(),
            "NativeLayerNormBackward0");
}

TEST(GradientCheckpoint, OfAUNetSumsOfGradientsAloneAreRoundedOtherwise) {
  auto model = small_unet();
  const auto text = drawn({4, 9, 32}, 3).requires_grad_(true);
  std::vector<at::Tensor> of_text;
  const auto backward = [&](UNet2DConditionModel& unet) {
    text.mutable_grad().reset();
    const auto output = unet(drawn({4, 4, 16, 16}, 1), torch::tensor({3, 500, 998, 0}), text);
    (output * drawn(output.sizes(), 4)).sum().backward();
    of_text.push_back(text.grad().clone());
  };
  const auto gradients = both_ways(model, backward, 0.8);
  const auto names = model->named_parameters().keys();
  for (size_t i = 0; i < names.size(); ++i)
    EXPECT_TRUE(is_near(names[i], gradients[1][i], gradients[0][i], 1e-4));
  EXPECT_TRUE(is_near("text", of_text[2], of_text[1], 1e-5));
}

TEST(GradientCheckpoint, OfABlockWithOneUserEveryBitIsTheSame) {
  torch::manual_seed(5);
  CrossAttnDownBlock2D block(
      DownBlock2DOptions(16, 32, UNetResnetOptions(24).resnet_groups(4).dropout(0.2).num_layers(2)),
      UNetTransformerOptions().num_attention_heads(4).cross_attention_dim(20));
  std::vector<at::Tensor> inputs;
  const auto backward = [&] {
    auto x = drawn({2, 16, 8, 8}, 1).requires_grad_(true);
    auto temb = drawn({2, 24}, 2).requires_grad_(true);
    torch::manual_seed(8);  // the dropout's
    block->forward(x, temb, TextContext(drawn({2, 5, 20}, 3)))
        .hidden_states.square()
        .sum()
        .backward();
    inputs.push_back(x.grad());
    inputs.push_back(temb.grad());
    inputs.push_back(torch::rand({4}));  // what is drawn next
  };
  std::array<std::vector<at::Tensor>, 2> gradients;
  for (const bool again : {false, true}) {
    set_gradient_checkpointing(*block, again);
    backward();
    gradients[again ? 1 : 0] = take_gradients(*block);
  }
  expect_same_bits(*block, gradients);
  EXPECT_TRUE(is_same("hidden_states", inputs[3], inputs[0]));
  EXPECT_TRUE(is_same("temb", inputs[4], inputs[1]));
  EXPECT_TRUE(is_same("random numbers", inputs[5], inputs[2]));
}

TEST(GradientCheckpoint, UnderAutocastEveryBitIsTheSame) {
  auto model = small_autoencoder();
  std::array<std::vector<at::Tensor>, 2> gradients;
  for (const bool again : {false, true}) {
    set_gradient_checkpointing(*model, again);
    at::Tensor loss;
    {
      const Autocast autocast(at::kCPU);
      const auto posterior = model->encode(drawn({2, 3, 16, 16}, 1));
      loss = model->decode(posterior.sample(generator_of(2))).to(torch::kFloat).square().mean();
    }
    loss.backward();
    gradients[again ? 1 : 0] = take_gradients(*model);
  }
  expect_same_bits(*model, gradients);
}

TEST(GradientCheckpoint, ACloneHasTheSwitchAndAFileHasNot) {
  auto model = small_unet();
  const auto keys = state_dict(*model).keys();
  model->enable_gradient_checkpointing();
  EXPECT_EQ(state_dict(*model).keys(), keys);
  const auto clone = std::dynamic_pointer_cast<UNet2DConditionModelImpl>(model->clone());
  EXPECT_TRUE(clone->down_blocks->at<UNetDownBlock2DImpl>(0).gradient_checkpointing);
  model->disable_gradient_checkpointing();
  EXPECT_TRUE(is_gradient_checkpointing(*clone));
}

TEST(GradientCheckpoint, APreparedTextIsRefused) {
  auto model = small_unet();
  const auto text = model->prepare(drawn({1, 9, 32}, 1));
  model->enable_gradient_checkpointing();
  const auto run = [&] {
    return model->forward_prepared(drawn({1, 4, 8, 8}, 1), torch::tensor(5), text);
  };
  expect_value_error(run,
                     "[UNet2DConditionModel] down_blocks.0.attentions.0: text (prepared): expected "
                     "the text itself, with gradient checkpointing, got a prepared one");
  const torch::NoGradGuard no_grad;
  EXPECT_NO_THROW(run());
}

class Function : public ::testing::Test {
 protected:
  Function() { torch::manual_seed(1); }

  at::Tensor compute(const at::Tensor& x) {
    return gradient_checkpoint(linear.ptr(),
                               [this](const std::vector<at::Tensor>& inputs) {
                                 ++calls;
                                 return linear->forward(inputs[0]) * scale;
                               },
                               {x, at::Tensor()});
  }

  Linear linear{3, 2};
  double scale = 1;
  int calls = 0;
};

TEST_F(Function, ParametersHaveGradientsWhereNoInputHas) {
  compute(drawn({4, 3}, 1)).sum().backward();
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(
      is_near("weight", linear->weight.grad(), drawn({4, 3}, 1).sum(0).expand({2, 3}), 1e-6));
}

TEST_F(Function, GradientsCanBeAskedForByName) {
  const auto x = drawn({4, 3}, 1).requires_grad_(true);
  const auto found = torch::autograd::grad({compute(x).sum()}, {linear->bias});
  EXPECT_TRUE(is_same("bias", found[0], torch::full({2}, 4.0F)));
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(linear->weight.grad().defined());
}

TEST_F(Function, NothingIsComputedAgainWithoutGradients) {
  const torch::NoGradGuard no_grad;
  const auto output = compute(drawn({4, 3}, 1).requires_grad_(true));
  EXPECT_FALSE(output.requires_grad());
  EXPECT_EQ(calls, 1);
}

TEST_F(Function, GradientsOfGradientsAreRefused) {
  const auto x = drawn({4, 3}, 1).requires_grad_(true);
  const auto sum = compute(x).square().sum();
  expect_value_error([&] { torch::autograd::grad({sum}, {x}, {}, std::nullopt, true); },
                     "[gradient_checkpoint] create_graph: expected false, got true");
}

TEST_F(Function, AGraphThatIsKeptIsComputedTwice) {
  const auto sum = compute(drawn({4, 3}, 1)).sum();
  sum.backward({}, /*retain_graph=*/true);
  sum.backward();
  EXPECT_EQ(calls, 3);
  EXPECT_TRUE(is_same("bias", linear->bias.grad(), torch::full({2}, 8.0F)));
}

TEST_F(Function, ALayerThatChangesMeanwhileGivesOtherGradients) {
  const auto sum = compute(drawn({4, 3}, 1)).sum();
  scale = 3;
  sum.backward();
  EXPECT_TRUE(is_same("bias", linear->bias.grad(), torch::full({2}, 12.0F)));
}

TEST_F(Function, TheLayerIsKeptUntilBackward) {
  std::weak_ptr<torch::nn::Module> module = linear.ptr();
  const auto weight = linear->weight;
  auto sum = compute(drawn({4, 3}, 1)).sum();
  EXPECT_EQ(module.use_count(), 2);
  sum.backward();
  sum = at::Tensor();
  EXPECT_EQ(module.use_count(), 1);
}

TEST(GradientCheckpoint, AModuleWithoutSuchLayersIsRefused) {
  Linear linear(3, 2);
  expect_value_error_with([&] { set_gradient_checkpointing(*linear, true); },
                          "[set_gradient_checkpointing] module: expected one with checkpointed");
}

}  // namespace
}  // namespace xattn::testing
