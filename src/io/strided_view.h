#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "io/weights_file.h"

namespace xattn::io {

/// Which elements of a storage a tensor takes, and in which order; strides and offset count
/// elements.
struct StridedView {
  std::vector<std::int64_t> shape, strides;
  std::int64_t offset = 0;
};

/// All elements of a record.
StridedView view_of(const TensorRecord& record);

/// The indices from `start` on of one dimension; nothing where the view has no such dimension or
/// indices.
std::optional<StridedView> narrow(StridedView view, std::int64_t dim, std::int64_t start,
                                  std::int64_t length);

/// Two dimensions swapped; nothing where the view lacks one of them.
std::optional<StridedView> transpose(StridedView view, std::int64_t dim, std::int64_t other);

/// The view with dimensions of size 1 dropped and added until it has this shape; nothing where that
/// does not give it.
std::optional<StridedView> with_ones_of(const StridedView& view,
                                        const std::vector<std::int64_t>& shape);

/// A copy of elements from one strided place to another, in elements from the start of each.
struct StridedCopy {
  std::vector<std::int64_t> sizes, from_strides, to_strides;
  std::int64_t from = 0, to = 0;

  /// How many elements lie between the first and the last that are read, both included.
  std::int64_t from_span() const;
  /// Whether both places are read and written in order, without gaps.
  bool is_contiguous() const;
};

/// The copy of a view to a place of its shape and these strides, with as few dimensions as it can
/// be written with, and in the order in which the elements lie in the storage. Nothing where there
/// are no elements.
std::optional<StridedCopy> make_copy(const StridedView& view,
                                     const std::vector<std::int64_t>& to_strides);

/// Cuts a copy into parts whose spans are at most `most` elements.
std::vector<StridedCopy> split(const StridedCopy& copy, std::int64_t most);

}  // namespace xattn::io
