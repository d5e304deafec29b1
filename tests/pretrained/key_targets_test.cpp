// Keys that are mapped with the config: one tensor of a file feeds several parameters.

#include <gtest/gtest.h>
#include <torch/nn/cloneable.h>
#include <torch/utils.h>

#include <filesystem>
#include <fstream>

#include "io/support/temporary_folder.h"
#include "xattn/core/error.h"
#include "xattn/io/checkpoint.h"
#include "xattn/io/safetensors.h"
#include "xattn/io/state_dict.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/linear.h"
#include "xattn/pretrained/from_pretrained.h"

namespace xattn::testing {
namespace {

struct SplitConfig {
  int64_t width = 6;

  static SplitConfig from_json(const std::string& /*text*/) { return {}; }
};

/// Its files have q, k and v in one matrix, a matrix that multiplies from the left, and a
/// convolution for a linear layer.
class SplitImpl : public torch::nn::Cloneable<SplitImpl> {
 public:
  using Config = SplitConfig;
  static constexpr const char* kClassName = "Split";

  explicit SplitImpl(const SplitConfig& config_) : config(config_) { reset(); }

  void reset() override {
    to_q = register_module("to_q", Linear(config.width, config.width));
    to_k = register_module("to_k", Linear(config.width, config.width));
    to_v = register_module("to_v", Linear(config.width, config.width));
    proj = register_module(
        "proj", Linear(torch::nn::LinearOptions(config.width, config.width + 2).bias(false)));
    to_out = register_module(
        "to_out", Linear(torch::nn::LinearOptions(config.width, config.width).bias(false)));
  }

  static std::vector<KeyTarget> map_key(const SplitConfig& config, const std::string& key) {
    if (key.starts_with("in_proj_")) {
      const auto kind = "." + key.substr(8);
      std::vector<KeyTarget> targets;
      for (const auto* name : {"to_q", "to_k", "to_v"}) {
        const auto start = static_cast<int64_t>(targets.size()) * config.width;
        targets.push_back({.key = name + kind, .slice = KeyTarget::Slice{0, start, config.width}});
      }
      return targets;
    }
    if (key == "projection") return {KeyTarget{.key = "proj.weight", .transpose = true}};
    if (key == "out.weight") return {KeyTarget{.key = "to_out.weight", .squeeze = true}};
    return {KeyTarget{.key = key}};
  }

  SplitConfig config;
  Linear to_q = nullptr, to_k = nullptr, to_v = nullptr, proj = nullptr, to_out = nullptr;
};
TORCH_MODULE(Split);

class KeyTargets : public ::testing::Test {
 protected:
  KeyTargets() {
    torch::manual_seed(5);
    tensors_.insert("in_proj_weight", torch::randn({18, 6}));
    tensors_.insert("in_proj_bias", torch::randn({18}));
    tensors_.insert("projection", torch::randn({6, 8}));
    tensors_.insert("out.weight", torch::randn({6, 6, 1, 1}));
    write("config.json", R"({"_class_name": "Split"})");
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  void save() { save_safetensors(folder_ / "diffusion_pytorch_model.safetensors", tensors_); }

  void expect_loads() {
    for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble}) {
      PretrainedOptions options;
      options.dtype = dtype;
      const auto loaded = from_pretrained<Split>(folder_.path().string(), options);
      const auto weights = tensors_["in_proj_weight"].to(dtype).chunk(3);
      const auto biases = tensors_["in_proj_bias"].to(dtype).chunk(3);
      EXPECT_TRUE(torch::equal(loaded->to_q->weight, weights[0]));
      EXPECT_TRUE(torch::equal(loaded->to_k->weight, weights[1]));
      EXPECT_TRUE(torch::equal(loaded->to_v->weight, weights[2]));
      EXPECT_TRUE(torch::equal(loaded->to_q->bias, biases[0]));
      EXPECT_TRUE(torch::equal(loaded->to_v->bias, biases[2]));
      EXPECT_TRUE(torch::equal(loaded->proj->weight, tensors_["projection"].to(dtype).t()));
      EXPECT_TRUE(
          torch::equal(loaded->to_out->weight, tensors_["out.weight"].to(dtype).view({6, 6})));
    }
  }

  std::string error() {
    try {
      from_pretrained<Split>(folder_.path().string());
    } catch (const StateDictError& error) {
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  TemporaryFolder folder_;
  StateDict tensors_;
};

TEST_F(KeyTargets, FeedSeveralParametersFromSafetensors) {
  save();
  expect_loads();
}

TEST_F(KeyTargets, FeedSeveralParametersFromShards) {
  std::string map;
  int number = 0;
  for (const auto& item : tensors_) {
    const auto name = "shard-" + std::to_string(number++) + ".safetensors";
    StateDict one;
    one.insert(item.key(), item.value());
    save_safetensors(folder_ / name, one);
    map += (map.empty() ? "\"" : ", \"") + item.key() + "\": \"" + name + "\"";
  }
  write("diffusion_pytorch_model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
  expect_loads();
}

TEST_F(KeyTargets, FeedSeveralParametersFromBin) {
  const auto golden = golden_files();
  if (golden.empty()) GTEST_SKIP() << "no golden data";
  std::filesystem::copy_file(golden / "good" / "fused.pt", folder_ / "diffusion_pytorch_model.bin");
  tensors_ = load_checkpoint((golden / "good" / "fused.pt").string()).tensors;
  expect_loads();
}

TEST_F(KeyTargets, AreNamedWhereTheyDoNotFit) {
  tensors_["in_proj_weight"] = torch::randn({12, 6});
  tensors_["projection"] = torch::randn({8, 6});
  tensors_["out.weight"] = torch::randn({6, 6, 3, 3});
  tensors_.insert("to_k.bias", torch::randn({6}));
  save();
  EXPECT_EQ(error().substr(error().find("Split: ")),
            "Split: to_v.weight: expected float32 [6, 6], got in_proj_weight[12:18] of float32 "
            "[12, 6]; proj.weight: expected float32 [8, 6], got projection[transposed] of float32 "
            "[8, 6]; to_out.weight: expected float32 [6, 6], got out.weight[squeezed] of float32 "
            "[6, 6, 3, 3]; to_k.bias: expected one tensor, got in_proj_bias[6:12] and to_k.bias");
}

TEST_F(KeyTargets, TakeAllOfATensor) {
  tensors_["in_proj_weight"] = torch::randn({24, 6});
  save();
  EXPECT_EQ(error().substr(error().find("Split: ")),
            "Split: in_proj_weight: expected slices of all 144 elements, got slices of 108");
}

TEST_F(KeyTargets, AreMissingTogether) {
  StateDict some;
  for (const auto& item : tensors_) {
    if (item.key() != "in_proj_bias") some.insert(item.key(), item.value());
  }
  tensors_ = some;
  save();
  EXPECT_NE(error().find("missing to_q.bias, to_k.bias, to_v.bias"), std::string::npos);
}

}  // namespace
}  // namespace xattn::testing
