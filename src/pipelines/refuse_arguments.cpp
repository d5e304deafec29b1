#include "pipelines/refuse_arguments.h"

#include <fmt/format.h>

#include "core/check.h"

namespace xattn {

void refuse_xl_arguments(const std::string& place, const PipelineArguments& arguments) {
  const auto refuse = [&](const char* name, bool is_given) {
    if (is_given) throw_value_error(place, name, "none: only XL's pipelines know it", "some");
  };
  refuse("prompt_2", !arguments.prompt_2.empty());
  refuse("negative_prompt_2", arguments.negative_prompt_2.has_value());
  refuse("denoising_start", arguments.denoising_start.has_value());
  refuse("denoising_end", arguments.denoising_end.has_value());
  refuse("original_size", arguments.original_size.has_value());
  refuse("target_size", arguments.target_size.has_value());
  refuse("crops_coords_top_left", arguments.crops_coords_top_left.has_value());
  refuse("negative_original_size", arguments.negative_original_size.has_value());
  refuse("negative_target_size", arguments.negative_target_size.has_value());
  refuse("negative_crops_coords_top_left", arguments.negative_crops_coords_top_left.has_value());
  refuse("aesthetic_score", arguments.aesthetic_score.has_value());
  refuse("negative_aesthetic_score", arguments.negative_aesthetic_score.has_value());
}

void check_clip_skip(const std::string& place, std::optional<int64_t> clip_skip, int64_t most) {
  if (!clip_skip || (*clip_skip >= 0 && *clip_skip <= most)) return;
  throw_value_error(place, "clip_skip", fmt::format("0 to {}", most), std::to_string(*clip_skip));
}

}  // namespace xattn
