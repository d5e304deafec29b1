#include "xattn/core/autocast.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/parity.h"
#include "training/small_models.h"
#include "xattn/schedulers/scheduling_ddpm.h"
#include "xattn/training/adamw.h"
#include "xattn/training/autoencoder_step.h"
#include "xattn/training/text_to_image_step.h"

namespace xattn::testing {
namespace {

TEST(Autocast, ItEndsWithItsScope) {
  const auto x = drawn({4, 4}, 1);
  EXPECT_EQ(torch::matmul(x, x).scalar_type(), torch::kFloat);
  {
    const Autocast autocast(at::kCPU);
    EXPECT_EQ(torch::matmul(x, x).scalar_type(), torch::kBFloat16);
    {
      const Autocast off(at::kCPU, at::kBFloat16, /*enabled=*/false);
      EXPECT_EQ(torch::matmul(x, x).scalar_type(), torch::kFloat);
    }
    EXPECT_EQ(torch::matmul(x, x).scalar_type(), torch::kBFloat16);
  }
  EXPECT_EQ(torch::matmul(x, x).scalar_type(), torch::kFloat);
  EXPECT_TRUE(at::autocast::is_autocast_cache_enabled());
}

TEST(Autocast, TrainingInBfloat16IsNearThatInFloat32) {
  const DDPMSchedulerConfig config;
  const DDPMScheduler scheduler(config);
  std::vector<double> losses;
  for (const bool autocast : {false, true}) {
    const TextToImageModels models{small_unet(), small_text_encoder(), scheduler};
    auto parameters = models.unet->parameters();
    const auto of_text = models.text_encoder->parameters();
    parameters.insert(parameters.end(), of_text.begin(), of_text.end());
    AdamW optimizer(parameters, torch::optim::AdamWOptions(1e-3));
    OptimizerStep step(optimizer);
    const TextToImageBatch batch{.latents = drawn({4, 4, 8, 8}, 1),
                                 .captions = torch::arange(36).view({4, 9})};
    TextToImageOptions options{.generator = generator_of(2)};
    if (autocast) options.autocast = at::kBFloat16;
    double sum = 0;
    for (int i = 0; i < 5; ++i) sum += text_to_image_step(step, models, batch, options).loss;
    losses.push_back(sum / 5);
    for (const auto& parameter : models.unet->parameters()) {
      ASSERT_EQ(parameter.scalar_type(), torch::kFloat);
    }
  }
  EXPECT_NEAR(losses[1] / losses[0], 1, 0.02);
  EXPECT_NE(losses[1], losses[0]);
}

TEST(Autocast, AnAutoencoderTrainsInBfloat16) {
  const auto model = small_autoencoder();
  AdamW optimizer(model->parameters());
  OptimizerStep step(optimizer);
  const auto images = drawn({2, 3, 16, 16}, 1).clamp(-1, 1);
  const auto result = autoencoder_step(step, model, images,
                                       {.loss = {.edge_weight = 0.5}, .autocast = at::kBFloat16});
  EXPECT_TRUE(result.step.stepped);
  EXPECT_EQ(result.parts.loss.scalar_type(), torch::kFloat);
  EXPECT_FALSE(result.parts.kl.requires_grad());
}

}  // namespace
}  // namespace xattn::testing
