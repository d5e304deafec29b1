#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace xattn {

/// How far numbers may be from Python's, as a part of the largest absolute value expected.
struct ParityTolerance {
  double output;
  double gradient;
};

/// The tolerances of the whole project; one line a dtype.
constexpr ParityTolerance parity_tolerance(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return {1e-12, 1e-11};
    case at::kHalf:
      return {2e-3, 1e-2};
    case at::kBFloat16:
      return {1.6e-2, 5e-2};
    default:
      return {2e-6, 1e-5};
  }
}

/// How one tensor differs from the one expected.
struct Difference {
  /// max |actual - expected|; infinite where one has a value that is not finite and the other has
  /// not.
  double max_abs = 0;
  /// max |expected|
  double scale = 0;
  /// Where the largest difference is, in row-major order.
  int64_t index = 0;

  double relative() const { return max_abs == 0 ? 0 : max_abs / scale; }
};

/// Compares two tensors of the same shape in double precision.
Difference difference(const at::Tensor& actual, const at::Tensor& expected);

}  // namespace xattn
