#include "models/unet_2d_condition/unet_support.h"

#include <fstream>
#include <sstream>

#include "xattn/io/checkpoint.h"
#include "xattn/nn/initialization.h"

namespace xattn::testing {
namespace {

void read(const Tensors& inputs, const char* name, std::optional<at::Tensor>& value) {
  if (const auto found = inputs.find(name); found != inputs.end()) value = found->second;
}

void read(const Tensors& inputs, const std::string& name, std::vector<at::Tensor>& values) {
  while (inputs.count(name + "_" + std::to_string(values.size()))) {
    values.push_back(inputs.at(name + "_" + std::to_string(values.size())));
  }
}

}  // namespace

UNet2DConditionArguments unet_arguments(const Tensors& inputs) {
  UNet2DConditionArguments arguments;
  read(inputs, "class_labels", arguments.class_labels);
  read(inputs, "timestep_cond", arguments.timestep_cond);
  read(inputs, "attention_mask", arguments.attention_mask);
  read(inputs, "encoder_attention_mask", arguments.encoder_attention_mask);
  read(inputs, "text_embeds", arguments.text_embeds);
  read(inputs, "time_ids", arguments.time_ids);
  read(inputs, "down_block_additional_residuals", arguments.down_block_additional_residuals);
  read(inputs, "mid_block_additional_residual", arguments.mid_block_additional_residual);
  read(inputs, "down_intrablock_additional_residuals",
       arguments.down_intrablock_additional_residuals);
  return arguments;
}

UNet2DConditionConfig small_unet_config() {
  UNet2DConditionConfig config;
  config.block_out_channels = {8, 16};
  config.down_block_types = {"CrossAttnDownBlock2D", "DownBlock2D"};
  config.up_block_types = {"UpBlock2D", "CrossAttnUpBlock2D"};
  config.layers_per_block = {1};
  config.norm_num_groups = 4;
  config.cross_attention_dim = {6};
  config.attention_head_dim = {2};
  return config;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

UNet2DConditionModel load_unet(const ModelCase& model_case) {
  const SkipInitialization skip;
  UNet2DConditionModel unet(
      UNet2DConditionConfig::from_json(read_text(model_case.directory / "config.json")));
  unet->to(model_case.dtype);
  unet->eval();
  load_state_dict(
      *unet,
      load_checkpoint((model_case.directory / "diffusion_pytorch_model.safetensors").string())
          .tensors);
  return unet;
}

}  // namespace xattn::testing
