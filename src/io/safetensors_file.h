#pragma once

#include <memory>
#include <vector>

#include "io/safetensors_header.h"
#include "io/weights_file.h"

namespace xattn::io {

/// A safetensors file: u64 length of the header, little-endian; the header, JSON; the tensors'
/// bytes. The format has no checksums.
class SafetensorsFile : public WeightsFile {
 public:
  explicit SafetensorsFile(std::unique_ptr<File> file);

  const Contents& contents() const override { return contents_; }
  std::size_t storage_count() const override { return ranges_.size(); }
  std::uint64_t storage_size(std::size_t storage) const override {
    return ranges_[storage].end - ranges_[storage].begin;
  }
  void read_storage(std::size_t storage, void* to) const override;
  bool has_pieces() const override { return true; }
  void read_piece(std::size_t storage, std::uint64_t offset, void* to,
                  std::size_t count) const override;
  void verify_storage(std::size_t /*storage*/) const override {}
  void verify_rest() const override {}

 private:
  std::unique_ptr<File> file_;
  Contents contents_;
  std::vector<ByteRange> ranges_;
  std::uint64_t data_at_ = 0;
};

}  // namespace xattn::io
