// Models loaded with half-stored weights: their numbers, what a file of halves loses, and memory.

#include "xattn/nn/stored_weights.h"

#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <torch/utils.h>

#include <fstream>

#include "io/support/temporary_folder.h"
#include "support/errors.h"
#include "support/parity.h"
#include "xattn/io/state_dict.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/linear.h"
#include "xattn/pretrained/any_model.h"

namespace xattn::testing {
namespace {

/// A model large enough for our kernels, and what it makes of some inputs.
struct StoredModelCase {
  const char* name;
  AnyModel (*make)();
  at::Tensor (*run)(const AnyModel& model);
};

AnyModel make_unet() {
  UNet2DConditionConfig config;
  config.block_out_channels = {32, 64};
  config.down_block_types = {"CrossAttnDownBlock2D", "DownBlock2D"};
  config.up_block_types = {"UpBlock2D", "CrossAttnUpBlock2D"};
  config.layers_per_block = {1};
  config.norm_num_groups = 8;
  config.cross_attention_dim = {48};
  config.attention_head_dim = {4};
  return UNet2DConditionModel(config);
}

at::Tensor run_unet(const AnyModel& model) {
  auto unet = std::get<UNet2DConditionModel>(model);
  const auto sample = torch::randn({2, 4, 32, 40}), text = torch::randn({2, 77, 48});
  const auto output = unet(sample, torch::tensor(417), text);
  // The text prepared by itself too, which takes other paths.
  const auto prepared = unet->forward_prepared(sample, torch::tensor(417), unet->prepare(text));
  return torch::stack({output, prepared});
}

AnyModel make_autoencoder() {
  AutoencoderKLConfig config;
  config.block_out_channels = {32, 64};
  config.down_block_types = {"DownEncoderBlock2D", "DownEncoderBlock2D"};
  config.up_block_types = {"UpDecoderBlock2D", "UpDecoderBlock2D"};
  config.norm_num_groups = 8;
  return AutoencoderKL(config);
}

at::Tensor run_autoencoder(const AnyModel& model) {
  auto vae = std::get<AutoencoderKL>(model);
  const auto mean = vae->encode(torch::randn({1, 3, 48, 64})).mean;
  return torch::cat({mean.flatten(), vae->decode(mean).flatten()});
}

CLIPTextConfig text_config(int64_t width, int64_t layers) {
  CLIPTextConfig config;
  config.vocab_size = 60;
  config.hidden_size = width;
  config.intermediate_size = 4 * width;
  config.projection_dim = 40;
  config.num_hidden_layers = layers;
  config.num_attention_heads = 4;
  config.bos_token_id = 58;
  config.eos_token_id = 59;
  return config;
}

AnyModel make_text_encoder() {
  return CLIPTextModelWithProjection(text_config(64, 2));
}

at::Tensor run_text_encoder(const AnyModel& model) {
  auto text = std::get<CLIPTextModelWithProjection>(model);
  auto ids = torch::randint(58, {3, 77}, torch::kLong);
  ids.select(1, 76).fill_(59);
  const auto output = text->forward(ids);
  return torch::cat({output.last_hidden_state.flatten(), output.text_embeds.flatten()});
}

std::ostream& operator<<(std::ostream& stream, const StoredModelCase& model_case) {
  return stream << model_case.name;
}

/// A processor may multiply stored weights by kernels of ours, and floats by LibTorch's.
constexpr double kOtherKernels = 5e-6;

/// Rounds what is stored in half precision.
void round_weights_of(torch::nn::Module& module, at::ScalarType dtype) {
  const torch::NoGradGuard no_grad;
  module.apply([&](torch::nn::Module& each) {
    if (auto* linear = each.as<Linear>()) linear->weight.copy_(linear->weight.to(dtype));
    if (auto* conv = each.as<Conv2d>()) conv->weight.copy_(conv->weight.to(dtype));
  });
}

class StoredWeightsModel : public ::testing::TestWithParam<StoredModelCase> {
 protected:
  StoredWeightsModel() {
    torch::manual_seed(23);
    save_pretrained(GetParam().make(), folder());
  }

  std::string folder() const { return folder_.path().string(); }

  at::Tensor run(const AnyModel& model) const {
    torch::manual_seed(24);
    return GetParam().run(model);
  }

  static void expect_equal(const AnyModel& found, const AnyModel& expected) {
    const auto tensors = state_dict(*module_of(found)), others = state_dict(*module_of(expected));
    ASSERT_EQ(tensors.keys(), others.keys());
    for (const auto& item : tensors)
      EXPECT_TRUE(is_same(item.key(), item.value(), others[item.key()]));
  }

  TemporaryFolder folder_, other_;
  torch::NoGradGuard no_grad_;
};

TEST_P(StoredWeightsModel, GivesWhatRoundedWeightsGive) {
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    const auto exact = open_pretrained(folder());
    const auto stored = open_pretrained(folder(), {.weights_dtype = dtype}),
               rounded = open_pretrained(folder());
    round_weights_of(*module_of(rounded), dtype);
    EXPECT_EQ(inputs_like(*module_of(stored)).scalar_type(), at::kFloat);
    const auto expected = run(rounded);
    EXPECT_TRUE(is_near("output", run(stored), expected, kOtherKernels));
    EXPECT_FALSE(is_near("the twin that must fail", run(exact), expected, kOtherKernels));

    store_weights(*module_of(exact), dtype);
    expect_equal(exact, stored);
  }
}

TEST_P(StoredWeightsModel, IsSavedAsItIsStored) {
  const auto stored = open_pretrained(folder(), {.weights_dtype = at::kHalf});
  const auto other = other_.path().string();
  save_pretrained(stored, other, {.variant = "fp16"});
  expect_equal(open_pretrained(other, {.weights_dtype = at::kHalf, .variant = "fp16"}), stored);
  const auto wide = open_pretrained(other, {.variant = "fp16"});
  EXPECT_TRUE(is_near("output", run(wide), run(stored), kOtherKernels));
}

// All weights in a file of halves are halves: nothing is rounded.
TEST_P(StoredWeightsModel, OfAFileOfTheSameTypeIsExact) {
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    const auto other = other_.path().string();
    save_pretrained(open_pretrained(folder(), {.dtype = dtype}), other, {.variant = "half"});
    const auto wide = open_pretrained(other, {.variant = "half"}),
               stored = open_pretrained(other, {.weights_dtype = dtype, .variant = "half"});
    EXPECT_TRUE(is_near("output", run(stored), run(wide), kOtherKernels));
    module_of(stored)->to(at::kFloat);
    expect_equal(stored, wide);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, StoredWeightsModel,
    ::testing::Values(StoredModelCase{"unet", make_unet, run_unet},
                      StoredModelCase{"autoencoder", make_autoencoder, run_autoencoder},
                      StoredModelCase{"text_encoder", make_text_encoder, run_text_encoder}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(StoredWeightsLoading, RefusesWhatContradictsIt) {
  const TemporaryFolder folder;
  save_pretrained(CLIPTextModel(text_config(8, 1)), folder.path().string());
  const auto open = [&](const PretrainedOptions& options) {
    from_pretrained<CLIPTextModel>(folder.path().string(), options);
  };
  const std::string start = "[from_pretrained] weights_dtype: expected ";
  expect_value_error([&] { open({.weights_dtype = at::kFloat}); },
                     start + "float16 or bfloat16, got float32");
  expect_value_error([&] { open({.dtype = at::kHalf, .weights_dtype = at::kHalf}); },
                     start + "none for a model that computes in float16, got float16");
  expect_value_error([&] { open({.dtype = at::kDouble, .weights_dtype = at::kBFloat16}); },
                     start + "none for a model that computes in float64, got bfloat16");
  expect_value_error(
      [&] { open({.weights_dtype = at::kHalf, .device = at::Device(at::kCUDA, 0)}); },
      start + "none on cuda:0, got float16");
}

TEST(StoredWeightsLoading, IsDoneUnderInferenceMode) {
  const TemporaryFolder folder;
  save_pretrained(CLIPTextModel(text_config(8, 1)), folder.path().string());
  const c10::InferenceMode inference;
  PretrainedOptions options;
  options.weights_dtype = at::kHalf;
  const auto stored = from_pretrained<CLIPTextModel>(folder.path().string(), options);
  auto wide = from_pretrained<CLIPTextModel>(folder.path().string());
  round_weights_of(*wide, at::kHalf);
  const auto ids = torch::randint(58, {1, 77}, torch::kLong);
  EXPECT_TRUE(is_near("output", stored.ptr()->forward(ids).last_hidden_state,
                      wide.ptr()->forward(ids).last_hidden_state, kOtherKernels));
}

int64_t bytes_in_status(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::stoll(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

TEST(StoredWeightsLoading, HasNoFloatsInMemory) {
  const TemporaryFolder folder;
  int64_t weights = 0;
  {
    const SkipInitialization skip;
    const CLIPTextModel model(text_config(512, 8));
    for (const auto& parameter : model->parameters()) {
      parameter.detach().fill_(0.5);
      weights += int64_t(parameter.nbytes());
    }
    save_pretrained(model, folder.path().string());
  }
  ASSERT_GE(weights, int64_t{96} << 20);
  const auto peak_of = [&](const PretrainedOptions& options) {
    malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << "5";
    const auto before = bytes_in_status("VmRSS");
    const auto model = from_pretrained<CLIPTextModel>(folder.path().string(), options);
    return bytes_in_status("VmHWM") - before;
  };
  if (!(std::ofstream("/proc/self/clear_refs") << "5"))
    GTEST_SKIP() << "the peak cannot be reset here";
  peak_of({});  // what threads keep for themselves
  constexpr int64_t kBeside = int64_t{12} << 20;
  EXPECT_LE(peak_of({.weights_dtype = at::kHalf}), weights / 2 + kBeside);
  EXPECT_LE(peak_of({.weights_dtype = at::kBFloat16}), weights / 2 + kBeside);
  EXPECT_GE(peak_of({}), weights - kBeside);  // what is measured is memory
}

}  // namespace
}  // namespace xattn::testing
