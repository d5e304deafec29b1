#include "xattn/io/state_dict.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <torch/nn/cloneable.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>

#include "io/support/temporary_folder.h"
#include "xattn/core/error.h"
#include "xattn/io/checkpoint.h"

namespace xattn::testing {
namespace {

/// The twin of `Attention` in python/golden/files.py.
struct AttentionImpl : torch::nn::Module {
  AttentionImpl() {
    query_proj = register_module("query_proj", torch::nn::Linear(4, 4));
    no_bias =
        register_module("no_bias", torch::nn::Linear(torch::nn::LinearOptions(4, 2).bias(false)));
    offsets = register_buffer("offsets", at::ones({4}));
    norm = register_module("norm", torch::nn::BatchNorm1d(4));
    blocks = register_module(
        "blocks", torch::nn::ModuleList(torch::nn::Linear(2, 2), torch::nn::Linear(2, 2)));
  }
  torch::nn::Linear query_proj{nullptr}, no_bias{nullptr};
  at::Tensor offsets;
  torch::nn::BatchNorm1d norm{nullptr};
  torch::nn::ModuleList blocks{nullptr};
};

StateDict copy_of(const StateDict& tensors) {
  StateDict copy;
  for (const auto& item : tensors) copy.insert(item.key(), item.value().detach().clone());
  return copy;
}

StateDict without(const StateDict& tensors, const std::string& key) {
  StateDict rest;
  for (const auto& item : tensors) {
    if (item.key() != key) rest.insert(item.key(), item.value());
  }
  return rest;
}

void expect_equal(const StateDict& got, const StateDict& expected) {
  ASSERT_EQ(got.keys(), expected.keys());
  for (const auto& item : expected) {
    EXPECT_TRUE(at::equal(got[item.key()], item.value())) << item.key();
  }
}

/// The message of the error; the module must be as it was.
std::string refusal(torch::nn::Module& module, const StateDict& tensors,
                    const LoadOptions& options) {
  const auto before = copy_of(state_dict(module));
  std::string message = "none";
  try {
    load_state_dict(module, tensors, options);
    ADD_FAILURE() << "expected a StateDictError";
  } catch (const StateDictError& error) {
    message = error.what();
  }
  expect_equal(state_dict(module), before);
  return message;
}

class LoadStateDict : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& item : state_dict(module_)) {
      tensors_.insert(item.key(), at::full_like(item.value(), 3).detach());
    }
  }

  AttentionImpl module_;
  StateDict tensors_;
};

TEST_F(LoadStateDict, HasPythonsKeysInPythonsOrder) {
  if (golden_files().empty()) GTEST_SKIP() << "no golden data";
  for (const char* file : {"state_dict_p2.pt", "scripted.pt", "traced.pt"}) {
    const auto python = load_checkpoint((golden_files() / "good" / file).string()).tensors;
    EXPECT_EQ(state_dict(module_).keys(), python.keys()) << file;
    const auto report = load_state_dict(module_, python);
    EXPECT_TRUE(report.missing.empty() && report.unexpected.empty() && report.mismatched.empty());
    expect_equal(state_dict(module_), python);
  }
}

TEST_F(LoadStateDict, KeepsTheParametersThemselves) {
  module_.query_proj->weight.set_requires_grad(false);
  const auto* const before = module_.query_proj->weight.unsafeGetTensorImpl();
  load_state_dict(module_, tensors_);
  EXPECT_EQ(module_.query_proj->weight.unsafeGetTensorImpl(), before);
  EXPECT_FALSE(module_.query_proj->weight.requires_grad());
  EXPECT_TRUE(module_.query_proj->bias.requires_grad());
  EXPECT_TRUE(module_.query_proj->bias.is_leaf());
  EXPECT_FALSE(module_.query_proj->weight.is_alias_of(tensors_["query_proj.weight"]));
  expect_equal(state_dict(module_), tensors_);
}

TEST_F(LoadStateDict, MissingKeys) {
  const auto some = without(without(tensors_, "offsets"), "norm.running_var");
  const auto message = refusal(module_, some, {});
  EXPECT_TRUE(message.starts_with("[load_state_dict] ")) << message;
  EXPECT_NE(message.find("missing offsets, norm.running_var"), std::string::npos) << message;
  const auto report = load_state_dict(module_, some, false);
  EXPECT_EQ(report.missing, (std::vector<std::string>{"offsets", "norm.running_var"}));
  EXPECT_TRUE(report.unexpected.empty());
  EXPECT_TRUE(at::equal(module_.query_proj->weight, tensors_["query_proj.weight"]));
}

TEST_F(LoadStateDict, UnexpectedKeys) {
  tensors_.insert("no_bias.bias", at::ones({2}));
  EXPECT_NE(refusal(module_, tensors_, {}).find("unexpected no_bias.bias"), std::string::npos);
  const auto report = load_state_dict(module_, tensors_, false);
  EXPECT_EQ(report.unexpected, std::vector<std::string>{"no_bias.bias"});
}

TEST_F(LoadStateDict, NothingInCommonIsOnlyReportedWhenNotStrict) {
  StateDict other;
  other.insert("x", at::ones({1}));
  const auto before = copy_of(state_dict(module_));
  const auto report = load_state_dict(module_, other, false);
  EXPECT_EQ(report.missing, before.keys());
  EXPECT_EQ(report.unexpected, std::vector<std::string>{"x"});
  expect_equal(state_dict(module_), before);
}

TEST_F(LoadStateDict, ShapesAndDtypesAreRefusedInBothModes) {
  const std::vector<std::pair<at::Tensor, std::string>> cases = {
      {at::ones({4, 5}), "expected float32 [4, 4], got float32 [4, 5]"},
      {at::ones({16}), "expected float32 [4, 4], got float32 [16]"},
      {at::ones({4, 4}, at::kDouble), "expected float32 [4, 4], got float64 [4, 4]"},
      {at::ones({4, 4}).to_sparse(), "expected float32 [4, 4], got "},
      {at::empty({4, 4}, at::TensorOptions().device(at::kMeta)), "expected float32 [4, 4], got "},
      {at::Tensor(), "expected float32 [4, 4], got an undefined tensor"},
  };
  for (const auto& [tensor, expected] : cases) {
    tensors_["query_proj.weight"] = tensor;
    for (const bool strict : {true, false}) {
      const auto message = refusal(module_, tensors_, {.strict = strict, .strict_dtype = true});
      EXPECT_NE(message.find("query_proj.weight: " + expected), std::string::npos) << message;
    }
  }
}

TEST_F(LoadStateDict, FloatingDtypesAreConvertedAsPythonDoes) {
  const auto values = at::linspace(-3, 3, 16).view({4, 4});
  for (const auto dtype : {at::kDouble, at::kHalf, at::kBFloat16}) {
    tensors_["query_proj.weight"] = values.to(dtype);
    for (const bool strict : {true, false}) {
      load_state_dict(module_, tensors_, strict);
      EXPECT_EQ(module_.query_proj->weight.scalar_type(), at::kFloat);
      EXPECT_TRUE(at::equal(module_.query_proj->weight, values.to(dtype).to(at::kFloat)));
    }
  }
}

TEST_F(LoadStateDict, OtherDtypesAreRefused) {
  for (const auto dtype : {at::kInt, at::kLong, at::kBool, at::kComplexFloat}) {
    tensors_["query_proj.weight"] = at::ones({4, 4}, dtype);
    EXPECT_NE(
        refusal(module_, tensors_, {}).find("query_proj.weight: expected float32 [4, 4], got "),
        std::string::npos);
  }
  tensors_["query_proj.weight"] = at::ones({4, 4});
  tensors_["norm.num_batches_tracked"] = at::ones({}, at::kFloat);
  EXPECT_NE(refusal(module_, tensors_, {})
                .find("norm.num_batches_tracked: expected int64 [], got float32 []"),
            std::string::npos);
}

TEST_F(LoadStateDict, AllProblemsAtOnce) {
  auto some = without(tensors_, "offsets");
  some.insert("extra", at::ones({1}));
  some["norm.weight"] = at::ones({5});
  some["no_bias.weight"] = at::ones({2, 4}, at::kHalf);
  const auto message = refusal(module_, some, {.strict_dtype = true});
  for (const char* part :
       {"missing offsets", "unexpected extra", "norm.weight: expected float32 [4], got float32 [5]",
        "no_bias.weight: expected float32 [2, 4], got float16 [2, 4]"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST_F(LoadStateDict, TenProblemsAndTheNumberOfTheRest) {
  StateDict other;
  for (int i = 0; i < 500; ++i) other.insert("x" + std::to_string(i), at::ones({1}));
  for (const auto* key : {"norm.weight", "norm.bias"}) other.insert(key, at::ones({5}));
  const auto message = refusal(module_, other, {});
  const auto missing = tensors_.size() - 2;
  for (const auto& part :
       {std::string("unexpected x0, x1, x2, x3; "), std::string("norm.bias: "),
        "and " + std::to_string(missing + 500 + 2 - 10) + " more (" + std::to_string(missing) +
            " missing, 500 unexpected, 2 of another shape or dtype in all)"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST_F(LoadStateDict, SaysWhereTheNamesAreALoras) {
  StateDict lora;
  lora.insert("lora_unet_mid.lora_down.weight", at::ones({1}));
  EXPECT_NE(refusal(module_, lora, {}).find("what is given is a LoRA"), std::string::npos);
}

}  // namespace
}  // namespace xattn::testing
