#pragma once

#include <cstdint>
#include <string>

#include "xattn/core/export.h"

namespace xattn {

/// The model that ships with xattn: `bada`, which draws small landscapes from words in English and
/// Korean.
struct EmbeddedModel {
  /// A pipeline's folder, for `open_pipeline`.
  std::string folder;
  /// What it is run with where nothing else is asked for.
  int64_t num_inference_steps = 25;
  double guidance_scale = 4;
};

/// The embedded model, in `share_dir()`.
///
/// Throws: as `share_dir`.
XATTN_API EmbeddedModel embedded_model();

/// The folder of what ships with xattn beside the library, `share/xattn`, with the embedded model
/// in it.
///
/// The environment variable `XATTN_SHARE_DIR` names it. Without the variable it is looked for from
/// the file that holds this code, a shared library or a program: in the tree that xattn was
/// installed into, which may have been moved. Then where that tree was to be when xattn was built,
/// and in xattn's sources.
///
/// Throws: `FileError` where the embedded model is not there, naming the places.
XATTN_API std::string share_dir();

}  // namespace xattn
