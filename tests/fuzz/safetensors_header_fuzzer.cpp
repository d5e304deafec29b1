// Two bytes, the size of the data, then a header. What is read can be written and read again.
#include "core/utf8.h"
#include "fuzz/support/fuzz.h"
#include "io/safetensors_header.h"
#include "xattn/core/error.h"

namespace xattn::fuzz {
namespace {

void check_round_trip(const io::Contents& contents, const io::Subject& subject,
                      std::uint64_t data_size) {
  std::vector<io::SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
  for (const auto& tensor : contents.tensors) {
    entries.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  for (const auto& [name, value] : contents.attributes) {
    metadata[name] = std::get<std::string>(value);
  }
  io::Contents again;
  std::vector<io::ByteRange> ranges;
  try {
    const auto layout = make_safetensors_header(subject, entries, metadata);
    parse_safetensors_header(subject, std::string_view(layout.header).substr(8), data_size, again,
                             ranges);
  } catch (const FileError&) {
    broken("what was read can be written and read again");
  }
  expect(again.tensors.size() == contents.tensors.size(), "as many tensors as before");
  for (std::size_t i = 0; i < again.tensors.size(); ++i) {
    const auto &one = contents.tensors[i], &other = again.tensors[i];
    expect(one.name == other.name && one.shape == other.shape && one.dtype == other.dtype,
           "the same tensors as before");
  }
}

void run(std::string_view json, std::uint64_t data_size) {
  const io::Subject subject{"fuzz", "file"};
  io::Contents contents;
  std::vector<io::ByteRange> ranges;
  try {
    const MemoryBound bound(json.size() + kMostMemory);
    parse_safetensors_header(subject, json, data_size, contents, ranges);
  } catch (const FileError& error) {
    return check_message(error.what(), "fuzz");
  }
  expect(ranges.size() == contents.tensors.size(), "a range for each tensor");
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    expect(ranges[i].begin <= ranges[i].end && ranges[i].end <= data_size,
           "a range is in the data");
    check_record(contents.tensors[i], ranges[i].end - ranges[i].begin);
  }
  check_attributes(contents);
  check_round_trip(contents, subject, data_size);
}

}  // namespace
}  // namespace xattn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  xattn::fuzz::run({reinterpret_cast<const char*>(data) + 2, size - 2},
                   std::uint64_t{data[0]} | std::uint64_t{data[1]} << 8);
  return 0;
}
