// One contender of training.py: a step of training for every line on stdin, answered with its
// seconds and its loss. Arguments: the kind, the folder that training.py made, "channels_last" or
// "contiguous".

#include <ATen/CPUGeneratorImpl.h>
#include <torch/utils.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include "xattn/core/error.h"
#include "xattn/io/checkpoint.h"
#include "xattn/pretrained/from_pretrained.h"
#include "xattn/schedulers/scheduling_ddpm.h"
#include "xattn/training/adamw.h"
#include "xattn/training/autoencoder_step.h"
#include "xattn/training/text_to_image_step.h"

namespace {

constexpr uint64_t kSeed = 1;
constexpr double kLearningRate = 1e-4;
constexpr double kEdgeWeight = 0.5;

using Step = std::function<double()>;

/// What is the same for both: the optimizer and its average.
struct Optimization {
  explicit Optimization(const torch::nn::Module& averaged, std::vector<at::Tensor> parameters)
      : optimizer(std::move(parameters), torch::optim::AdamWOptions(kLearningRate)),
        ema(averaged),
        step(optimizer) {
    step.track(ema, averaged);
  }

  xattn::AdamW optimizer;
  xattn::EMAModel ema;
  xattn::OptimizerStep step;
};

void use_channels_last(torch::nn::Module& module) {
  for (auto& parameter : module.parameters())
    if (parameter.dim() == 4)
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
}

at::Generator new_generator() {
  return at::make_generator<at::CPUGeneratorImpl>(kSeed);
}

Step text_to_image(const std::string& folder, bool channels_last) {
  auto unet = xattn::from_pretrained<xattn::UNet2DConditionModel>(folder + "/unet");
  auto text_encoder = xattn::from_pretrained<xattn::CLIPTextModel>(folder + "/text_encoder");
  unet->train();
  text_encoder->train();
  if (channels_last) use_channels_last(*unet);
  auto parameters = unet->parameters();
  for (const auto& parameter : text_encoder->parameters()) parameters.push_back(parameter);
  const auto input = xattn::load_checkpoint(folder + "/input.safetensors").tensors;
  const xattn::DDPMSchedulerConfig config;
  const auto scheduler = std::make_shared<xattn::DDPMScheduler>(config);
  const auto optimization = std::make_shared<Optimization>(*unet, std::move(parameters));
  xattn::TextToImageBatch batch{.latents = input["latents"], .captions = input["ids"]};
  if (channels_last) batch.latents = batch.latents.contiguous(at::MemoryFormat::ChannelsLast);
  const xattn::TextToImageOptions options{.loss = {.snr_gamma = 5.0}, .generator = new_generator()};
  return [=] {
    const xattn::TextToImageModels models{unet, text_encoder, *scheduler};
    return xattn::text_to_image_step(optimization->step, models, batch, options).loss;
  };
}

Step autoencoder(const std::string& folder, bool channels_last) {
  auto model = xattn::from_pretrained<xattn::AutoencoderKL>(folder + "/vae");
  model->train();
  if (channels_last) use_channels_last(*model);
  auto images = xattn::load_checkpoint(folder + "/input.safetensors").tensors["images"];
  if (channels_last) images = images.contiguous(at::MemoryFormat::ChannelsLast);
  const auto optimization = std::make_shared<Optimization>(*model, model->parameters());
  const xattn::AutoencoderOptions options{.loss = {.edge_weight = kEdgeWeight},
                                          .generator = new_generator()};
  return
      [=] { return xattn::autoencoder_step(optimization->step, model, images, options).step.loss; };
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: xattn_training_worker text_to_image|autoencoder FOLDER FORMAT\n");
    return 2;
  }
  try {
    const bool channels_last = std::string(argv[3]) == "channels_last";
    const auto step = std::string(argv[1]) == "autoencoder" ? autoencoder(argv[2], channels_last)
                                                            : text_to_image(argv[2], channels_last);
    std::puts("ready");
    std::fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
      const auto begin = std::chrono::steady_clock::now();
      const auto loss = step();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      std::printf("%.6f %.9g\n", took.count(), loss);
      std::fflush(stdout);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
