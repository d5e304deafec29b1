#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstdint>

#include "ops/cpu/kernels.h"

namespace xattn::cpu {

inline int64_t divide_up(int64_t value, int64_t by) {
  return (value + by - 1) / by;
}

/// Room for `count` packed matrices of float32, `[count, panels, rows, panel]`.
inline at::Tensor empty_packed(int64_t count, int64_t rows, int64_t columns) {
  const auto panel = kernels().panel;
  return at::empty({count, divide_up(columns, panel), rows, panel}, at::kFloat);
}

/// The packed matrix at `index`.
inline Panels packed_at(const at::Tensor& packed, int64_t index) {
  return {packed.data_ptr<float>() + index * packed.stride(0), packed.stride(1)};
}

/// A packed matrix without its first rows.
inline Panels from_row(Panels packed, int64_t row) {
  return {packed.data + row * kernels().panel, packed.step};
}

/// A matrix of float32 in memory, or its transpose; one of its strides is 1.
inline Matrix matrix_of(const at::Tensor& matrix) {
  return {matrix.data_ptr<float>(), matrix.stride(0), matrix.stride(1)};
}

/// The same, only to be read, of any type that `Kernels::pack` widens.
inline StoredMatrix stored_matrix_of(const at::Tensor& matrix) {
  const auto type = matrix.scalar_type() == at::kHalf       ? StoredType::kHalf
                    : matrix.scalar_type() == at::kBFloat16 ? StoredType::kBFloat16
                                                            : StoredType::kFloat;
  return {matrix.const_data_ptr(), type, matrix.stride(0), matrix.stride(1)};
}

/// Bytes of an element.
inline int64_t size_of(StoredType type) {
  return type == StoredType::kFloat ? sizeof(float) : sizeof(uint16_t);
}

/// A matrix without its first rows and columns.
inline StoredMatrix block_of(StoredMatrix matrix, int64_t row, int64_t column) {
  const auto offset = row * matrix.row_step + column * matrix.column_step;
  matrix.data = static_cast<const char*>(matrix.data) + offset * size_of(matrix.type);
  return matrix;
}

}  // namespace xattn::cpu
