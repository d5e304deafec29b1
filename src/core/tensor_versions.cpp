#include "xattn/core/tensor_versions.h"

#include <algorithm>

namespace xattn {
namespace {

uint32_t version_of(const at::Tensor& tensor) {
  return tensor.is_inference() ? 0 : static_cast<uint32_t>(tensor._version());
}

c10::StorageImpl* storage_of(const at::Tensor& tensor) {
  return tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl() : nullptr;
}

c10::weak_intrusive_ptr<c10::StorageImpl> weak_storage_of(const at::Tensor& tensor) {
  if (tensor.has_storage()) return tensor.storage().getWeakStorageImpl();
  return c10::weak_intrusive_ptr<c10::StorageImpl>(c10::intrusive_ptr<c10::StorageImpl>());
}

}  // namespace

TensorVersions::TensorVersions(const std::vector<at::Tensor>& tensors) {
  for (const auto& tensor : tensors) {
    if (tensor.defined()) entries_.push_back({tensor, version_of(tensor), weak_storage_of(tensor)});
  }
}

bool TensorVersions::are_of(const std::vector<at::Tensor>& tensors) const {
  auto entry = entries_.begin();
  for (const auto& tensor : tensors) {
    if (!tensor.defined()) continue;
    if (entry == entries_.end() || !entry->tensor.is_same(tensor)) return false;
    ++entry;
  }
  return entry == entries_.end();
}

bool TensorVersions::is_same(const TensorVersions& other) const {
  return std::equal(entries_.begin(), entries_.end(), other.entries_.begin(), other.entries_.end(),
                    [](const Entry& a, const Entry& b) {
                      return a.tensor.is_same(b.tensor) && a.version == b.version &&
                             a.storage == b.storage;
                    });
}

bool TensorVersions::is_current(const Entry& entry) {
  return version_of(entry.tensor) == entry.version &&
         storage_of(entry.tensor) == entry.storage._unsafe_get_target();
}

bool TensorVersions::are_current() const {
  return std::all_of(entries_.begin(), entries_.end(), is_current);
}

}  // namespace xattn
