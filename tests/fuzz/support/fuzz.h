#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/weights_file.h"

/// What the fuzzers share. A broken promise ends the process, which libFuzzer takes for a crash.
namespace xattn::fuzz {

/// Ends the process with a message.
[[noreturn]] void broken(std::string_view promise);

inline void expect(bool kept, std::string_view promise) {
  if (!kept) broken(promise);
}

/// Holds what is done in its lifetime to a bound on live memory.
class MemoryBound {
 public:
  explicit MemoryBound(std::size_t most_bytes);
  ~MemoryBound();
  MemoryBound(const MemoryBound&) = delete;
  MemoryBound& operator=(const MemoryBound&) = delete;

 private:
  std::size_t before_, most_bytes_;
};

/// Reading may take the file's size and this.
inline constexpr std::size_t kMostMemory = std::size_t{64} << 20;

/// The path of a file in memory that holds these bytes; the next call writes over it.
std::string file_of(const std::uint8_t* data, std::size_t size);

/// A folder in memory, which is removed with the process.
const std::string& folder();
/// Writes a file of that folder; an empty one is removed.
void write(std::string_view name, std::string_view bytes);

/// The parts of an input, apart by bytes that UTF-8 does not have.
std::vector<std::string_view> parts_of(const std::uint8_t* data, std::size_t size);

/// Every error is a text in UTF-8 that says where.
void check_message(const char* message, std::string_view place);

/// Every element that a record names lies in its storage; counted another way than the readers do.
void check_record(const io::TensorRecord& record, std::uint64_t storage_bytes);
void check_attributes(const io::Contents& contents);

}  // namespace xattn::fuzz
