#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>

namespace xattn::apps {

struct VerifyFolderOptions {
  std::string folder, golden, variant, device = "cpu";
  /// The recording's where not given.
  std::optional<at::ScalarType> dtype;
  /// As that of `PretrainedOptions`; the dtype is then float32 where not given.
  std::optional<at::ScalarType> weights_dtype;
  /// The model's name in the recording; found where it is not given.
  std::optional<std::string> prefix;
  /// Of max |Δ| / max |expected|; where not given, by the dtype.
  std::optional<double> tolerance;
  bool json = false, all = false;
};

/// Runs each submodule of a folder's model on the inputs that python/xattn_record.py recorded of
/// the original, prints how far the outputs are, worst first, and names the first that diverges.
/// Returns an exit code.
int verify_folder(const VerifyFolderOptions& options);

}  // namespace xattn::apps
