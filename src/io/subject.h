#pragma once

#include <string>
#include <string_view>

#include "xattn/core/error.h"

namespace xattn::io {

/// What an error is about: the public function that was called and the file it was given.
struct Subject {
  std::string place;
  std::string path;

  /// Throws FileError "[place] path: what".
  [[noreturn]] void fail(std::string_view what) const {
    throw FileError("[" + place + "] " + path + ": " + std::string(what));
  }
};

}  // namespace xattn::io
