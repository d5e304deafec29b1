// Every path of cross attention against the definition in double precision.

#include "xattn/ops/cross_attention.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include "ops/cpu/choice.h"
#include "support/parity.h"

namespace xattn {
namespace {

using testing::is_near;
using testing::is_same;

constexpr auto kNotSeen = -std::numeric_limits<float>::infinity();
constexpr AttentionPath kPaths[] = {AttentionPath::kAuto, AttentionPath::kExplicit,
                                    AttentionPath::kSdpa, AttentionPath::kBlocked,
                                    AttentionPath::kFolded};

struct Sizes {
  int64_t batch, image_tokens, text_tokens, num_heads;
  int64_t image_width, text_width, inner_width, out_width;
};

struct Layer {
  explicit Layer(const Sizes& s, bool biases = true) {
    const auto matrix = [](int64_t out, int64_t in) {
      return torch::randn({out, in}) / std::sqrt(in);
    };
    weights.query_weight = matrix(s.inner_width, s.image_width);
    weights.key_weight = matrix(s.inner_width, s.text_width);
    weights.value_weight = matrix(s.inner_width, s.text_width);
    weights.out_weight = matrix(s.out_width, s.inner_width);
    if (biases) {
      weights.query_bias = torch::randn({s.inner_width});
      weights.key_bias = torch::randn({s.inner_width});
      weights.value_bias = torch::randn({s.inner_width});
      weights.out_bias = torch::randn({s.out_width});
    }
    weights.num_heads = s.num_heads;
    weights.divisor = std::sqrt(double(s.inner_width) / double(s.num_heads));
    image = torch::randn({s.batch, s.image_tokens, s.image_width});
    text = torch::randn({s.batch, s.text_tokens, s.text_width});
  }

  at::Tensor run(AttentionPath path, const std::optional<at::Tensor>& mask = std::nullopt) const {
    return cross_attention(image, prepare_text(weights, text, mask, path));
  }

  /// The definition, in double precision.
  at::Tensor exact(std::optional<at::Tensor> mask = std::nullopt) const {
    Layer layer = *this;
    auto& w = layer.weights;
    for (auto* tensor :
         {&w.query_weight, &w.key_weight, &w.value_weight, &w.out_weight, &w.query_bias,
          &w.key_bias, &w.value_bias, &w.out_bias, &layer.image, &layer.text}) {
      if (tensor->defined()) *tensor = tensor->detach().to(torch::kDouble);
    }
    if (mask && mask->scalar_type() != torch::kBool) mask = mask->to(torch::kDouble);
    return layer.run(AttentionPath::kExplicit, mask);
  }

  CrossAttentionWeights weights;
  at::Tensor image, text;
};

::testing::AssertionResult is_exact(AttentionPath path, const at::Tensor& actual,
                                    const at::Tensor& exact) {
  return is_near(to_string(path), actual.to(torch::kDouble), exact, 1e-6);
}

class CrossAttentionPaths : public ::testing::TestWithParam<Sizes> {
 protected:
  void SetUp() override { torch::manual_seed(7); }
  torch::NoGradGuard no_grad_;
};

TEST_P(CrossAttentionPaths, GiveTheNumbersOfTheDefinition) {
  for (const bool biases : {true, false}) {
    const Layer layer(GetParam(), biases);
    for (const auto path : kPaths) EXPECT_TRUE(is_exact(path, layer.run(path), layer.exact()));
  }
}

TEST_P(CrossAttentionPaths, TakeMasks) {
  const auto s = GetParam();
  if (s.text_tokens == 0 || s.batch == 0) return;
  const Layer layer(s);
  auto kept = torch::rand({s.batch, 1, 1, s.text_tokens}) < 0.5;
  kept[0] = false;  // a text of which nothing is left
  const auto additive =
      torch::randn({s.batch, 1, 1, s.text_tokens}).masked_fill(kept.logical_not(), kNotSeen);
  for (const auto path : kPaths) {
    EXPECT_TRUE(is_exact(path, layer.run(path, kept), layer.exact(kept)));
    EXPECT_TRUE(is_exact(path, layer.run(path, additive), layer.exact(additive)));
    EXPECT_TRUE(is_same("nothing left", layer.run(path, kept)[0],
                        layer.weights.out_bias.expand({s.image_tokens, s.out_width})));
  }
}

TEST_P(CrossAttentionPaths, KeepTheLayoutOfTheImage) {
  Layer layer(GetParam());
  const auto exact = layer.exact();
  layer.image = layer.image.transpose(1, 2).contiguous().transpose(1, 2);  // channel by channel
  for (const auto path : {AttentionPath::kBlocked, AttentionPath::kFolded}) {
    const auto output = layer.run(path);
    EXPECT_TRUE(is_exact(path, output, exact));
    if (cpu::use_kernels() && layer.image.numel() > 0 && !layer.image.is_contiguous()) {
      EXPECT_TRUE(output.transpose(1, 2).is_contiguous());
    }
  }
  layer.image = torch::stack({layer.image, layer.image}, -1).select(-1, 1);  // neither
  for (const auto path : kPaths) EXPECT_TRUE(is_exact(path, layer.run(path), exact));
}

INSTANTIATE_TEST_SUITE_P(
    Cpu, CrossAttentionPaths,
    ::testing::Values(Sizes{4, 64, 10, 8, 256, 256, 256, 256},
                      Sizes{2, 300, 77, 8, 320, 768, 320, 320}, Sizes{1, 1, 1, 1, 1, 1, 1, 1},
                      Sizes{3, 67, 5, 2, 48, 24, 32, 40}, Sizes{1, 1000, 13, 5, 20, 30, 40, 12},
                      Sizes{2, 257, 3, 4, 16, 16, 16, 16}, Sizes{1, 5, 200, 8, 64, 64, 64, 64},
                      Sizes{2, 9, 0, 4, 16, 16, 16, 16}, Sizes{0, 9, 5, 4, 16, 16, 16, 16},
                      Sizes{2, 0, 5, 4, 16, 16, 16, 16}),
    [](const auto& info) { return "case" + std::to_string(info.index); });

TEST(CrossAttentionPath, IsChosenByCost) {
  if (!cpu::use_kernels() || cpu::processor() == cpu::Processor::kOther) {
    EXPECT_EQ(choose_attention_path({4, 1024, 10, 8, 256, 256, 256, 256}, true),
              AttentionPath::kSdpa);
    return;
  }
  const auto choose = [](int64_t n, int64_t t, int64_t e, bool prepared) {
    return choose_attention_path({4, n, t, 8, e, e, e, e}, prepared);
  };
  EXPECT_EQ(choose(1024, 10, 256, true), AttentionPath::kFolded);
  EXPECT_EQ(choose(1024, 10, 256, false), AttentionPath::kFolded);
  EXPECT_EQ(choose(1024, 77, 256, true), AttentionPath::kBlocked);
  EXPECT_EQ(choose(256, 77, 1280, true), AttentionPath::kFolded);
  // With few image tokens, folding does not pay for itself, and with very few nothing does.
  EXPECT_EQ(choose(64, 77, 1280, false), AttentionPath::kBlocked);
  EXPECT_EQ(choose(1, 10, 64, false), AttentionPath::kSdpa);
  EXPECT_EQ(choose(1, 10, 64, true), AttentionPath::kFolded);
}

TEST(CrossAttentionPath, GivesWayWhereItCannotBeUsed) {
  torch::manual_seed(8);
  const Sizes sizes{2, 20, 5, 4, 16, 16, 16, 16};
  Layer layer(sizes);
  layer.image.requires_grad_(true);
  const auto output = layer.run(AttentionPath::kFolded);
  output.sum().backward();
  const auto gradient = layer.image.grad().clone();
  layer.image.mutable_grad() = at::Tensor();
  layer.run(AttentionPath::kExplicit).sum().backward();
  EXPECT_TRUE(is_near("gradient", gradient, layer.image.grad(), 1e-5));

  torch::NoGradGuard no_grad;
  Layer half(sizes);
  for (auto* tensor :
       {&half.weights.query_weight, &half.weights.key_weight, &half.weights.value_weight,
        &half.weights.out_weight, &half.weights.query_bias, &half.weights.key_bias,
        &half.weights.value_bias, &half.weights.out_bias, &half.image, &half.text}) {
    *tensor = tensor->to(torch::kBFloat16);
  }
  EXPECT_TRUE(
      is_near("bfloat16", half.run(AttentionPath::kFolded).to(torch::kDouble), half.exact(), 2e-2));
}

TEST(CrossAttentionPath, ATextPreparedWithoutGradientsIsDifferentiableInTheImage) {
  torch::manual_seed(9);
  Layer layer(Sizes{2, 20, 5, 4, 16, 16, 16, 16});
  const auto text = prepare_text(layer.weights, layer.text, std::nullopt, AttentionPath::kFolded);
  ASSERT_EQ(text.blocks != nullptr, cpu::use_kernels());
  layer.image.requires_grad_(true);
  cross_attention(layer.image, text).sum().backward();
  EXPECT_TRUE(layer.image.grad().defined());
}

TEST(CrossAttentionPath, PassesOnWhatIsNotANumber) {
  torch::NoGradGuard no_grad;
  Layer layer(Sizes{1, 70, 5, 2, 8, 8, 8, 8});
  layer.image[0][3][0] = std::numeric_limits<float>::quiet_NaN();
  for (const auto path : kPaths) {
    // LibTorch's drops it.
    if (path == AttentionPath::kSdpa || path == AttentionPath::kAuto) continue;
    const auto output = layer.run(path);
    EXPECT_TRUE(output[0][3].isnan().all().item<bool>()) << to_string(path);
    EXPECT_FALSE(output[0][4].isnan().any().item<bool>()) << to_string(path);
  }
}

TEST(CrossAttentionPath, FromEightThreadsAtOnceGivesTheSameBits) {
  torch::manual_seed(10);
  for (const auto path : {AttentionPath::kBlocked, AttentionPath::kFolded}) {
    const Layer layer(Sizes{2, 500, 7, 8, 64, 64, 64, 64});
    torch::NoGradGuard no_grad;
    const auto expected = layer.run(path);
    std::vector<at::Tensor> outputs(8);
    std::vector<std::thread> threads;
    for (auto& output : outputs) {
      threads.emplace_back([&] {
        torch::NoGradGuard no_grad_here;
        for (int i = 0; i < 10; ++i) output = layer.run(path);
      });
    }
    for (auto& thread : threads) thread.join();
    for (const auto& output : outputs) EXPECT_TRUE(is_same("output", output, expected));
  }
}

int64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::stoll(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

TEST(CrossAttentionPath, NeedsAtMost16MiBBesideInputAndOutput) {
  torch::NoGradGuard no_grad;
  const Layer layer(Sizes{1, 65536, 77, 8, 256, 256, 256, 256});
  for (const auto path : {AttentionPath::kExplicit, AttentionPath::kSdpa, AttentionPath::kBlocked,
                          AttentionPath::kFolded}) {
    const auto text = prepare_text(layer.weights, layer.text, std::nullopt, path);
    cross_attention(layer.image.narrow(1, 0, 512),
                    text);  // what threads and BLAS keep for themselves
    if (!(std::ofstream("/proc/self/clear_refs") << "5"))
      GTEST_SKIP() << "the peak cannot be reset here";
    const auto before = status_bytes("VmRSS");
    const auto output = cross_attention(layer.image, text);
    const auto beside = status_bytes("VmHWM") - before - int64_t(output.nbytes());
    EXPECT_LE(beside, int64_t{16} << 20) << to_string(path);
  }
}

}  // namespace
}  // namespace xattn
