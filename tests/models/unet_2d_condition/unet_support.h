#pragma once

#include "models/unet_2d_condition/unet_blocks.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"

namespace xattn::testing {

/// The arguments among a case's inputs.
UNet2DConditionArguments unet_arguments(const Tensors& inputs);

/// Two levels, of which the first reads texts of width 6.
UNet2DConditionConfig small_unet_config();

/// A case's model with its weights.
UNet2DConditionModel load_unet(const ModelCase& model_case);

/// The text of a file.
std::string read_text(const std::filesystem::path& path);

}  // namespace xattn::testing
