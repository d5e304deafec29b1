#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "xattn/models/autoencoder_kl/autoencoder_kl.h"
#include "xattn/models/clip/clip_text_model.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn::testing {

/// Models in training mode that compute in a moment; the same weights each time.
UNet2DConditionModel small_unet(double dropout = 0);
CLIPTextModel small_text_encoder();
AutoencoderKL small_autoencoder();

at::Generator generator_of(uint64_t seed);
at::Tensor drawn(at::IntArrayRef shape, uint64_t seed);

/// The gradients of a module's parameters, copied, and taken away; zeros where there is none.
std::vector<at::Tensor> take_gradients(torch::nn::Module& module);

/// The scheduler of a folder, which must be one of those that train.
std::unique_ptr<AlphaScheduler> training_scheduler(const std::string& folder);

}  // namespace xattn::testing
