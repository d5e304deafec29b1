// A loop of one's own, with LibTorch's optimizer and none of our steps: modules are modules.

#include <gtest/gtest.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include "training/small_models.h"
#include "xattn/schedulers/scheduling_ddpm.h"
#include "xattn/training/ema_model.h"

namespace xattn::testing {
namespace {

TEST(OwnLoop, AUNetLearnsInThirtyLines) {
  auto unet = small_unet();
  const DDPMSchedulerConfig config;
  const DDPMScheduler scheduler(config);
  torch::optim::AdamW optimizer(unet->parameters(), torch::optim::AdamWOptions(2e-3));
  EMAModel ema(*unet, {.decay = 0.9});
  const auto latents = drawn({16, 4, 8, 8}, 1) * 0.5, text = drawn({16, 9, 32}, 2);
  auto generator = generator_of(3);
  std::vector<double> losses;
  for (int step = 0; step < 60; ++step) {
    const auto rows = torch::randint(16, {8}, generator, torch::kLong);
    const auto clean = latents.index_select(0, rows);
    const auto noise = torch::randn(clean.sizes(), generator);
    const auto timesteps = torch::randint(1000, {8}, generator, torch::kLong);
    const auto noisy = scheduler.add_noise({}, clean, noise, timesteps);
    const auto loss = torch::mse_loss(unet(noisy, timesteps, text.index_select(0, rows)), noise);
    optimizer.zero_grad();
    loss.backward();
    torch::nn::utils::clip_grad_norm_(unet->parameters(), 1.0);
    optimizer.step();
    ema.step(unet->parameters());
    losses.push_back(loss.item<double>());
  }
  const auto mean = [&](size_t from) {
    double sum = 0;
    for (size_t i = from; i < from + 10; ++i) sum += losses[i] / 10;
    return sum;
  };
  EXPECT_LT(mean(50), 0.9 * mean(0));
}

}  // namespace
}  // namespace xattn::testing
