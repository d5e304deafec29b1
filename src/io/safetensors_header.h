#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "io/subject.h"
#include "io/weights_file.h"

namespace xattn::io {

inline constexpr std::uint64_t kLargestSafetensorsHeader = 100'000'000;

/// A tensor's bytes, counted from the end of the header.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Parses and checks the JSON header of a safetensors file whose data section has `data_size`
/// bytes.
///
/// Fills `contents` in the header's order; `ranges[i]` belongs to `contents.tensors[i]`, whose
/// storage is i.
void parse_safetensors_header(const Subject& subject, std::string_view json,
                              std::uint64_t data_size, Contents& contents,
                              std::vector<ByteRange>& ranges);

/// A tensor to be written.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kFloat32;
  std::vector<std::int64_t> shape;
};

struct SafetensorsLayout {
  std::string header;              ///< With the length in front and the padding behind.
  std::vector<std::size_t> order;  ///< Indices of the entries as their data follow the header.
};

/// The header for `entries`, in their order. Data is laid out by falling element size, so that
/// every tensor is aligned without gaps, which the format does not allow.
///
/// Throws through `subject`: names twice, not UTF-8 or reserved, a dtype that the format lacks,
/// sizes beyond its limits.
SafetensorsLayout make_safetensors_header(const Subject& subject,
                                          const std::vector<SafetensorsEntry>& entries,
                                          const std::map<std::string, std::string>& metadata);

}  // namespace xattn::io
