#include "io/stream_tensors.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/GradMode.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>

#include "core/scalar_type.h"
#include "core/text.h"

namespace xattn::io {
namespace {

// Bytes read at once: enough for the call not to matter, few enough for the second cache.
constexpr std::int64_t kPiece = std::int64_t{1} << 20;

/// Fresh memory costs as much as reading does: its pages are asked for together, not by a fault
/// each.
///
/// No large pages are asked for: where a virtual machine gives its free ones back to its host, they
/// take twice the time of small ones.
void populate(void* place, std::size_t count) {
#ifdef MADV_POPULATE_WRITE
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(place);
  const auto first = (begin + page - 1) / page * page, last = (begin + count) / page * page;
  // Advice: it may fail, and does before Linux 5.14.
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE);
#endif
}

/// A part of the work: elements of one tensor, or where `all_of` is not empty the tensors of one
/// storage.
struct Task {
  const StreamedTensor* tensor;
  std::int64_t first = 0, count = 0;
  std::vector<const StreamedTensor*> all_of;
};

bool goes_straight(const StreamedTensor& tensor) {
  const auto& record = *tensor.record;
  return tensor.to.is_cpu() && to_scalar_type(record.dtype) == tensor.to.scalar_type() &&
         record.offset == 0 && !record.conjugate && !record.negative &&
         record.strides == contiguous_strides(record.shape);
}

std::vector<Task> make_tasks(const std::vector<StreamedTensor>& tensors) {
  std::vector<Task> tasks;
  std::map<std::pair<const WeightsFile*, std::size_t>, std::size_t> task_of_storage;
  for (const auto& tensor : tensors) {
    if (!tensor.file->has_pieces()) {
      const auto key = std::pair(tensor.file, tensor.record->storage);
      const auto [found, is_new] = task_of_storage.try_emplace(key, tasks.size());
      if (is_new) tasks.push_back({&tensor, 0, 0, {}});
      tasks[found->second].all_of.push_back(&tensor);
      continue;
    }
    const auto piece = kPiece / item_size(tensor.record->dtype);
    const auto count = tensor.to.numel();
    for (std::int64_t first = 0; first < count; first += piece) {
      tasks.push_back({&tensor, first, std::min(piece, count - first), {}});
    }
  }
  return tasks;
}

class Worker {
 public:
  void run(const Task& task) {
    if (task.all_of.empty()) {
      read_elements(task);
    } else {
      read_storage(task);
    }
  }

 private:
  void read_elements(const Task& task) {
    const auto& [file, record, to] = *task.tensor;
    const auto size = item_size(record->dtype);
    const auto read = [&](void* bytes) {
      file->read_piece(record->storage, task.first * size, bytes, task.count * size);
    };
    if (goes_straight(*task.tensor)) {
      auto* place = static_cast<char*>(to.mutable_data_ptr()) + task.first * size;
      populate(place, static_cast<std::size_t>(task.count * size));
      read(place);
      return;
    }
    if (!buffer_.defined()) buffer_ = at::empty({kPiece}, at::kByte);
    read(buffer_.mutable_data_ptr());
    const auto elements = at::from_blob(buffer_.mutable_data_ptr(), {task.count},
                                        at::dtype(*to_scalar_type(record->dtype)));
    to.view({-1}).narrow(0, task.first, task.count).copy_(elements);
  }

  /// A whole storage: its checksum is known only at the end.
  void read_storage(const Task& task) {
    const auto& first = *task.tensor;
    const auto bytes = static_cast<std::int64_t>(first.file->storage_size(first.record->storage));
    if (task.all_of.size() == 1 && goes_straight(first) &&
        bytes == static_cast<std::int64_t>(first.to.nbytes())) {
      first.file->read_storage(first.record->storage, first.to.mutable_data_ptr());
      return;
    }
    const auto storage = at::empty({bytes}, at::kByte);
    first.file->read_storage(first.record->storage, storage.mutable_data_ptr());
    for (const auto* tensor : task.all_of) {
      const auto& record = *tensor->record;
      auto from = at::empty({0}, *to_scalar_type(record.dtype));
      from.set_(storage.storage(), record.offset, record.shape, record.strides);
      if (record.conjugate) from._set_conj(true);
      if (record.negative) from._set_neg(true);
      tensor->to.copy_(from);
    }
  }

  at::Tensor buffer_;
};

}  // namespace

bool can_stream(const TensorRecord& record, at::ScalarType to) {
  const auto from = to_scalar_type(record.dtype);
  return from && (*from == to || (at::isFloatingType(*from) && at::isFloatingType(to)));
}

void stream_tensors(const std::vector<StreamedTensor>& tensors) {
  const auto tasks = make_tasks(tensors);
  std::atomic<std::size_t> next{0};
  const auto work = [&](std::int64_t, std::int64_t) {
    const c10::AutoGradMode no_grad(false);
    Worker worker;
    try {
      for (auto i = next++; i < tasks.size(); i = next++) worker.run(tasks[i]);
    } catch (...) {
      next = tasks.size();
      throw;
    }
  };
  at::parallel_for(0, at::get_num_threads(), 1, work);
}

}  // namespace xattn::io
