#include "xattn/pipelines/vae_image_processor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/min.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/round.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/upsample_nearest2d.h>

#include "core/check.h"
#include "core/text.h"
#include "xattn/images/convert.h"

namespace xattn {
namespace {

constexpr auto kProcessorPlace = "VaeImageProcessor";
constexpr auto kImagesExpected =
    "pictures, uint8 [height, width, 1 to 4], or floating-point tensors [B, C, H, W] or [C, H, W]";

[[noreturn]] void refuse_image(const at::Tensor& image) {
  throw_value_error(kProcessorPlace, "image", kImagesExpected,
                    image.defined()
                        ? dtype_text(image.scalar_type()) + " " + shape_text(image.sizes())
                        : "an undefined tensor");
}

bool is_picture(const at::Tensor& image) {
  return image.defined() && image.scalar_type() == at::kByte;
}

void check_picture(const at::Tensor& picture) {
  if (picture.dim() != 3 || picture.size(2) < 1 || picture.size(2) > 4) refuse_image(picture);
}

/// Float tensors of a list as one; a list of batches is joined, one of images stacked.
at::Tensor one_tensor(const std::vector<at::Tensor>& images) {
  for (const auto& image : images) {
    if (is_picture(image) || !image.defined() || !image.is_floating_point()) refuse_image(image);
    if (image.dim() < 2 || image.dim() > 4) refuse_image(image);
    const auto& first = images.front();
    const int64_t skipped = image.dim() == 4 ? 1 : 0;
    if (image.dim() != first.dim() ||
        image.sizes().slice(skipped) != first.sizes().slice(skipped)) {
      throw_value_error(kProcessorPlace, "image",
                        cat("tensors as the first, ", shape_text(first.sizes())),
                        shape_text(image.sizes()));
    }
  }
  return images.front().dim() == 4 ? at::cat(images) : at::stack(images);
}

}  // namespace

VaeImageProcessorConfig VaeImageProcessorConfig::for_masks(int64_t vae_scale_factor) {
  return {.vae_scale_factor = vae_scale_factor,
          .do_normalize = false,
          .do_binarize = true,
          .do_convert_grayscale = true};
}

VaeImageProcessor::VaeImageProcessor(VaeImageProcessorConfig config) : config_(config) {
  check_at_least(kProcessorPlace, "vae_scale_factor", config.vae_scale_factor, 1);
  check_at_least(kProcessorPlace, "vae_latent_channels", config.vae_latent_channels, 1);
  if (config.do_convert_rgb && config.do_convert_grayscale) {
    throw_value_error(kProcessorPlace, "do_convert_rgb", "not both it and do_convert_grayscale",
                      "both");
  }
}

VaeImageProcessor::HeightAndWidth VaeImageProcessor::rounded_down(int64_t height,
                                                                  int64_t width) const {
  const auto rounded = [this](const char* name, int64_t value) {
    const auto result = value - value % config_.vae_scale_factor;
    if (result < 1) {
      throw_value_error(kProcessorPlace, name,
                        cat(config_.vae_scale_factor, " or more (vae_scale_factor)"), cat(value));
    }
    return result;
  };
  return {rounded("height", height), rounded("width", width)};
}

VaeImageProcessor::HeightAndWidth VaeImageProcessor::get_default_height_width(
    const at::Tensor& image, Size height, Size width) const {
  if (is_picture(image)) {
    check_picture(image);
    return rounded_down(height.value_or(image.size(0)), width.value_or(image.size(1)));
  }
  if (!image.defined() || image.dim() != 4) refuse_image(image);
  return rounded_down(height.value_or(image.size(2)), width.value_or(image.size(3)));
}

at::Tensor VaeImageProcessor::preprocess(const at::Tensor& image, Size height, Size width) const {
  // A batch of grey images: alone, and not in a list, it may lack the dimension of channels.
  if (config_.do_convert_grayscale && image.defined() && image.is_floating_point() &&
      image.dim() == 3) {
    return preprocess_tensor(image.unsqueeze(1), height, width);
  }
  return preprocess(std::vector<at::Tensor>{image}, height, width);
}

at::Tensor VaeImageProcessor::preprocess(const std::vector<at::Tensor>& images, Size height,
                                         Size width) const {
  if (images.empty()) {
    throw_value_error(kProcessorPlace, "image", "one image or more", "none");
  }
  if (is_picture(images.front())) return preprocess_pictures(images, height, width);
  auto tensor = one_tensor(images);
  if (tensor.dim() == 3) {
    if (!config_.do_convert_grayscale) refuse_image(images.front());
    tensor = tensor.unsqueeze(1);
  }
  return preprocess_tensor(tensor, height, width);
}

at::Tensor VaeImageProcessor::preprocess_pictures(const std::vector<at::Tensor>& pictures,
                                                  Size height, Size width) const {
  std::vector<at::Tensor> ready;
  for (const auto& picture : pictures) {
    if (!is_picture(picture)) refuse_image(picture);
    check_picture(picture);
    auto pixels = picture;
    if (config_.do_resize) {
      const auto target = get_default_height_width(pictures.front(), height, width);
      pixels = xattn::resize(pixels, target.height, target.width, config_.resample);
    }
    if (config_.do_convert_rgb) {
      pixels = convert_to_rgb(pixels);
    } else if (config_.do_convert_grayscale) {
      pixels = convert_to_grey(pixels);
    }
    if (!ready.empty() && pixels.sizes() != ready.front().sizes()) {
      throw_value_error(kProcessorPlace, "image",
                        cat("pictures as the first, ", shape_text(ready.front().sizes())),
                        shape_text(pixels.sizes()));
    }
    ready.push_back(pixels);
  }
  const auto stacked = at::stack(ready).to(at::kFloat).div_(255.0);
  return in_range(stacked.permute({0, 3, 1, 2}).contiguous());
}

at::Tensor VaeImageProcessor::preprocess_tensor(const at::Tensor& images, Size height,
                                                Size width) const {
  if (images.numel() == 0) refuse_image(images);
  if (images.size(1) == config_.vae_latent_channels) return images;
  auto resized = images;
  if (config_.do_resize) {
    const auto target = get_default_height_width(images, height, width);
    resized = at::upsample_nearest2d(images, {target.height, target.width});
  }
  return in_range(resized);
}

at::Tensor VaeImageProcessor::in_range(const at::Tensor& images) const {
  const bool normalizes = config_.do_normalize && images.min().item<double>() >= 0;
  const auto ranged = normalizes ? normalize(images) : images;
  return config_.do_binarize ? ranged.ge(0.5).to(ranged.scalar_type()) : ranged;
}

at::Tensor VaeImageProcessor::postprocess_to_tensor(
    const at::Tensor& image, const std::optional<std::vector<bool>>& do_denormalize) const {
  if (!image.defined() || image.dim() != 4 || !image.is_floating_point()) {
    throw_value_error(kProcessorPlace, "image", "a floating-point tensor [B, C, H, W]",
                      image.defined()
                          ? dtype_text(image.scalar_type()) + " " + shape_text(image.sizes())
                          : "an undefined tensor");
  }
  if (!do_denormalize) return config_.do_normalize ? denormalize(image) : image;
  if (static_cast<int64_t>(do_denormalize->size()) != image.size(0)) {
    throw_value_error(kProcessorPlace, "do_denormalize",
                      cat("one value for each of ", image.size(0), " pictures"),
                      cat(do_denormalize->size()));
  }
  std::vector<at::Tensor> results;
  for (int64_t i = 0; i < image.size(0); ++i) {
    const bool denormalizes = (*do_denormalize)[static_cast<size_t>(i)];
    results.push_back(denormalizes ? denormalize(image[i]) : image[i]);
  }
  return results.empty() ? image : at::stack(results);
}

std::vector<at::Tensor> VaeImageProcessor::postprocess(
    const at::Tensor& image, const std::optional<std::vector<bool>>& do_denormalize) const {
  const auto ranged = postprocess_to_tensor(image, do_denormalize);
  if (ranged.size(1) < 1 || ranged.size(1) > 4) {
    throw_value_error(kProcessorPlace, "image", "1 to 4 channels", shape_text(ranged.sizes()));
  }
  const auto values = ranged.detach().cpu().permute({0, 2, 3, 1}).to(at::kFloat);
  const auto pixels = at::nan_to_num(values * 255, 0.0).round_().clamp_(0, 255).to(at::kByte);
  return pixels.contiguous().unbind(0);
}

at::Tensor VaeImageProcessor::normalize(const at::Tensor& images) {
  return 2.0 * images - 1.0;
}

at::Tensor VaeImageProcessor::denormalize(const at::Tensor& images) {
  return (images * 0.5 + 0.5).clamp(0, 1);
}

}  // namespace xattn
