#pragma once

#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "support/golden.h"
#include "support/parity.h"
#include "support/worst_errors.h"
#include "xattn/io/state_dict.h"

namespace xattn::testing {

/// The files in a case's folder that hold the same weights.
inline const std::vector<std::string> kWeightFiles = {"scripted.pt", "traced.pt", "state_dict.pt",
                                                      "weights.safetensors"};

using CaseAndFile = std::tuple<GoldenCase, std::string>;

inline std::string case_and_file_name(const ::testing::TestParamInfo<CaseAndFile>& info) {
  auto file = std::get<1>(info.param);
  return std::get<0>(info.param).name + "_" + file.substr(0, file.find('.'));
}

inline void expect_same_parameters(const torch::nn::Module& module, const StateDict& expected) {
  const auto actual = state_dict(module);
  ASSERT_EQ(actual.keys(), expected.keys()) << "keys and their order must be Python's";
  for (const auto& item : expected)
    EXPECT_TRUE(is_same(item.key(), actual[item.key()], item.value()));
}

/// Compares an output with Python's.
inline void expect_same_output(const GoldenCase& golden_case, const std::string& name,
                               const at::Tensor& actual, const at::Tensor& expected) {
  ASSERT_TRUE(is_near(name, actual, expected, parity_tolerance(golden_case.dtype).output));
  WorstErrors::record(golden_case.module + " output " + std::string(toString(golden_case.dtype)),
                      difference(actual, expected).relative());
}

/// Compares the gradients of `output` with Python's: of every parameter and of every input but the
/// mask.
inline void expect_same_gradients(const GoldenCase& golden_case, const torch::nn::Module& module,
                                  const Golden& golden,
                                  const std::map<std::string, at::Tensor>& inputs,
                                  const at::Tensor& output) {
  output.backward(golden.inputs.at("grad_output"));
  // A gradient that is zero but for rounding (key_proj.bias's always is) is measured against the
  // others.
  double largest = 0;
  for (const auto& [name, gradient] : golden.gradients) {
    largest = std::max(largest, difference(gradient, gradient).scale);
  }
  const auto tolerance = parity_tolerance(output.scalar_type()).gradient;
  const auto expect_near = [&](const std::string& name, at::Tensor actual) {
    const auto& expected = golden.gradients.at(name);
    if (!actual.defined()) actual = at::zeros_like(expected);
    const auto found = difference(actual, expected);
    const auto scale = std::max(found.scale, 1e-2 * largest);
    EXPECT_LE(found.max_abs, tolerance * scale)
        << "gradient of " << name << " at element " << found.index;
    if (found.max_abs > 0) {
      WorstErrors::record(
          golden_case.module + " gradient " + std::string(toString(golden_case.dtype)),
          found.max_abs / scale);
    }
  };
  size_t compared = 0;
  for (const auto& item : module.named_parameters()) {
    expect_near("param." + item.key(), item.value().grad());
    ++compared;
  }
  for (const auto& [name, input] : inputs) {
    if (!input.requires_grad()) continue;
    expect_near("input." + name, input.grad());
    ++compared;
  }
  EXPECT_EQ(compared, golden.gradients.size()) << "Python and C++ differ in what has a gradient";
}

/// The inputs of forward, as leaves where Python has gradients for them.
inline std::map<std::string, at::Tensor> leaves_of(const Golden& golden) {
  std::map<std::string, at::Tensor> leaves;
  for (const auto& [name, input] : golden.inputs) {
    if (name == "grad_output") continue;
    leaves[name] = input.clone();
    if (golden.gradients.count("input." + name)) leaves[name].requires_grad_(true);
  }
  return leaves;
}

}  // namespace xattn::testing
