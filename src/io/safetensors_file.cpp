#include "io/safetensors_file.h"

#include "core/text.h"
#include "io/little_endian.h"

namespace xattn::io {

SafetensorsFile::SafetensorsFile(std::unique_ptr<File> file) : file_(std::move(file)) {
  const std::uint64_t length = load_u64(file_->read(0, 8).data());
  if (length > kLargestSafetensorsHeader) {
    file_->fail(cat("safetensors header: expected at most ", kLargestSafetensorsHeader,
                    " bytes, its length says ", length));
  }
  if (length > file_->size() - 8) {
    file_->fail(cat("safetensors header: its length says ", length, " bytes, the file has ",
                    file_->size() - 8, " after it"));
  }
  data_at_ = 8 + length;
  const std::string json = file_->read(8, length);
  parse_safetensors_header(file_->subject(), json, file_->size() - data_at_, contents_, ranges_);
}

void SafetensorsFile::read_storage(std::size_t storage, void* to) const {
  file_->read(data_at_ + ranges_[storage].begin, to, storage_size(storage));
}

void SafetensorsFile::read_piece(std::size_t storage, std::uint64_t offset, void* to,
                                 std::size_t count) const {
  file_->read(data_at_ + ranges_[storage].begin + offset, to, count);
}

}  // namespace xattn::io
