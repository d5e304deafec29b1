#include "training/small_models.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/utils.h>

#include <stdexcept>

#include "xattn/pretrained/open_scheduler.h"

namespace xattn::testing {

UNet2DConditionModel small_unet(double dropout) {
  torch::manual_seed(1);
  UNet2DConditionConfig config;
  config.block_out_channels = {16, 32};
  config.down_block_types = {"CrossAttnDownBlock2D", "DownBlock2D"};
  config.up_block_types = {"UpBlock2D", "CrossAttnUpBlock2D"};
  config.layers_per_block = {1};
  config.cross_attention_dim = {32};
  config.attention_head_dim = {4};
  config.norm_num_groups = 4;
  config.dropout = dropout;
  UNet2DConditionModel model(config);
  model->train();
  return model;
}

CLIPTextModel small_text_encoder() {
  torch::manual_seed(2);
  CLIPTextConfig config;
  config.vocab_size = 50;
  config.max_position_embeddings = 9;
  config.hidden_size = 32;
  config.intermediate_size = 64;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 4;
  config.eos_token_id = 49;
  CLIPTextModel model(config);
  model->train();
  return model;
}

AutoencoderKL small_autoencoder() {
  torch::manual_seed(3);
  AutoencoderKLConfig config;
  config.block_out_channels = {8, 16};
  config.down_block_types = {"DownEncoderBlock2D", "DownEncoderBlock2D"};
  config.up_block_types = {"UpDecoderBlock2D", "UpDecoderBlock2D"};
  config.norm_num_groups = 4;
  config.sample_size = 16;
  AutoencoderKL model(config);
  model->train();
  return model;
}

at::Generator generator_of(uint64_t seed) {
  return at::make_generator<at::CPUGeneratorImpl>(seed);
}

at::Tensor drawn(at::IntArrayRef shape, uint64_t seed) {
  return torch::randn(shape, generator_of(seed));
}

std::vector<at::Tensor> take_gradients(torch::nn::Module& module) {
  std::vector<at::Tensor> gradients;
  for (auto& parameter : module.parameters()) {
    gradients.push_back(parameter.grad().defined() ? parameter.grad().clone()
                                                   : torch::zeros_like(parameter).detach());
    parameter.mutable_grad().reset();
  }
  return gradients;
}

std::unique_ptr<AlphaScheduler> training_scheduler(const std::string& folder) {
  auto scheduler = open_scheduler(folder);
  auto* found = dynamic_cast<AlphaScheduler*>(scheduler.get());
  if (!found) throw std::runtime_error(folder + ": not a scheduler that trains");
  scheduler.release();
  return std::unique_ptr<AlphaScheduler>(found);
}

}  // namespace xattn::testing
