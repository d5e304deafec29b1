#include "pipelines/pipeline_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <fmt/format.h>

#include "core/check.h"
#include "pipelines/encoding_dtype.h"
#include "xattn/pipelines/vae_image_processor.h"

namespace xattn {
namespace {

at::TensorOptions options_of(const UNet2DConditionModel& unet) {
  return unet->conv_in->inputs_like().options().requires_grad(false);
}

/// Pictures, latents or masks of fewer than a run's pictures, one batch after the other.
at::Tensor repeated(const RunSetting& run, const char* name, const at::Tensor& batch) {
  const auto count = batch.size(0);
  if (count == run.pictures) return batch;
  if (count == 0 || run.pictures % count != 0) {
    throw_value_error(run.place, name,
                      fmt::format("1 or {}, or a number that divides it", run.pictures),
                      std::to_string(count));
  }
  return batch.repeat({run.pictures / count, 1, 1, 1});
}

at::Tensor checked_latents(const RunSetting& run, const PipelineArguments& arguments,
                           int64_t height, int64_t width) {
  const auto factor = vae_scale_factor(run.vae);
  check_shape(run.place, "latents", *arguments.latents,
              {run.pictures, run.unet->config.out_channels, height / factor, width / factor});
  return arguments.latents->to(options_of(run.unet));
}

at::Tensor noise_for(const RunSetting& run, at::IntArrayRef shape,
                     const PipelineArguments& arguments) {
  return randn_tensor(shape, arguments.generators, options_of(run.unet));
}

at::Tensor with_noise(const RunSetting& run, const at::Tensor& latents, const at::Tensor& noise) {
  return run.scheduler.add_noise_at(run.schedule, latents, noise, run.steps.begin);
}

at::Tensor scaled_noise(const RunSetting& run, const at::Tensor& noise) {
  return noise * run.schedule.init_noise_sigma.to(noise.device());
}

/// Draws what encoding pictures would.
void draw_as_encoding(const RunSetting& run, at::IntArrayRef shape,
                      std::vector<at::Generator> generators) {
  if (generators.size() > 1) generators.resize(size_t(shape[0]));
  const auto options = run.vae->decoder->conv_in->inputs_like().options().requires_grad(false);
  randn_tensor(shape, generators, options.dtype(encoding_dtype(run.vae, run.rules)));
}

VaeImageProcessor image_processor(const RunSetting& run) {
  return VaeImageProcessor({.vae_scale_factor = vae_scale_factor(run.vae),
                            .vae_latent_channels = run.vae->config.latent_channels,
                            .do_convert_rgb = true});
}

at::Tensor given_latents(const RunSetting& run, const PipelineArguments& arguments) {
  check_shape(run.place, "image_latents", *arguments.image_latents,
              {"B", run.vae->config.latent_channels, "h", "w"});
  return arguments.image_latents->to(options_of(run.unet));
}

}  // namespace

HeightWidth picture_size(const RunSetting& run, const PipelineArguments& arguments) {
  const auto factor = vae_scale_factor(run.vae);
  const auto& sample_size = run.unet->config.sample_size;
  const auto side = [&](const char* name, std::optional<int64_t> asked, size_t index) {
    if (!asked && sample_size.empty()) {
      throw_value_error(run.place, name, "a size, for the UNet's config has no sample_size",
                        "none");
    }
    const auto size =
        asked ? *asked : sample_size[std::min(index, sample_size.size() - 1)] * factor;
    if (size < 1 || size % factor != 0) {
      throw_value_error(run.place, name, fmt::format("a multiple of {}", factor),
                        std::to_string(size));
    }
    return size;
  };
  return {side("height", arguments.height, 0), side("width", arguments.width, 1)};
}

RunInputs make_text_to_image_inputs(const RunSetting& run, const PipelineArguments& arguments) {
  const auto size = picture_size(run, arguments);
  const auto height = size[0], width = size[1], factor = vae_scale_factor(run.vae);
  const auto noise =
      arguments.latents
          ? checked_latents(run, arguments, height, width)
          : noise_for(run,
                      {run.pictures, run.unet->config.in_channels, height / factor, width / factor},
                      arguments);
  return {scaled_noise(run, noise), std::nullopt};
}

RunInputs make_image_to_image_inputs(const RunSetting& run, const PipelineArguments& arguments) {
  at::Tensor latents;
  if (arguments.latents) {  // XL takes them as they are
    check_shape(run.place, "latents", *arguments.latents,
                {run.pictures, run.vae->config.latent_channels, "h", "w"});
    return {arguments.latents->to(options_of(run.unet)), std::nullopt};
  }
  if (arguments.image_latents) {
    latents = given_latents(run, arguments);
  } else {
    auto image =
        image_processor(run).preprocess(arguments.image, arguments.height, arguments.width);
    // Each picture is encoded by its own generator, the same picture by several.
    if (arguments.generators.size() > 1) image = repeated(run, "image", image);
    latents =
        encode_latents(run.vae, image, arguments.generators, run.rules).to(options_of(run.unet));
  }
  latents = repeated(run, "image", latents);
  if (arguments.denoising_start) return {latents, std::nullopt};
  return {with_noise(run, latents, noise_for(run, latents.sizes(), arguments)), std::nullopt};
}

RunInputs make_inpainting_inputs(const RunSetting& run, const PipelineArguments& arguments) {
  // The original's inpainting encodes without the mean and the deviation, and decodes with them.
  const LatentRules rules{.mean_and_std = false, .force_upcast = run.rules.force_upcast};
  const auto picture = picture_size(run, arguments);
  const auto height = picture[0], width = picture[1], factor = vae_scale_factor(run.vae);
  const auto channels = run.vae->config.latent_channels;
  const auto keeps_mask_in_unet = run.unet->config.in_channels != run.unet->config.out_channels;

  const VaeImageProcessor mask_processor(VaeImageProcessorConfig::for_masks(factor));
  const auto mask = mask_processor.preprocess(arguments.mask_image, height, width);
  at::Tensor image, image_latents;
  if (!arguments.image_latents) {
    image = image_processor(run).preprocess(arguments.image, height, width);
  }
  const auto is_noise_alone = run.is_strength_max || arguments.latents;
  if (arguments.image_latents) {
    image_latents = repeated(run, "image_latents", given_latents(run, arguments));
  } else if (!keeps_mask_in_unet || !is_noise_alone || arguments.denoising_start) {
    image_latents = repeated(
        run, "image",
        encode_latents(run.vae, image, arguments.generators, rules).to(options_of(run.unet)));
  }

  RunInputs inputs;
  const auto noise =
      arguments.latents
          ? checked_latents(run, arguments, height, width)
          : noise_for(run, {run.pictures, channels, height / factor, width / factor}, arguments);
  if (arguments.denoising_start) {
    inputs.latents = image_latents;
  } else if (is_noise_alone) {
    inputs.latents = scaled_noise(run, noise);
  } else {
    inputs.latents = with_noise(run, image_latents, noise);
  }

  auto& inpainting = inputs.inpainting.emplace();
  const auto small = at::upsample_nearest2d(mask, {height / factor, width / factor});
  inpainting.mask = repeated(run, "mask_image", small.to(options_of(run.unet)));
  // The original encodes the rest of the picture for every UNet; of a draw of noise that would go
  // nowhere, the next draws depend all the same.
  if (image.defined()) {
    const auto masked = image * (mask < 0.5);
    if (keeps_mask_in_unet) {
      inpainting.masked_image_latents = repeated(
          run, "image",
          encode_latents(run.vae, masked, arguments.generators, rules).to(options_of(run.unet)));
    } else {
      draw_as_encoding(run, {masked.size(0), channels, height / factor, width / factor},
                       arguments.generators);
    }
  }
  if (!keeps_mask_in_unet) {
    inpainting.image_latents = image_latents;
    inpainting.noise = noise;
  }
  return inputs;
}

}  // namespace xattn
