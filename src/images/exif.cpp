#include "images/exif.h"

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "core/text.h"

// TIFF: "II" (little-endian) or "MM" (big-endian), 42, and the offset of the first directory, which
// is a count and entries of twelve bytes: tag (2), type (2), count (4), and the value, or its
// offset where it has more than four bytes.

namespace xattn::images {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kOrientationTag = 0x0112;

class Tiff {
 public:
  Tiff(std::string_view bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  bool has(std::uint64_t offset, std::uint64_t count) const {
    return offset <= bytes_.size() && count <= bytes_.size() - offset;
  }
  std::uint64_t size() const { return bytes_.size(); }

  /// `count` bytes that are there.
  std::uint64_t number(std::uint64_t offset, std::size_t count) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = offset + (big_endian_ ? i : count - 1 - i);
      value = value << 8 | static_cast<std::uint8_t>(bytes_[at]);
    }
    return value;
  }

 private:
  std::string_view bytes_;
  bool big_endian_;
};

/// The bytes of one value of a type; 0 for types that are not known.
std::uint64_t unit_size(std::uint64_t type) {
  static constexpr std::uint8_t kSizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
  return type < std::size(kSizes) ? kSizes[type] : 0;
}

bool is_whole_number(std::uint64_t type) {
  return type == 3 || type == 4 || type == 8 || type == 9 || type == 13;
}

}  // namespace

ExifOrientation exif_orientation(const io::Subject& subject, std::string_view exif) {
  for (int i = 0; i < 2 && exif.starts_with("Exif\0\0"sv); ++i) exif.remove_prefix(6);
  if (exif.empty()) return {};
  const bool big_endian = exif.starts_with("MM\0*"sv);
  if (exif.size() < 8 || (!big_endian && !exif.starts_with("II*\0"sv))) {
    subject.fail(cat("its Exif data begin with ", quote(exif.substr(0, 4)),
                     ", expected a TIFF header: how the picture is turned cannot be told; "
                     "load_png and load_jpeg read the pixels as they are stored"));
  }
  const Tiff tiff(exif, big_endian);
  const auto directory = tiff.number(4, 4);
  if (!tiff.has(directory, 2)) return {};
  const auto count = tiff.number(directory, 2);
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto entry = directory + 2 + 12 * i;
    if (!tiff.has(entry, 12)) return {};
    const auto type = tiff.number(entry + 2, 2), values = tiff.number(entry + 4, 4);
    const auto bytes = values * unit_size(type);
    if (bytes > 4) {
      total += bytes;
      if (total > tiff.size()) continue;
      if (!tiff.has(tiff.number(entry + 8, 4), bytes)) return {};
    }
    if (tiff.number(entry, 2) != kOrientationTag || bytes == 0) continue;
    if (values != 1 || !is_whole_number(type)) return {.has_tag = true};
    return {true, static_cast<int>(tiff.number(entry + 8, unit_size(type)))};
  }
  return {};
}

int xmp_orientation(std::string_view xmp) {
  constexpr auto kName = "tiff:Orientation"sv;
  for (auto at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName, at + 1)) {
    auto rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with(">")) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return 1;
}

}  // namespace xattn::images
