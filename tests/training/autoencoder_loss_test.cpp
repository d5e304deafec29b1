#include "xattn/training/autoencoder_loss.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/parity.h"
#include "training/small_models.h"

namespace xattn::testing {
namespace {

/// The mean absolute difference between neighbours' differences, pixel by pixel.
double edges_by_hand(const at::Tensor& y, const at::Tensor& x, bool rows) {
  const auto a = (y - x).contiguous();
  const auto at = a.accessor<float, 4>();
  double sum = 0;
  int64_t count = 0;
  for (int64_t b = 0; b < a.size(0); ++b)
    for (int64_t c = 0; c < a.size(1); ++c)
      for (int64_t i = rows ? 1 : 0; i < a.size(2); ++i)
        for (int64_t j = rows ? 0 : 1; j < a.size(3); ++j, ++count)
          sum += std::abs(at[b][c][i][j] - (rows ? at[b][c][i - 1][j] : at[b][c][i][j - 1]));
  return sum / static_cast<double>(count);
}

TEST(AutoencoderLoss, ItIsItsEquation) {
  const torch::NoGradGuard no_grad;
  const auto model = small_autoencoder();
  const auto images = drawn({2, 3, 16, 12}, 1).clamp(-1, 1);
  const auto posterior = model.ptr()->encode(images);
  const auto decoded = model.ptr()->decode(posterior.sample(generator_of(3)));
  const AutoencoderLossOptions options{.edge_weight = 0.7, .kl_weight = 0.03};
  const auto found = autoencoder_loss(model, images, options, generator_of(3));
  EXPECT_TRUE(
      is_near("reconstruction", found.reconstruction, (decoded - images).abs().mean(), 1e-6));
  const auto edges = edges_by_hand(decoded, images, true) + edges_by_hand(decoded, images, false);
  EXPECT_NEAR(found.edges.item<double>(), edges, 1e-5);
  const auto kl =
      (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean().item<double>() / 2;
  EXPECT_NEAR(found.kl.item<double>(), kl, 1e-5);
  EXPECT_NEAR(found.loss.item<double>(),
              found.reconstruction.item<double>() + 0.7 * edges + 0.03 * kl, 1e-5);

  const auto squared = autoencoder_loss(
      model, images, {.reconstruction = ReconstructionLoss::kL2, .kl_weight = 0}, generator_of(3));
  EXPECT_TRUE(is_near("loss", squared.loss, (decoded - images).square().mean(), 1e-6));
  EXPECT_FALSE(squared.edges.defined());
  const auto other = autoencoder_loss(model, images, options, generator_of(4));
  EXPECT_FALSE(is_near("loss", other.loss, found.loss, 1e-5)) << "the latent must be drawn";
}

TEST(AutoencoderLoss, PicturesThatDoNotComeBackInTheirSizeAreRefused) {
  const auto model = small_autoencoder();
  expect_value_error(
      [&] {
        autoencoder_loss(model, drawn({1, 3, 15, 16}, 1));
      },
      "[autoencoder_loss] the reconstruction: expected [1, 3, 15, 16], got [1, 3, "
      "14, 16]");
}

}  // namespace
}  // namespace xattn::testing
