#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "io/weights_file.h"

namespace xattn::io {

/// A tensor of an open file and where its elements go.
struct StreamedTensor {
  const WeightsFile* file;
  const TensorRecord* record;
  /// Of the record's shape, contiguous; of any floating dtype where the record is of one, and else
  /// of the record's.
  at::Tensor to;
};

/// Whether the elements of a record can be put into a tensor of this dtype.
bool can_stream(const TensorRecord& record, at::ScalarType to);

/// Reads tensors from their files on torch's threads, converting as they pass.
///
/// Where dtypes are equal, bytes go straight to their place; where not, through a small buffer a
/// thread, or through one of the storage's size where the format has checksums. Throws:
/// `FileError`; what was read before stays in the tensors.
void stream_tensors(const std::vector<StreamedTensor>& tensors);

}  // namespace xattn::io
