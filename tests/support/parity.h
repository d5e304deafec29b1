#pragma once

#include <gtest/gtest.h>

#include <string>

#include "apps/support/difference.h"
#include "support/golden.h"

namespace xattn::testing {

/// Succeeds where `actual` is `expected` within `tolerance` of its scale; a failure says how far,
/// where and for which key.
inline ::testing::AssertionResult is_near(const std::string& key, const at::Tensor& actual,
                                          const at::Tensor& expected, double tolerance) {
  if (!actual.defined()) return ::testing::AssertionFailure() << key << ": undefined";
  if (actual.sizes() != expected.sizes()) {
    return ::testing::AssertionFailure()
           << key << ": shape " << actual.sizes() << ", expected " << expected.sizes();
  }
  if (actual.scalar_type() != expected.scalar_type()) {
    return ::testing::AssertionFailure() << key << ": dtype " << actual.scalar_type();
  }
  const auto found = difference(actual, expected);
  if (found.relative() <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << key << ": max error " << found.max_abs << " at element " << found.index << ", "
         << found.relative() << " of the scale " << found.scale << ", allowed " << tolerance;
}

/// Whether two tensors are equal bit for bit, shape and dtype included.
inline ::testing::AssertionResult is_same(const std::string& key, const at::Tensor& actual,
                                          const at::Tensor& expected) {
  return is_near(key, actual, expected, 0);
}

}  // namespace xattn::testing
