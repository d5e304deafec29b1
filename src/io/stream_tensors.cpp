#include "io/stream_tensors.h"

#include <ATen/Parallel.h>
#include <ATen/ops/conj_physical.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>

#include "core/scalar_type.h"
#include "io/copy_elements.h"

namespace xattn::io {
namespace {

// Bytes read at once: enough for the call not to matter, few enough for the second cache.
constexpr std::int64_t kPiece = std::int64_t{1} << 20;
constexpr std::int64_t kMemoryForOtherDevices = std::int64_t{64} << 20;

/// Fresh memory costs as much as reading does: its pages are asked for together, not by a fault
/// each.
///
/// No large pages are asked for: where a virtual machine gives its free ones back to its host, they
/// take twice the time of small ones.
void populate(void* place, std::int64_t count) {
#ifdef MADV_POPULATE_WRITE
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(place);
  const auto end = begin + static_cast<std::uintptr_t>(count);
  const auto first = (begin + page - 1) / page * page, last = end / page * page;
  // Advice: it may fail, and does before Linux 5.14.
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE);
#endif
}

/// A tensor's part of the work, in raw memory.
struct Part {
  const WeightsFile* file;
  std::size_t storage;
  at::ScalarType from_type, to_type;
  char* to;
  StridedCopy copy;

  std::int64_t from_size() const { return static_cast<std::int64_t>(c10::elementSize(from_type)); }
  std::int64_t to_size() const { return static_cast<std::int64_t>(c10::elementSize(to_type)); }
  bool goes_straight() const { return from_type == to_type && copy.is_contiguous(); }
};

/// What one thread does at a time: a part that may be read alone, or all parts of a storage.
using Task = std::vector<Part>;

std::vector<Task> make_tasks(const std::vector<StreamedTensor>& tensors) {
  std::vector<Task> tasks;
  std::map<std::pair<const WeightsFile*, std::size_t>, std::size_t> task_of_storage;
  for (const auto& [file, record, view, to] : tensors) {
    const auto storage = std::pair(file, record->storage);
    // A storage without elements is read too: its checksum is to be right.
    const bool is_new =
        !file->has_pieces() && task_of_storage.try_emplace(storage, tasks.size()).second;
    if (is_new) tasks.emplace_back();
    auto copy = make_copy(view, to.strides().vec());
    if (!copy && !is_new) continue;
    if (!copy) copy = StridedCopy{{0}, {1}, {1}, 0, 0};
    Part part{file,
              record->storage,
              *to_scalar_type(record->dtype),
              to.scalar_type(),
              static_cast<char*>(to.mutable_data_ptr()),
              std::move(*copy)};
    if (!file->has_pieces()) {
      tasks[task_of_storage.at(storage)].push_back(std::move(part));
      continue;
    }
    for (auto& piece : split(part.copy, kPiece / part.from_size())) {
      tasks.emplace_back(1, part).front().copy = std::move(piece);
    }
  }
  return tasks;
}

class Worker {
 public:
  void run(const Task& task) {
    if (task.front().file->has_pieces()) {
      read_piece(task.front());
    } else {
      read_storage(task);
    }
  }

 private:
  void read_piece(const Part& part) {
    const auto& copy = part.copy;
    const auto count = copy.from_span() * part.from_size();
    const auto read = [&](void* bytes) {
      part.file->read_piece(part.storage, static_cast<std::uint64_t>(copy.from * part.from_size()),
                            bytes, static_cast<std::size_t>(count));
    };
    if (copy.is_contiguous()) {
      populate(part.to + copy.to * part.to_size(), copy.from_span() * part.to_size());
    }
    if (part.goes_straight()) return read(part.to + copy.to * part.to_size());
    if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kPiece);
    read(buffer_.get());
    auto from_buffer = copy;
    from_buffer.from = 0;
    copy_elements(from_buffer, buffer_.get(), part.from_type, part.to, part.to_type);
  }

  /// A whole storage: its checksum is known only at the end.
  void read_storage(const Task& task) {
    const auto& first = task.front();
    const auto bytes = static_cast<std::int64_t>(first.file->storage_size(first.storage));
    if (task.size() == 1 && first.goes_straight() && first.copy.from == 0 &&
        first.copy.from_span() * first.from_size() == bytes) {
      populate(first.to + first.copy.to * first.to_size(), bytes);
      return first.file->read_storage(first.storage, first.to + first.copy.to * first.to_size());
    }
    const auto storage = std::make_unique_for_overwrite<char[]>(static_cast<std::size_t>(bytes));
    first.file->read_storage(first.storage, storage.get());
    for (const auto& part : task) {
      copy_elements(part.copy, storage.get(), part.from_type, part.to, part.to_type);
    }
  }

  std::unique_ptr<char[]> buffer_;
};

/// Tells autograd, and whoever else remembers a version, of a write that torch has not seen.
void tell_of_write(const at::Tensor& tensor) {
  if (!tensor.is_inference()) tensor.unsafeGetTensorImpl()->bump_version();
}

void read(const std::vector<StreamedTensor>& tensors) {
  if (tensors.empty()) return;
  const auto tasks = make_tasks(tensors);
  std::atomic<std::size_t> next{0};
  // The threads lack the caller's modes (no_grad, InferenceMode): no tensor is touched there.
  at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
    Worker worker;
    try {
      for (auto i = next++; i < tasks.size(); i = next++) worker.run(tasks[i]);
    } catch (...) {
      next = tasks.size();
      throw;
    }
  });
  for (const auto& tensor : tensors) {
    tell_of_write(tensor.to);
    if (tensor.record->negative) tensor.to.neg_();
    if (tensor.record->conjugate) tensor.to.conj_physical_();
  }
}

/// Tensors that are read together.
struct Group {
  std::vector<StreamedTensor> tensors;
  std::int64_t bytes = 0;

  void add(StreamedTensor tensor) {
    bytes += static_cast<std::int64_t>(tensor.to.nbytes());
    tensors.push_back(std::move(tensor));
  }
};

/// Tensors of a storage that has to be read whole are one group; others are cut along their first
/// dimension.
std::vector<Group> make_groups(const std::vector<StreamedTensor>& tensors,
                               std::int64_t most_bytes) {
  std::vector<Group> groups;
  std::map<std::pair<const WeightsFile*, std::size_t>, std::size_t> group_of_storage;
  for (const auto& tensor : tensors) {
    const auto& [file, record, view, to] = tensor;
    if (!file->has_pieces()) {
      const auto [found, is_new] =
          group_of_storage.try_emplace(std::pair(file, record->storage), groups.size());
      if (is_new) groups.emplace_back();
      groups[found->second].add(tensor);
      continue;
    }
    const auto bytes = static_cast<std::int64_t>(to.nbytes());
    if (bytes <= most_bytes || to.dim() == 0) {
      groups.emplace_back().add(tensor);
      continue;
    }
    const auto rows = std::max<std::int64_t>(most_bytes / (bytes / to.size(0)), 1);
    for (std::int64_t first = 0; first < to.size(0); first += rows) {
      const auto count = std::min(rows, to.size(0) - first);
      groups.emplace_back().add(
          {file, record, *narrow(view, 0, first, count), to.narrow(0, first, count)});
    }
  }
  return groups;
}

void read_and_copy(const std::vector<StreamedTensor>& tensors) {
  auto in_memory = tensors;
  for (auto& tensor : in_memory) {
    const auto& to = tensor.to;
    tensor.to = at::empty(to.sizes(),
                          at::dtype(to.scalar_type()).device(at::kCPU).pinned_memory(to.is_cuda()));
  }
  read(in_memory);
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].to.copy_(in_memory[i].to);
}

}  // namespace

bool can_stream(const TensorRecord& record, at::ScalarType to) {
  const auto from = to_scalar_type(record.dtype);
  return from && (*from == to || can_convert(*from, to));
}

void stream_through_memory(const std::vector<StreamedTensor>& tensors, std::int64_t most_bytes) {
  std::vector<StreamedTensor> batch;
  std::int64_t bytes = 0;
  for (auto& group : make_groups(tensors, most_bytes)) {
    if (!batch.empty() && bytes + group.bytes > most_bytes) {
      read_and_copy(batch);
      batch.clear();
      bytes = 0;
    }
    bytes += group.bytes;
    std::move(group.tensors.begin(), group.tensors.end(), std::back_inserter(batch));
  }
  if (!batch.empty()) read_and_copy(batch);
}

void stream_tensors(const std::vector<StreamedTensor>& tensors) {
  std::vector<StreamedTensor> here, elsewhere;
  for (const auto& tensor : tensors) (tensor.to.is_cpu() ? here : elsewhere).push_back(tensor);
  read(here);
  stream_through_memory(elsewhere, kMemoryForOtherDevices);
}

}  // namespace xattn::io
