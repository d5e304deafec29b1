#pragma once

#include <c10/core/Device.h>

#include <string>

namespace xattn::apps {

/// Throws `UsageError` where a picture of `draw_pictures` would be written over a file that it did
/// not write.
void check_pictures(const std::string& folder);

/// Draws one sentence, in Korean and in English, with the embedded model: writes `bada-ko.png` and
/// `bada-en.png` into the folder, which is made where it is not there, prints their paths and, on a
/// terminal of 24-bit colours and UTF-8, both pictures side by side.
///
/// Throws: `FileError` where the model is not there or a picture cannot be written.
void draw_pictures(const std::string& folder, at::Device device);

}  // namespace xattn::apps
