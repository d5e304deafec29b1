#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace xattn {

/// The sample pictures of a run: a file for each step that has some, and one of them over time.
class SampleSheets {
 public:
  /// Looks into nothing and makes nothing yet.
  explicit SampleSheets(std::string folder);

  /// Writes samples/step-000500.png: the pictures side by side.
  void add(int64_t step, const std::vector<at::Tensor>& pictures) const;

  /// Writes samples.png: a row for each of up to ten steps, evenly chosen and the last among them,
  /// below the `originals` if there are any.
  void save_all(const std::vector<at::Tensor>& originals) const;

 private:
  std::string folder_;
};

}  // namespace xattn
