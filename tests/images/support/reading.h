#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "images/picture_size.h"

namespace xattn::testing {

inline constexpr std::int64_t kMostPixels = 1'000'000;

struct ReadPicture {
  images::PictureSize size;
  std::vector<std::uint8_t> pixels;
};

/// Reads a picture's pixels, how it is turned and, of a PNG, its texts.
ReadPicture read_picture(const std::string& path);

/// True if all of it reads, false if it is refused with a FileError that names the file; any other
/// exception fails the test.
bool picture_reads(const std::string& path);

/// Expects a FileError that begins with "[test] path: " and holds `reason`.
void expect_picture_refused(const std::string& path, const std::string& reason);

}  // namespace xattn::testing
