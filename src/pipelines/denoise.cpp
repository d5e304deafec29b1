#include "xattn/pipelines/denoise.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include "core/check.h"
#include "xattn/pipelines/guidance.h"

namespace xattn {
namespace {

constexpr auto kDenoisePlace = "denoise";
/// Of more latent pixels than this in both halves together, what a CPU gains from one batch (3 %
/// for a picture of 512×512) is not worth its memory.
constexpr int64_t kSmallBatch = 2 * 64 * 64;

/// One or both of guidance's halves, as the UNet takes them.
struct Half {
  PreparedTexts text;
  UNet2DConditionArguments arguments;
  at::Tensor mask, masked_image_latents;
};

/// Of the UNet's inputs.
at::TensorOptions input_options_of(const UNet2DConditionModel& unet) {
  return unet->conv_in->inputs_like().options();
}

at::Tensor for_each_picture(const at::Tensor& per_prompt, int64_t pictures) {
  return per_prompt.repeat_interleave(pictures / per_prompt.size(0), 0);
}

PreparedTexts prepare(const UNet2DConditionModel& unet, const at::Tensor& embeds,
                      int64_t pictures) {
  auto text = unet.ptr()->prepare(embeds.to(input_options_of(unet)));
  // One text serves any batch.
  return embeds.size(0) == 1 ? text : text.repeat_interleave(pictures / embeds.size(0));
}

/// What the UNet predicts of a half, or of both in one batch, by one pass.
at::Tensor predict(const UNet2DConditionModel& unet, const at::Tensor& input,
                   const at::Tensor& timestep, const Half& half) {
  auto sample = input;
  if (half.masked_image_latents.defined())
    sample = at::cat({input, half.mask, half.masked_image_latents}, 1);
  return unet.ptr()->forward_prepared(sample, timestep, half.text, half.arguments);
}

Half make_half(const UNet2DConditionModel& unet, const at::Tensor& latents,
               const DenoiseOptions& options, const at::Tensor& embeds, const at::Tensor& pooled,
               const at::Tensor& time_ids, const at::Tensor& timestep_cond) {
  const auto pictures = latents.size(0);
  const auto options_of_inputs = input_options_of(unet);
  Half half;
  half.text = prepare(unet, embeds, pictures);
  if (pooled.defined())
    half.arguments.text_embeds = for_each_picture(pooled, pictures).to(options_of_inputs);
  if (time_ids.defined()) half.arguments.time_ids = time_ids.to(options_of_inputs);
  if (timestep_cond.defined()) half.arguments.timestep_cond = timestep_cond.to(options_of_inputs);
  if (options.inpainting && options.inpainting->masked_image_latents.defined()) {
    half.mask = options.inpainting->mask;
    half.masked_image_latents = options.inpainting->masked_image_latents;
  }
  return half;
}

Half both(const Half& negative, const Half& positive, int64_t pictures) {
  const auto twice = [&](const PreparedTexts& text) {
    return text.batch_size() == 1 ? text.repeat_interleave(pictures) : text;
  };
  const auto joined = [](const std::optional<at::Tensor>& first,
                         const std::optional<at::Tensor>& second) {
    return first ? std::optional(at::cat({*first, *second})) : std::nullopt;
  };
  Half half;
  half.text = PreparedTexts::cat({twice(negative.text), twice(positive.text)});
  half.arguments.text_embeds =
      joined(negative.arguments.text_embeds, positive.arguments.text_embeds);
  half.arguments.time_ids = joined(negative.arguments.time_ids, positive.arguments.time_ids);
  half.arguments.timestep_cond =
      joined(negative.arguments.timestep_cond, positive.arguments.timestep_cond);
  if (negative.masked_image_latents.defined()) {
    half.mask = at::cat({negative.mask, positive.mask});
    half.masked_image_latents =
        at::cat({negative.masked_image_latents, positive.masked_image_latents});
  }
  return half;
}

/// Predicts the noise at a step, with guidance or without.
class Predictor {
 public:
  Predictor(const UNet2DConditionModel& unet, const at::Tensor& latents,
            const Conditioning& conditioning, const DenoiseOptions& options)
      : unet_(unet), options_(options) {
    const auto& cond = conditioning;
    text_ = make_half(unet, latents, options, cond.prompt_embeds, cond.pooled_prompt_embeds,
                      cond.time_ids, cond.timestep_cond);
    if (!cond.negative_prompt_embeds.defined()) return;
    negative_ =
        make_half(unet, latents, options, cond.negative_prompt_embeds,
                  cond.negative_pooled_prompt_embeds, cond.negative_time_ids, cond.timestep_cond);
    if (is_one_batch(latents)) {
      text_ = both(*negative_, text_, latents.size(0));
      negative_.reset();
      is_both_ = true;
    }
  }

  at::Tensor operator()(const at::Tensor& input, const at::Tensor& timestep) const {
    at::Tensor negative, text;
    if (is_both_) {
      const auto halves = predict(unet_, at::cat({input, input}), timestep, text_).chunk(2);
      negative = halves[0];
      text = halves[1];
    } else {
      text = predict(unet_, input, timestep, text_);
      if (!negative_) return text;
      negative = predict(unet_, input, timestep, *negative_);
    }
    const auto guided = negative + options_.guidance_scale * (text - negative);
    return options_.guidance_rescale > 0
               ? rescale_noise_cfg(guided, text, options_.guidance_rescale)
               : guided;
  }

 private:
  bool is_one_batch(const at::Tensor& latents) const {
    switch (options_.guidance_batch) {
      case GuidanceBatch::kOne:
        return true;
      case GuidanceBatch::kTwo:
        return false;
      case GuidanceBatch::kAuto:
        break;
    }
    const auto pixels = 2 * latents.size(0) * latents.size(2) * latents.size(3);
    return !latents.is_cpu() || pixels <= kSmallBatch;
  }

  const UNet2DConditionModel& unet_;
  const DenoiseOptions& options_;
  Half text_;
  std::optional<Half> negative_;
  bool is_both_ = false;
};

/// Puts back what is kept of the picture, with the noise of the step that comes next.
at::Tensor with_kept_parts(const Scheduler& scheduler, const Schedule& schedule, int64_t next,
                           int64_t end, const Inpainting& inpainting, const at::Tensor& latents) {
  auto kept = inpainting.image_latents;
  if (next < end) kept = scheduler.add_noise_at(schedule, kept, inpainting.noise, next);
  return (1 - inpainting.mask) * kept + inpainting.mask * latents;
}

void check_conditioning(const at::Tensor& latents, const Conditioning& conditioning) {
  const auto& embeds = conditioning.prompt_embeds;
  check_shape(kDenoisePlace, "prompt_embeds", embeds, {"P", "T", "E"});
  if (embeds.size(0) == 0 || latents.size(0) % embeds.size(0) != 0) {
    throw_value_error(kDenoisePlace, "latents",
                      fmt::format("a multiple of {} pictures, one for each prompt", embeds.size(0)),
                      std::to_string(latents.size(0)));
  }
  if (conditioning.negative_prompt_embeds.defined()) {
    check_shape(kDenoisePlace, "negative_prompt_embeds", conditioning.negative_prompt_embeds,
                {embeds.size(0), embeds.size(1), embeds.size(2)});
  }
}

}  // namespace

DenoiseResult denoise(const UNet2DConditionModel& unet, const Scheduler& scheduler,
                      const Schedule& schedule, const RunSteps& steps, const at::Tensor& latents,
                      const Conditioning& conditioning, const DenoiseOptions& options) {
  check_shape(kDenoisePlace, "latents", latents, {"B", unet->config.out_channels, "h", "w"});
  check_conditioning(latents, conditioning);
  const at::NoGradGuard no_grad;

  StepOptions step_options;
  if (scheduler.takes().eta) step_options.eta = options.eta;
  step_options.generators = options.generators;

  DenoiseResult result{latents, 0};
  if (steps.size() <= 0) return result;
  const Predictor predict_noise(unet, latents, conditioning, options);
  SchedulerState state;
  for (auto i = steps.begin; i < steps.end && !options.stop.stop_requested(); ++i) {
    const auto timestep = schedule.timesteps[i];
    const auto input = scheduler.scale_model_input(schedule, result.latents, i);
    const auto output = scheduler.step(schedule, predict_noise(input, timestep), i, result.latents,
                                       state, step_options);
    result.latents = output.prev_sample;
    if (options.inpainting && options.inpainting->image_latents.defined()) {
      result.latents = with_kept_parts(scheduler, schedule, i + 1, steps.end, *options.inpainting,
                                       result.latents);
    }
    ++result.steps;
    if (options.on_step_end) {
      const auto& original = output.pred_original_sample;
      StepEnd step{i - steps.begin, steps.size(), timestep, result.latents,
                   original.defined() ? original : result.latents};
      options.on_step_end(step);
      check_shape(kDenoisePlace, "latents of on_step_end", step.latents,
                  {latents.size(0), latents.size(1), latents.size(2), latents.size(3)});
      result.latents = step.latents;
    }
  }
  return result;
}

}  // namespace xattn
