#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "io/file.h"
#include "xattn/io/checkpoint_info.h"

namespace xattn::io {

/// A tensor in a file: a strided view of a storage, already checked to lie inside it.
struct TensorRecord {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< In elements; not negative.
  std::int64_t offset = 0;            ///< In elements, from the storage's start.
  std::size_t storage = 0;            ///< Index for `WeightsFile`; tensors may share one.
  DType dtype = DType::kFloat32;
  bool conjugate = false;  ///< The values are the conjugates of what is stored.
  bool negative = false;   ///< The values are the negatives of what is stored.
};

/// Everything in a file but the data.
struct Contents {
  CheckpointFormat format = CheckpointFormat::kTorchSave;
  // Deques: they do not move, nor double, while a hostile file fills them.
  std::deque<TensorRecord> tensors;
  std::deque<std::pair<std::string, Attribute>> attributes;
};

/// An open file of weights of any format.
class WeightsFile {
 public:
  /// Recognises the format by content, and reads and checks the structure.
  static std::unique_ptr<WeightsFile> open(std::string place, const std::string& path);

  virtual ~WeightsFile() = default;

  virtual const Contents& contents() const = 0;
  /// How many storages the tensors use, and each one's size in bytes.
  virtual std::size_t storage_count() const = 0;
  virtual std::uint64_t storage_size(std::size_t storage) const = 0;
  /// Reads a whole storage and checks its checksum where the format has one. May be called from
  /// several threads.
  virtual void read_storage(std::size_t storage, void* to) const = 0;
  /// Whether `read_piece` may be used: where the format has checksums, they need the whole storage.
  virtual bool has_pieces() const { return false; }
  /// Reads `count` bytes of a storage. May be called from several threads.
  virtual void read_piece(std::size_t storage, std::uint64_t offset, void* to,
                          std::size_t count) const;
  /// Checks a storage's checksum where the format has one, without keeping its bytes.
  virtual void verify_storage(std::size_t storage) const = 0;
  /// Checks the checksums of everything that no tensor uses.
  virtual void verify_rest() const = 0;
};

/// Bounds for all formats: real files stay far below, hostile ones must not fill the memory.
inline constexpr std::size_t kMostTensors = 100'000;
inline constexpr std::size_t kMostAttributes = 200'000;
inline constexpr std::size_t kMostContentBytes = std::size_t{32} << 20;
inline constexpr std::size_t kLongestName = std::size_t{1} << 20;
inline constexpr std::size_t kMostDimensions = 64;

/// What a record takes in memory, with its share of the indices made of all records.
inline std::size_t content_bytes(const TensorRecord& record) {
  return sizeof record + record.name.size() + 16 * record.shape.size() + 128;
}
inline std::size_t content_bytes(const std::pair<std::string, Attribute>& attribute) {
  const auto* const text = std::get_if<std::string>(&attribute.second);
  return sizeof attribute + attribute.first.size() + (text ? text->size() : 0) + 48;
}

/// Bytes of a contiguous tensor; nothing where a size is negative or the product overflows. Zero
/// sizes count as one in the overflow check, because strides are products too.
bool contiguous_bytes(const std::vector<std::int64_t>& shape, DType dtype, std::int64_t& bytes);

/// Strides of a contiguous tensor.
std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape);

}  // namespace xattn::io
