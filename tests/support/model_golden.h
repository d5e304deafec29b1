#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "apps/support/difference.h"
#include "xattn/io/state_dict.h"

namespace xattn::testing {

/// One case of the golden data of the larger models (python/golden_models).
struct ModelCase {
  std::string name;
  /// The Python class.
  std::string module;
  /// Holds golden.safetensors and, for whole models, what `save_pretrained` wrote.
  std::filesystem::path directory;
  at::ScalarType dtype = at::kFloat;
  /// The arguments of the Python constructor, for blocks, and what else the area says of the case.
  nlohmann::json arguments;
  /// The keys of Python's `state_dict()`, in order.
  std::vector<std::string> keys;
};

/// What Python computed for a case, by name.
struct ModelGolden {
  StateDict parameters;
  std::map<std::string, at::Tensor> inputs, outputs, cotangents, gradients;

  /// The inputs as leaves, for which gradients are kept where Python has them.
  std::map<std::string, at::Tensor> leaves() const;
};

/// The cases of an area ("unet") and a class; empty where there is no golden data.
std::vector<ModelCase> model_cases(const std::string& area, const std::string& module);
/// Those of an area whose class is any.
std::vector<ModelCase> model_cases(const std::string& area);

ModelGolden load_golden(const ModelCase& model_case);

/// The tolerances of whole models and their blocks.
constexpr ParityTolerance model_tolerance(at::ScalarType dtype) {
  return dtype == at::kDouble ? ParityTolerance{1e-10, 1e-10} : ParityTolerance{1e-5, 1e-5};
}

/// Expects the keys of `state_dict(module)` to be Python's, in order.
void expect_same_keys(const ModelCase& model_case, const torch::nn::Module& module);

/// Expects each output to be Python's; the worst error is reported at the program's end.
void expect_same_outputs(const ModelCase& model_case, const ModelGolden& golden,
                         const std::map<std::string, at::Tensor>& outputs);

/// Expects the gradients of every parameter and every input to be Python's.
void expect_same_gradients(const ModelCase& model_case, const ModelGolden& golden,
                           const torch::nn::Module& module,
                           const std::map<std::string, at::Tensor>& leaves,
                           const std::map<std::string, at::Tensor>& outputs);

/// Whether all outputs are Python's: for the twin of a parity test, which must fail.
bool are_same_outputs(const ModelCase& model_case, const ModelGolden& golden,
                      const std::map<std::string, at::Tensor>& outputs);

std::string model_case_name(const ::testing::TestParamInfo<ModelCase>& info);
void PrintTo(const ModelCase& model_case, std::ostream* stream);

}  // namespace xattn::testing
