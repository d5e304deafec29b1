#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "io/strided_view.h"
#include "io/weights_file.h"

namespace xattn::io {

/// Elements of a record of an open file, and where they go.
struct StreamedTensor {
  const WeightsFile* file;
  const TensorRecord* record;
  /// Which of the record's elements.
  StridedView view;
  /// Of the view's shape; of any floating dtype where the record is of one, else of the record's.
  at::Tensor to;
};

/// Whether the elements of a record can be put into a tensor of this dtype.
bool can_stream(const TensorRecord& record, at::ScalarType to);

/// Reads tensors from their files on torch's threads, converting as they pass.
///
/// The threads touch raw memory only. Where dtypes are equal, bytes go straight to their place;
/// where not, and for views that are not contiguous, they go through a small buffer a thread, or
/// through one of the storage's size where the format has checksums. What is for another device
/// goes through memory of about 64 MiB, and is copied from there by the calling thread. The
/// tensors' versions change, as by any write in place.
///
/// Throws: `FileError`; what was read before stays in the tensors.
void stream_tensors(const std::vector<StreamedTensor>& tensors);

/// As `stream_tensors` does for another device, through memory of about `most_bytes`.
void stream_through_memory(const std::vector<StreamedTensor>& tensors, std::int64_t most_bytes);

}  // namespace xattn::io
