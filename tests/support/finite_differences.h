#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <functional>
#include <vector>

namespace xattn::testing {

/// Expects that the gradients of sum(cotangent · function()) are what central differences in double
/// precision give, at up to 16 elements of every variable; the twin of PyTorch's gradcheck.
inline void expect_finite_differences(const std::function<torch::Tensor()>& function,
                                      const std::vector<torch::Tensor>& variables) {
  constexpr double kStep = 1e-6, kTolerance = 1e-7;
  for (auto variable : variables) {
    ASSERT_EQ(variable.scalar_type(), torch::kDouble);
    variable.requires_grad_(true).mutable_grad() = torch::Tensor();
  }
  const auto output = function();
  const auto cotangent = torch::randn_like(output);
  output.backward(cotangent);

  torch::NoGradGuard no_grad;
  const auto value = [&] { return (function() * cotangent).sum().item<double>(); };
  for (size_t i = 0; i < variables.size(); ++i) {
    const auto flat = variables[i].view(-1);
    ASSERT_TRUE(variables[i].grad().defined()) << "variable " << i << " has no gradient";
    const auto gradient = variables[i].grad().reshape(-1);
    const auto stride = std::max<int64_t>(1, flat.numel() / 16);
    for (int64_t at = 0; at < flat.numel(); at += stride) {
      const auto original = flat[at].item<double>();
      flat[at] = original + kStep;
      const auto above = value();
      flat[at] = original - kStep;
      const auto below = value();
      flat[at] = original;
      const auto expected = (above - below) / (2 * kStep);
      EXPECT_NEAR(gradient[at].item<double>(), expected,
                  kTolerance * std::max(1.0, std::abs(expected)))
          << "variable " << i << ", element " << at;
    }
  }
}

}  // namespace xattn::testing
