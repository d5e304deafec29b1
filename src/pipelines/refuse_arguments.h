#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "xattn/pipelines/pipeline_arguments.h"

namespace xattn {

/// Throws `ValueError` for the first argument that only XL's pipelines know.
void refuse_xl_arguments(const std::string& place, const PipelineArguments& arguments);

/// Throws `ValueError` unless so many layers can be left out of an encoder that has `most`.
void check_clip_skip(const std::string& place, std::optional<int64_t> clip_skip, int64_t most);

}  // namespace xattn
