#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/StorageImpl.h>
#include <c10/util/intrusive_ptr.h>

#include <cstdint>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// Which tensors a value was made from, and in which state they were.
///
/// A change in place, a load of other weights and a conversion (`module->to(…)`) are seen. Not seen
/// are, as by autograd: writes through `tensor.data()` or a pointer, and changes of tensors that
/// were made in inference mode.
class XATTN_API TensorVersions {
 public:
  TensorVersions() = default;
  /// Undefined tensors are left out.
  explicit TensorVersions(const std::vector<at::Tensor>& tensors);

  /// Whether these are the tensors, changed or not.
  bool are_of(const std::vector<at::Tensor>& tensors) const;

  /// Whether both are of the same tensors in the same state.
  bool is_same(const TensorVersions& other) const;

  /// Whether every tensor is as it was.
  bool are_current() const;

 private:
  struct Entry {
    /// Kept, so that no other tensor can come to its address.
    at::Tensor tensor;
    uint32_t version;
    /// Known and not kept: a conversion gives a tensor another storage, and no other version.
    c10::weak_intrusive_ptr<c10::StorageImpl> storage;
  };
  static bool is_current(const Entry& entry);
  std::vector<Entry> entries_;
};

}  // namespace xattn
