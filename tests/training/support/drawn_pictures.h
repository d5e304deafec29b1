#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randint.h>

#include <string>
#include <vector>

#include "io/support/temporary_folder.h"
#include "xattn/images/png.h"
#include "xattn/training/image_folder.h"

namespace xattn::testing {

/// Writes small pictures of noise and different sizes, with one to three captions each.
inline std::vector<CaptionedPicture> drawn_pictures(const TemporaryFolder& folder, int64_t count) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{4});
  std::vector<CaptionedPicture> pictures;
  for (int64_t i = 0; i < count; ++i) {
    const auto name = std::to_string(i) + ".png";
    const auto pixels =
        at::randint(256, {8 + i % 5, 8 + i % 3, 3}, generator, at::TensorOptions(at::kByte));
    save_png(folder / name, pixels);
    CaptionedPicture picture{folder / name, name, {}};
    for (int64_t caption = 0; caption <= i % 3; ++caption) {
      picture.captions.push_back("picture " + std::to_string(i) + ", " + std::to_string(caption));
    }
    pictures.push_back(picture);
  }
  return pictures;
}

}  // namespace xattn::testing
