#pragma once

#include <memory>

#include "fuzz/support/fuzz.h"
#include "xattn/core/error.h"

namespace xattn::fuzz {

/// Opens a file of weights, reads all of it and checks what was read.
inline void read_weights(const std::uint8_t* data, std::size_t size) {
  const auto path = file_of(data, size);
  try {
    std::unique_ptr<io::WeightsFile> file;
    {
      const MemoryBound bound(size + kMostMemory);
      file = io::WeightsFile::open("fuzz", path);
    }
    for (const auto& record : file->contents().tensors) {
      expect(record.storage < file->storage_count(), "a tensor's storage is there");
      check_record(record, file->storage_size(record.storage));
    }
    check_attributes(file->contents());
    for (std::size_t i = 0; i < file->storage_count(); ++i) {
      const auto bytes = file->storage_size(i);
      expect(bytes <= size, "a storage is not larger than the file");
      const auto storage = std::make_unique<char[]>(bytes);
      file->read_storage(i, storage.get());
      file->verify_storage(i);
      if (file->has_pieces() && bytes > 0) {
        char last = 0;
        file->read_piece(i, bytes - 1, &last, 1);
        expect(last == storage[bytes - 1], "a piece is a part of the whole");
      }
    }
    const MemoryBound bound(kMostMemory);
    file->verify_rest();
  } catch (const FileError& error) {
    check_message(error.what(), "fuzz");
  }
}

}  // namespace xattn::fuzz
