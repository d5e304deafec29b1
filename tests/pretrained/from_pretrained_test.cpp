#include "xattn/pretrained/from_pretrained.h"

#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/normalization.h>
#include <torch/utils.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "io/support/temporary_folder.h"
#include "xattn/core/error.h"
#include "xattn/io/checkpoint.h"
#include "xattn/io/safetensors.h"
#include "xattn/io/state_dict.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/linear.h"
#include "xattn/pretrained/save_pretrained.h"

namespace xattn::testing {
namespace {

namespace fs = std::filesystem;

struct TinyConfig {
  int64_t width = 4;
  bool is_transformers = false;

  static TinyConfig from_json(const std::string& text) {
    const auto json = nlohmann::json::parse(text);
    return {json.at("width"), !json.contains("_class_name")};
  }
  std::string to_json() const {
    nlohmann::ordered_json json;
    if (is_transformers) {
      json["architectures"] = {"Tiny"};
    } else {
      json["_class_name"] = "Tiny";
    }
    json["width"] = width;
    return json.dump();
  }
};

/// A module with every kind of what is loaded: weights, a bias, another class's weights, an integer
/// buffer.
class TinyImpl : public torch::nn::Cloneable<TinyImpl> {
 public:
  using Config = TinyConfig;
  static constexpr const char* kClassName = "Tiny";

  explicit TinyImpl(const TinyConfig& config_) : config(config_) { reset(); }

  void reset() override {
    conv = register_module("conv", Conv2d(Conv2dOptions(3, config.width, 3)));
    proj = register_module("proj", Linear(config.width, 700));
    norm =
        register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({config.width})));
    steps = register_buffer("steps", torch::arange(3));
  }

  static std::vector<KeyTarget> map_key(const TinyConfig& /*config*/, const std::string& key) {
    if (key == "position_ids") return {};
    if (key.starts_with("old_conv.")) return {KeyTarget{.key = key.substr(4)}};
    return {KeyTarget{.key = key}};
  }

  TinyConfig config;
  Conv2d conv = nullptr;
  Linear proj = nullptr;
  torch::nn::LayerNorm norm = nullptr;
  torch::Tensor steps;
};
TORCH_MODULE(Tiny);

class FromPretrained : public ::testing::Test {
 protected:
  FromPretrained() {
    torch::manual_seed(7);
    tiny_ = Tiny(TinyConfig{4, false});
    tiny_->steps.copy_(torch::tensor({5, 6, 7}));
    save_pretrained(tiny_, folder());
  }

  std::string folder() const { return folder_.path().string(); }
  std::string weights() const { return folder_ / "diffusion_pytorch_model.safetensors"; }

  /// The message of the one error that loading throws.
  template <typename Expected = FileError>
  std::string error(const PretrainedOptions& options = {}) {
    try {
      from_pretrained<Tiny>(folder(), options);
    } catch (const Expected& error) {
      const std::string text = error.what();
      EXPECT_EQ(text.find('\n'), text.npos) << text;
      return text;
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  void expect_equal(const torch::nn::Module& loaded, at::ScalarType dtype = at::kFloat) {
    const auto expected = state_dict(*tiny_), actual = state_dict(loaded);
    ASSERT_EQ(actual.keys(), expected.keys());
    for (const auto& item : expected) {
      const auto& tensor = actual[item.key()];
      EXPECT_TRUE(torch::equal(
          tensor, item.value().is_floating_point() ? item.value().to(dtype) : item.value()))
          << item.key();
    }
  }

  StateDict copy_of_weights() { return load_checkpoint(weights()).tensors; }

  TemporaryFolder folder_;
  Tiny tiny_ = nullptr;
};

TEST_F(FromPretrained, GivesWhatWasSaved) {
  const auto loaded = from_pretrained<Tiny>(folder());
  expect_equal(*loaded);
  EXPECT_FALSE(loaded->is_training());
  EXPECT_EQ(loaded->config.width, 4);
  for (const auto& parameter : loaded->parameters()) EXPECT_TRUE(parameter.requires_grad());
}

TEST_F(FromPretrained, ConvertsToTheDtypeAskedFor) {
  for (const auto dtype : {at::kHalf, at::kBFloat16, at::kDouble}) {
    PretrainedOptions options;
    options.dtype = dtype;
    const auto loaded = from_pretrained<Tiny>(folder(), options);
    EXPECT_EQ(loaded->proj->weight.scalar_type(), dtype);
    EXPECT_EQ(loaded->steps.scalar_type(), at::kLong);
    expect_equal(*loaded, dtype);
  }
  PretrainedOptions options;
  options.dtype = at::kInt;
  EXPECT_NE(error<ValueError>(options).find("dtype: expected a floating-point one"),
            std::string::npos);
}

TEST_F(FromPretrained, LoadsUnderInferenceMode) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kDouble}) {
    const c10::InferenceMode inference;
    PretrainedOptions options;
    options.dtype = dtype;
    const auto loaded = from_pretrained<Tiny>(folder(), options);
    EXPECT_TRUE(loaded->proj->weight.is_inference());
    expect_equal(*loaded, dtype);
  }
}

TEST_F(FromPretrained, ConvertsLargeTensorsPieceByPiece) {
  Tiny large(TinyConfig{1501, false});
  save_pretrained(large, folder());
  PretrainedOptions half;
  half.dtype = at::kHalf;
  const auto loaded = from_pretrained<Tiny>(folder(), half);
  EXPECT_TRUE(torch::equal(loaded->proj->weight, large->proj->weight.to(at::kHalf)));
  EXPECT_TRUE(torch::equal(from_pretrained<Tiny>(folder())->proj->weight, large->proj->weight));
}

TEST_F(FromPretrained, ReadsVariantsAndSubfolders) {
  SavePretrainedOptions saved;
  saved.variant = "fp16";
  PretrainedOptions half;
  half.dtype = at::kHalf;
  tiny_ = from_pretrained<Tiny>(folder(), half);
  save_pretrained(tiny_, folder() + "/inner/unet", saved);
  PretrainedOptions options;
  options.variant = "fp16";
  options.subfolder = "inner/unet";
  options.dtype = at::kHalf;
  expect_equal(*from_pretrained<Tiny>(folder(), options));
  options.variant = "";
  const auto message = error(options);
  EXPECT_NE(message.find(
                "expected one of the files diffusion_pytorch_model.safetensors.index.json, "
                "diffusion_pytorch_model.safetensors, diffusion_pytorch_model.bin.index.json, "
                "diffusion_pytorch_model.bin, got only 'diffusion_pytorch_model.fp16.safetensors'"),
            std::string::npos)
      << message;
  options.variant = "../x";
  EXPECT_NE(error(options).find("variant: expected a word"), std::string::npos);
}

TEST_F(FromPretrained, ReadsShards) {
  SavePretrainedOptions saved;
  saved.max_shard_size = 500;
  save_pretrained(tiny_, folder(), saved);
  EXPECT_FALSE(fs::exists(weights())) << "the unsharded file of an earlier save stays and is stale";
  EXPECT_TRUE(fs::exists(folder_ / "diffusion_pytorch_model.safetensors.index.json"));
  expect_equal(*from_pretrained<Tiny>(folder()));
  // And back to one file.
  save_pretrained(tiny_, folder());
  size_t files = 0;
  for (const auto& each : fs::directory_iterator(folder())) files += each.is_regular_file();
  EXPECT_EQ(files, 2u);
  expect_equal(*from_pretrained<Tiny>(folder()));
}

TEST_F(FromPretrained, NamesTransformersFilesAsTransformersDoes) {
  TemporaryFolder other;
  Tiny tiny(TinyConfig{4, true});
  save_pretrained(tiny, other.path().string());
  EXPECT_TRUE(fs::exists(other / "model.safetensors"));
  from_pretrained<Tiny>(other.path().string());
  SavePretrainedOptions options;
  options.max_shard_size = 0;
  EXPECT_THROW(save_pretrained(tiny, other.path().string(), options), ValueError);
  options.max_shard_size = 1;  // each tensor has a file
  save_pretrained(tiny, other.path().string(), options);
  EXPECT_TRUE(fs::exists(other / "model-00007-of-00007.safetensors"));
  from_pretrained<Tiny>(other.path().string());
}

TEST_F(FromPretrained, RenamesAndDropsKeys) {
  auto tensors = copy_of_weights();
  StateDict renamed;
  for (const auto& item : tensors) {
    renamed.insert(item.key().starts_with("conv.") ? "old_" + item.key() : item.key(),
                   item.value());
  }
  renamed.insert("position_ids", torch::arange(7));
  save_safetensors(weights(), renamed);
  expect_equal(*from_pretrained<Tiny>(folder()));
  renamed.insert("conv.bias", torch::zeros({4}));
  save_safetensors(weights(), renamed);
  EXPECT_NE(error<StateDictError>().find("conv.bias: expected one tensor, got "),
            std::string::npos);
}

TEST_F(FromPretrained, ListsAllProblemsOfTheWeightsAtOnce) {
  StateDict wrong;
  for (const auto& item : copy_of_weights()) {
    if (item.key() == "norm.weight") continue;
    wrong.insert(item.key(), item.key() == "conv.bias" ? torch::zeros({5}) : item.value());
  }
  wrong.insert("extra", torch::zeros({1}));
  wrong.insert("norm.scale", torch::zeros({1}));
  save_safetensors(weights(), wrong);
  EXPECT_EQ(error<StateDictError>(),
            "[from_pretrained] " + folder() +
                ": Tiny: missing norm.weight; unexpected extra, norm.scale; "
                "conv.bias: expected float32 [4], got float32 [5]");
}

TEST_F(FromPretrained, RefusesDtypesThatAreNotConverted) {
  StateDict wrong;
  for (const auto& item : copy_of_weights()) {
    wrong.insert(item.key(), item.key() == "conv.bias" ? item.value().to(at::kInt) : item.value());
  }
  save_safetensors(weights(), wrong);
  EXPECT_NE(error<StateDictError>().find("conv.bias: expected float32 [4], got int32 [4]"),
            std::string::npos);
}

TEST_F(FromPretrained, RefusesBadConfigs) {
  const auto config = folder_ / "config.json";
  const auto expect = [&]<typename Error>(const std::string& text, const std::string& message,
                                          const Error*) {
    write_bytes(config, text);
    EXPECT_EQ(error<Error>(), "[from_pretrained] " + config + ": " + message);
  };
  const FileError* file = nullptr;
  const ValueError* value = nullptr;
  expect("", "expected a JSON object, got an error at byte 1", file);
  expect("{\"width\": 4", "expected a JSON object, got an error at byte 12", file);
  expect("[]", "expected a JSON object, got '[]'", file);
  expect(std::string(1'000'000, '['), "JSON: expected at most 64 levels, got more at byte 64",
         file);
  expect("{\"_class_name\": \"UNet3D\", \"width\": 4}", "expected the class Tiny, got UNet3D",
         value);
  expect("{\"architectures\": [\"A\", \"B\"]}", "expected the class Tiny, got A, B", value);
  fs::remove(config);
  EXPECT_EQ(error(),
            "[from_pretrained] " + config + ": cannot be opened: No such file or directory");
  write_bytes(folder_ / "model_index.json", "{}");
  EXPECT_NE(error().find("is a pipeline's folder"), std::string::npos);
}

TEST_F(FromPretrained, RefusesFilesThatAreCutShort) {
  fs::resize_file(weights(), fs::file_size(weights()) - 3);
  EXPECT_NE(error().find(weights() + ": safetensors header: expected "), std::string::npos);
  fs::resize_file(weights(), 5);
  error();
  fs::remove(weights());
  EXPECT_NE(error().find("got none"), std::string::npos);
}

class Shards : public FromPretrained {
 protected:
  Shards() {
    SavePretrainedOptions saved;
    saved.max_shard_size = 500;
    save_pretrained(tiny_, folder(), saved);
    json_ = nlohmann::json::parse(read_bytes(index()));
  }
  std::string index() const { return folder_ / "diffusion_pytorch_model.safetensors.index.json"; }
  void expect(const std::string& message) {
    write_bytes(index(), json_.dump());
    EXPECT_EQ(error(), "[from_pretrained] " + index() + ": " + message);
  }
  nlohmann::json json_;
};

TEST_F(Shards, RefusesBadIndices) {
  const auto good = json_;
  const std::string shard = good["weight_map"]["norm.weight"];
  json_["weight_map"]["norm.weight"] = "elsewhere.safetensors";
  expect("names the shard 'elsewhere.safetensors', which is not in the folder");
  for (const auto* bad : {"../x", "", ".."}) {
    json_["weight_map"]["norm.weight"] = bad;
    expect(std::string("weight_map: 'norm.weight': expected a file of this folder, got '") + bad +
           "'");
  }
  json_["weight_map"]["norm.weight"] = 3;
  expect("weight_map: 'norm.weight': expected the name of a file");
  json_ = good;
  json_["weight_map"].erase("norm.weight");
  expect("the shard '" + shard +
         "' holds the tensor 'norm.weight', which the index does not place there");
  json_ = good;
  json_["weight_map"]["more"] = shard;
  expect("the shard '" + shard + "' lacks 1 of its tensors, such as 'more'");
  json_ = {{"weight_map", nlohmann::json::object()}};
  expect("expected a weight_map that gives each tensor's file");
  json_ = good;
  fs::remove(folder_ / shard);
  expect("names the shard '" + shard + "', which is not in the folder");
}

TEST_F(Shards, RefuseAModelThatLacksOne) {
  json_["weight_map"].erase("conv.weight");
  json_["weight_map"].erase("conv.bias");
  write_bytes(index(), json_.dump());
  error<Error>();
}

}  // namespace
}  // namespace xattn::testing
