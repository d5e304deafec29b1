#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/text.h"

namespace xattn {

/// One dimension of an expected shape: a size that is fixed ("256") or a name that stands for any
/// ("T").
struct ExpectedDim {
  ExpectedDim(int64_t size) : size(size) {}      // NOLINT(google-explicit-constructor)
  ExpectedDim(const char* name) : name(name) {}  // NOLINT(google-explicit-constructor)

  std::string name;
  int64_t size = -1;
};

/// Throws `ValueError` "[place] name: expected [B, T, 256], got [4, 10, 128]" unless `tensor` is
/// defined and has that shape.
void check_shape(std::string_view place, std::string_view name, const at::Tensor& tensor,
                 std::initializer_list<ExpectedDim> shape);

/// As `check_shape`, and throws unless the dtype and the device are those of `weight`: of one that
/// may be stored narrower, its layer's `inputs_like()`.
///
/// Dtype and device are checked in what the user called, not in the calls that it makes (see
/// `Call`). Under autocast, which converts inputs, any floating dtype will do.
void check_input(std::string_view place, std::string_view name, const at::Tensor& tensor,
                 std::initializer_list<ExpectedDim> shape, const at::Tensor& weight);

/// Checks a mask `[B, T]` for text features `[B, T, …]`: boolean, or of their dtype; returns it as
/// `[B, 1, 1, T]`.
at::Tensor check_text_mask(std::string_view place, const at::Tensor& mask, const at::Tensor& text);

/// Whether autocast is on for this kind of device: inputs then are of another dtype than weights.
bool is_autocast(at::DeviceType device);

/// Throws `ValueError` unless `tensor` is on the device of `weight`.
void check_device(std::string_view place, std::string_view name, const at::Tensor& tensor,
                  const at::Tensor& weight);

/// Throws `ValueError` unless `ids` are int64 or int32 from 0 to `count` - 1, on the device of
/// `weight`. An index out of range would be an error without a name on the CPU, and an assertion on
/// a GPU.
void check_indices(std::string_view place, std::string_view name, const at::Tensor& ids,
                   int64_t count, const at::Tensor& weight);

/// Throws `ValueError` "[place] name: expected 1 or more, got 0" where `value` is below `least`.
void check_at_least(std::string_view place, std::string_view name, int64_t value, int64_t least);

/// Throws `ValueError` "[place] name: expected `expected`, got `got`".
[[noreturn]] void throw_value_error(std::string_view place, std::string_view name,
                                    std::string_view expected, std::string_view got);

/// The name that Python uses: "float32".
std::string dtype_text(at::ScalarType dtype);

}  // namespace xattn
