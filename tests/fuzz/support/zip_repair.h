#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace xattn::fuzz {

/// An entry of a zip, with its root folder, as it is stored.
struct PackedEntry {
  std::string name, packed;
  bool deflated = false;
};

/// The entries of a zip as PyTorch writes it; none where it is broken.
std::vector<PackedEntry> unpack_zip(std::string_view zip);

/// A zip of them whose checksums, sizes and offsets are right.
std::string pack_zip(const std::vector<PackedEntry>& entries, unsigned padding);

}  // namespace xattn::fuzz
