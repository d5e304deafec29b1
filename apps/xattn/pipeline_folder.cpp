#include "pipeline_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "io/subject.h"
#include "xattn/pretrained/from_pretrained.h"

namespace xattn::apps {

namespace fs = std::filesystem;

void check_pipeline_folder(const std::string& place, const std::string& model) {
  const io::Subject subject{place, model};
  constexpr auto kExpected = "expected a pipeline's folder, with model_index.json";
  const fs::path folder(model);
  std::error_code error;  // what cannot be looked at is as good as missing
  if (!fs::exists(folder, error))
    subject.fail(fmt::format("there is no such folder, {}; models are not downloaded", kExpected));
  if (!fs::is_directory(folder, error)) {
    subject.fail(
        fmt::format("is a single file, {}: diffusers makes one of it by "
                    "from_single_file and save_pretrained",
                    kExpected));
  }
  if (fs::exists(folder / "model_index.json", error)) return;
  const auto above = fs::absolute(folder, error).lexically_normal().parent_path();
  // The name of a folder may end in a slash.
  const auto parent = folder.has_filename() ? above : above.parent_path();
  const auto hint = fs::exists(parent / "model_index.json", error)
                        ? fmt::format("; is {} meant?", parent.string())
                        : "";
  if (fs::exists(folder / "config.json", error)) {
    subject.fail(fmt::format("is the folder of one model ({}), {}{}",
                             fmt::join(pretrained_classes(model), ", "), kExpected, hint));
  }
  subject.fail(fmt::format("has no model_index.json, {}{}", kExpected, hint));
}

}  // namespace xattn::apps
