#include "xattn/io/checkpoint.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/scalar_type.h"
#include "core/text.h"
#include "io/hash_buckets.h"
#include "io/weights_file.h"

namespace xattn {
namespace {

constexpr auto kLoadCheckpoint = "load_checkpoint";

// Reading is bound by checksums as much as by the disk, so a few threads help and many do not.
constexpr unsigned kMostThreads = 4;
constexpr std::uint64_t kWorthThreads = std::uint64_t{16} << 20;

/// Calls `work(i)` for each i below `count` on a few threads; the first exception ends it and is
/// thrown.
template <class Work>
void for_each_index(std::size_t count, unsigned threads, const Work& work) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr error;
  std::mutex guard;
  const auto run = [&] {
    try {
      for (std::size_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      const std::lock_guard lock(guard);
      if (!error) error = std::current_exception();
      next = count;
    }
  };
  {
    // As std::jthread, which libc++ lacks.
    std::vector<std::future<void>> helpers;
    for (unsigned i = 1; i < threads; ++i) helpers.push_back(std::async(std::launch::async, run));
    run();
  }
  if (error) std::rethrow_exception(error);
}

/// Every storage of the file as a flat tensor of bytes.
std::vector<at::Tensor> read_storages(const io::WeightsFile& file, const std::string& path) {
  std::vector<at::Tensor> storages(file.storage_count());
  std::uint64_t total = 0;
  try {
    for (std::size_t i = 0; i < storages.size(); ++i) {
      const std::uint64_t size = file.storage_size(i);
      storages[i] = at::empty({static_cast<std::int64_t>(size)}, at::kByte);
      total += size;
    }
  } catch (const std::exception&) {
    throw FileError(cat("[", kLoadCheckpoint, "] ", path, ": not enough memory for its tensors"));
  }
  const unsigned threads =
      total < kWorthThreads ? 1 : std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads);
  for_each_index(storages.size(), threads,
                 [&](std::size_t i) { file.read_storage(i, storages[i].mutable_data_ptr()); });
  return storages;
}

at::Tensor make_tensor(const io::TensorRecord& record, const at::Tensor& bytes,
                       const std::string& path) {
  const auto type = to_scalar_type(record.dtype);
  if (!type) {
    throw FileError(cat("[", kLoadCheckpoint, "] ", path, ": tensor ", quote(record.name), ": ",
                        name(record.dtype), " needs a newer LibTorch"));
  }
  at::Tensor tensor = at::empty({0}, *type);
  tensor.set_(bytes.storage(), record.offset, record.shape, record.strides);
  if (record.conjugate) tensor._set_conj(true);
  if (record.negative) tensor._set_neg(true);
  return tensor;
}

}  // namespace

Checkpoint load_checkpoint(const std::string& path) {
  const auto file = io::WeightsFile::open(kLoadCheckpoint, path);
  const io::Contents& contents = file->contents();
  const auto storages = read_storages(*file, path);
  file->verify_rest();

  Checkpoint checkpoint{contents.format, StateDict(), {}};
  checkpoint.tensors.reserve(contents.tensors.size());  // the size that `HashBuckets` has judged
  for (const io::TensorRecord& record : contents.tensors) {
    checkpoint.tensors.insert(record.name, make_tensor(record, storages[record.storage], path));
  }
  checkpoint.attributes.insert(contents.attributes.begin(), contents.attributes.end());
  return checkpoint;
}

Checkpoint part_of(const Checkpoint& checkpoint, const std::string& prefix) {
  Checkpoint part{checkpoint.format, StateDict(), {}};
  const auto& tensors = checkpoint.tensors;
  const auto is_in_part = [&](const auto& item) { return item.key().starts_with(prefix); };
  const auto count =
      static_cast<std::size_t>(std::count_if(tensors.begin(), tensors.end(), is_in_part));
  part.tensors.reserve(count);
  // Names that spread may collide without the prefix.
  io::HashBuckets buckets(count);
  for (const auto& item : tensors) {
    if (!is_in_part(item)) continue;
    auto name = item.key().substr(prefix.size());
    if (!buckets.add(name)) {
      throw ValueError(cat("[part_of] ", quote(prefix), ": tensor ", quote(name), ": ",
                           io::HashBuckets::kProblem));
    }
    part.tensors.insert(std::move(name), item.value());
  }
  for (const auto& [name, value] : checkpoint.attributes) {
    if (name.starts_with(prefix)) part.attributes.emplace(name.substr(prefix.size()), value);
  }
  return part;
}

}  // namespace xattn
