#include "xattn/training/latent_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "training/support/drawn_pictures.h"
#include "xattn/images/load_image.h"
#include "xattn/io/checkpoint.h"
#include "xattn/io/safetensors.h"
#include "xattn/training/picture_loader.h"

namespace xattn::testing {
namespace {

constexpr int64_t kResolution = 8;

AutoencoderKL small_autoencoder() {
  torch::manual_seed(3);
  AutoencoderKLConfig config;
  config.down_block_types = {"DownEncoderBlock2D", "DownEncoderBlock2D"};
  config.up_block_types = {"UpDecoderBlock2D", "UpDecoderBlock2D"};
  config.block_out_channels = {8, 8};
  config.norm_num_groups = 4;
  config.latent_channels = 2;
  return AutoencoderKL(config);
}

ImageTransform transform_of(bool flips) {
  return ImageTransform({.resolution = kResolution, .random_flip = flips});
}

/// A folder of pictures, an autoencoder, and a cache's file.
struct CacheCase {
  TemporaryFolder folder;
  std::vector<CaptionedPicture> pictures = drawn_pictures(folder, 7);
  AutoencoderKL autoencoder = small_autoencoder();
  std::string path = folder / "latents.safetensors";

  LatentCache open(bool flips = true, const LatentCacheOptions& options = {.batch_size = 3}) {
    return {path, autoencoder, pictures, transform_of(flips), options};
  }
  std::string why(bool flips = true) { return open(flips).made_because(); }
};

TEST(LatentCache, HoldsTheEncodersPosterior) {
  CacheCase data;
  const auto cache = data.open();
  const at::NoGradGuard no_gradients;
  for (int64_t i = 0; i < 7; ++i) {
    for (const bool flip : {false, true}) {
      const auto pixels = load_image(data.pictures[static_cast<size_t>(i)].path);
      at::Generator none;
      auto where = transform_of(false).draw(pixels.size(0), pixels.size(1), none);
      where.flip = flip;
      const auto image = transform_of(true).apply(pixels, where).unsqueeze(0);
      const auto expected = data.autoencoder->encode(image);
      const auto got = cache.read({{i, flip}});
      EXPECT_EQ(got.mean.sizes(), (at::IntArrayRef{1, 2, 4, 4}));
      // A batch's sums may be rounded in another order than one picture's.
      EXPECT_TRUE(at::allclose(got.mean, expected.mean, 1e-5, 1e-6));
      EXPECT_TRUE(at::allclose(got.std, expected.std, 1e-5, 1e-6));
      // The twin: the other picture's are not these.
      EXPECT_FALSE(at::allclose(cache.read({{(i + 1) % 7, flip}}).mean, expected.mean, 1e-5, 1e-6));
      EXPECT_FALSE(at::allclose(cache.read({{i, !flip}}).mean, expected.mean, 1e-5, 1e-6));
    }
  }
}

TEST(LatentCache, DrawsWhatTheLoaderDraws) {
  CacheCase data;
  const auto cache = data.open();
  BatchOrder order(7, 3, 9);
  PictureLoader loader(data.pictures, transform_of(true), order);
  const at::NoGradGuard no_gradients;
  for (int i = 0; i < 8; ++i) {
    const auto pictures = loader.next();
    const auto latents = cache.batch(order.next());
    EXPECT_EQ(latents.captions, pictures.captions);
    EXPECT_TRUE(at::allclose(latents.mean, data.autoencoder->encode(pictures.pixel_values).mean,
                             1e-5, 1e-6));
  }
}

TEST(LatentCache, IsMadeOnce) {
  CacheCase data;
  int64_t done = 0;
  const LatentCacheOptions options{.batch_size = 4, .progress = [&](int64_t now, int64_t all) {
                                     EXPECT_EQ(all, 7);
                                     EXPECT_GT(now, done);
                                     done = now;
                                   }};
  const auto made = data.open(true, options);
  EXPECT_EQ(made.made_because(), "there was none");
  EXPECT_EQ(done, 7);
  const auto bytes = read_bytes(data.path);
  const auto again = data.open(true, options);  // progress would go back
  EXPECT_EQ(again.made_because(), "");
  EXPECT_TRUE(at::equal(again.read({{6, true}}).std, made.read({{6, true}}).std));
  EXPECT_EQ(read_bytes(data.path), bytes);
}

TEST(LatentCache, IsMadeAnewWhereSomethingIsAnother) {
  CacheCase data;
  EXPECT_EQ(data.why(), "there was none");
  EXPECT_EQ(data.why(false), "the transform changed");
  EXPECT_EQ(data.why(false), "");
  {
    const at::NoGradGuard no_gradients;
    data.autoencoder->decoder->parameters().front().add_(1);
    EXPECT_EQ(data.why(false), "");  // the decoder makes no latents
    data.autoencoder->encoder->parameters().front().add_(1);
    EXPECT_EQ(data.why(false), "the autoencoder changed");
  }
  save_png(data.folder / "2.png", at::ones({9, 9, 3}, at::kByte));
  EXPECT_EQ(data.why(false), "the pictures changed");
  std::swap(data.pictures[0], data.pictures[1]);
  EXPECT_EQ(data.why(true), "the pictures and the transform changed");
  data.pictures.pop_back();
  EXPECT_EQ(data.why(true), "the pictures changed");
  data.pictures[0].captions.emplace_back("another caption");
  EXPECT_EQ(data.why(true), "");
}

TEST(LatentCache, KeepsTheAutoencodersDtype) {
  CacheCase data;
  data.autoencoder->to(at::kDouble);
  EXPECT_EQ(data.open().read({{0, false}}).mean.scalar_type(), at::kDouble);
}

TEST(LatentCache, RefusesRandomCropsByName) {
  CacheCase data;
  const ImageTransform random({.resolution = 8, .crop = Crop::kRandom});
  expect_value_error(
      [&] { LatentCache(data.path, data.autoencoder, data.pictures, random); },
      "[LatentCache] transform: expected a crop in the centre, for latents are computed once, got "
      "random crops (8x8 lanczos, random crops)");
  expect_value_error([&] { LatentCache(data.path, data.autoencoder, {}, transform_of(false)); },
                     "[LatentCache] pictures: expected pictures, got none");
  expect_value_error_with([&] { data.open(true, {.batch_size = 0}); }, "batch_size");
  EXPECT_FALSE(std::filesystem::exists(data.path));
}

TEST(LatentCache, RefusesPicturesThatAreNotThere) {
  CacheCase data;
  const auto plain = data.open(false);
  expect_value_error(
      [&] {
        plain.read({{7, false}});
      },
      "[LatentCache] picture: expected 0 to 6, got 7");
  expect_value_error_with([&] { plain.read({{-1, false}}); }, "got -1");
  expect_value_error_with([&] { plain.read({{0, true}}); }, "the transform has no flips");
  expect_value_error_with([&] { plain.batch({{9, {}, 0}}); }, "got 9");
}

TEST(LatentCache, NamesThePicture) {
  CacheCase data;
  write_bytes(data.folder / "4.png", "no picture");
  const auto expect_error = [&](const std::string& what) {
    try {
      data.open();
      ADD_FAILURE() << "no error; expected: " << what;
    } catch (const FileError& error) {
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(data.path));
  };
  expect_error("/4.png: ");
  std::filesystem::remove(data.folder / "4.png");
  expect_error("/4.png: cannot be examined: No such file");
  data.pictures.erase(data.pictures.begin() + 4);
  const at::NoGradGuard no_gradients;
  data.autoencoder->encoder->parameters().front().fill_(std::nan(""));
  expect_error("/0.png: expected finite latents, got others; the autoencoder computes in float32");
}

TEST(LatentCache, LeavesAnotherFileAsItIs) {
  CacheCase data;
  StateDict tensors;
  tensors.insert("weight", at::ones({2}));
  save_safetensors(data.path, tensors);
  const auto bytes = read_bytes(data.path);
  EXPECT_THROW(data.open(), FileError);
  EXPECT_EQ(read_bytes(data.path), bytes);
  write_bytes(data.path, "something else");
  EXPECT_THROW(data.open(), FileError);
  EXPECT_EQ(read_bytes(data.path), "something else");
}

}  // namespace
}  // namespace xattn::testing
