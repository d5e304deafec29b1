#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace xattn {

/// The seconds that `work` takes; its result is freed after the clock has stopped.
template <typename Work>
double seconds_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  const at::Tensor result = work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace xattn
