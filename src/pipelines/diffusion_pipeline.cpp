#include "xattn/pipelines/diffusion_pipeline.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "core/check.h"
#include "pipelines/pipeline_run.h"
#include "xattn/pipelines/guidance.h"
#include "xattn/pipelines/vae_image_processor.h"
#include "xattn/pretrained/open_scheduler.h"

namespace xattn {

/// One run of a pipeline, whose parts are taken in order.
struct DiffusionPipeline::Run {
  Run(const DiffusionPipeline& pipeline_, const PipelineArguments& arguments_)
      : pipeline(pipeline_),
        arguments(arguments_),
        name(pipeline_.class_name()),
        task(task_of(arguments_)) {
    const auto own = pipeline.defaults(task);
    guidance_scale = arguments.guidance_scale.value_or(own.guidance_scale);
    strength = arguments.strength.value_or(own.strength);
    num_inference_steps = arguments.num_inference_steps.value_or(own.num_inference_steps);
  }

  PipelineOutput operator()();

  void check() const;
  void check_numbers() const;
  void check_components() const;
  void enter(PipelineStage stage) const;
  PipelineOutput stopped(PipelineOutput output) const;
  bool is_stopped() const { return arguments.stop.stop_requested(); }

  PromptEmbeddings encode_prompts(bool guided) const;
  Schedule make_schedule() const;
  int64_t count_pictures(const PromptEmbeddings& texts) const;
  Conditioning make_conditioning(const PromptEmbeddings& texts, const at::Tensor& latents) const;

  [[noreturn]] void refuse(std::string_view subject, std::string_view expected,
                           std::string_view got) const {
    throw_value_error(name, subject, expected, got);
  }

  const DiffusionPipeline& pipeline;
  const PipelineArguments& arguments;
  std::string name;
  Task task;
  /// What was asked for, or the class's own.
  double guidance_scale = 0, strength = 1;
  int64_t num_inference_steps = 0;
};

void DiffusionPipeline::Run::check() const {
  check_components();
  if (task == Task::kInpainting && arguments.image.empty() && !arguments.image_latents)
    refuse("mask_image", "an image too", "none");
  if (!arguments.image.empty() && arguments.image_latents)
    refuse("image_latents", "none, beside image", "both");
  if (task == Task::kTextToImage && arguments.strength)
    refuse("strength", "none without image", fmt::format("{}", *arguments.strength));
  if (!arguments.prompt.empty() == arguments.prompt_embeddings.has_value()) {
    refuse("prompt", "texts, or prompt_embeddings in their place",
           arguments.prompt.empty() ? "neither" : "both");
  }
  if (const auto& texts = arguments.prompt_embeddings) {
    if (!arguments.prompt_2.empty() || arguments.clip_skip)
      refuse("prompt_embeddings", "no prompt_2 or clip_skip beside them", "one");
    if (texts->negative_prompt_embeds.defined() && arguments.negative_prompt)
      refuse("negative_prompt", "none beside negative_prompt_embeds", "both");
  }
  check_numbers();
  pipeline.check_known(arguments, task);
}

void DiffusionPipeline::Run::check_numbers() const {
  const auto in_range = [&](const char* what, double value, double least, double most) {
    if (value >= least && value <= most) return;
    refuse(what, fmt::format("{} to {}", least, most), fmt::format("{}", value));
  };
  check_at_least(name, "num_images_per_prompt", arguments.num_images_per_prompt, 1);
  in_range("guidance_scale", guidance_scale, -1e6, 1e6);
  in_range("guidance_rescale", arguments.guidance_rescale, 0, 1);
  in_range("eta", arguments.eta, 0, 1);
  in_range("strength", strength, 0, 1);
  if (arguments.num_inference_steps && (!arguments.timesteps.empty() || !arguments.sigmas.empty()))
    refuse("num_inference_steps", "none, beside timesteps or sigmas", "both");
  if (arguments.eta != 0 && !pipeline.scheduler->takes().eta)
    refuse("eta", "0, for " + pipeline.scheduler->class_name() + " has no such option",
           fmt::format("{}", arguments.eta));
}

void DiffusionPipeline::Run::check_components() const {
  const auto is_there = [&](const char* component, bool is) {
    if (!is) refuse(component, "a component", "none");
  };
  is_there("unet", !pipeline.unet.is_empty());
  is_there("vae", !pipeline.vae.is_empty());
  is_there("scheduler", pipeline.scheduler != nullptr);
  const auto& config = pipeline.unet->config;
  const auto latent = config.out_channels;
  const auto inpaints = config.in_channels == 2 * latent + 1;
  if (config.in_channels != latent && !inpaints) {
    refuse("unet.in_channels", fmt::format("{} or, for inpainting, {}", latent, 2 * latent + 1),
           std::to_string(config.in_channels));
  }
  if (inpaints && task != Task::kInpainting)
    refuse("mask_image", "a mask and an image, for this UNet is for inpainting", "none");
  if (inpaints && arguments.image_latents)
    refuse("image_latents", "an image, for this UNet takes the rest of it", "latents");
}

void DiffusionPipeline::Run::enter(PipelineStage stage) const {
  if (arguments.on_stage) arguments.on_stage(stage);
}

PipelineOutput DiffusionPipeline::Run::stopped(PipelineOutput output) const {
  if (arguments.on_stop == OnStop::kThrow) {
    throw Cancelled(
        fmt::format("[{}] stopped after {} of {} steps", name, output.steps, output.planned_steps));
  }
  output.stopped = true;
  return output;
}

PromptEmbeddings DiffusionPipeline::Run::encode_prompts(bool guided) const {
  if (!guided && (arguments.negative_prompt || arguments.negative_prompt_2)) {
    TORCH_WARN("[", name, "] negative_prompt: has no effect without guidance (guidance_scale ",
               guidance_scale, ")");
  }
  Prompts prompts{arguments.prompt, std::nullopt, arguments.prompt_2, std::nullopt};
  if (guided) {
    prompts.negative_prompt = arguments.negative_prompt;
    prompts.negative_prompt_2 = arguments.negative_prompt_2;
  }
  const EncodePromptOptions options{guided, arguments.clip_skip, arguments.prompt_syntax};
  if (!arguments.prompt_embeddings) return pipeline.encode_prompt(prompts, options);

  auto texts = *arguments.prompt_embeddings;
  check_shape(name, "prompt_embeds", texts.prompt_embeds, {"P", "T", "E"});
  if (!guided) {
    texts.negative_prompt_embeds = texts.negative_pooled_prompt_embeds = at::Tensor();
  } else if (!texts.negative_prompt_embeds.defined()) {
    prompts.prompt.assign(size_t(texts.prompt_embeds.size(0)), "");
    const auto others = pipeline.encode_prompt(prompts, options);
    texts.negative_prompt_embeds = others.negative_prompt_embeds;
    texts.negative_pooled_prompt_embeds = others.negative_pooled_prompt_embeds;
  }
  return texts;
}

Schedule DiffusionPipeline::Run::make_schedule() const {
  ScheduleOptions options;
  options.timesteps = arguments.timesteps;
  options.sigmas = arguments.sigmas;
  if (arguments.timesteps.empty() && arguments.sigmas.empty())
    options.num_inference_steps = num_inference_steps;
  options.original_inference_steps = arguments.original_inference_steps;
  if (task == Task::kImageToImage && pipeline.schedules_strength()) options.strength = strength;
  options.device = pipeline.unet->conv_in->weight.device();
  return pipeline.scheduler->schedule(options);
}

int64_t DiffusionPipeline::Run::count_pictures(const PromptEmbeddings& texts) const {
  const auto pictures = texts.prompt_embeds.size(0) * arguments.num_images_per_prompt;
  const auto count = int64_t(arguments.generators.size());
  if (count > 1 && count != pictures)
    refuse("generators", fmt::format("none, 1 or {}", pictures), std::to_string(count));
  return pictures;
}

Conditioning DiffusionPipeline::Run::make_conditioning(const PromptEmbeddings& texts,
                                                       const at::Tensor& latents) const {
  Conditioning conditioning;
  conditioning.prompt_embeds = texts.prompt_embeds;
  conditioning.negative_prompt_embeds = texts.negative_prompt_embeds;
  conditioning.pooled_prompt_embeds = texts.pooled_prompt_embeds;
  conditioning.negative_pooled_prompt_embeds = texts.negative_pooled_prompt_embeds;
  if (const auto& dim = pipeline.unet->config.time_cond_proj_dim) {
    // In float32, as the original's tensor.
    const auto w = at::full({latents.size(0)}, guidance_scale - 1, at::kFloat);
    conditioning.timestep_cond = guidance_scale_embedding(w, *dim);
  }
  pipeline.add_conditions(conditioning, arguments, task, latents);
  return conditioning;
}

PipelineOutput DiffusionPipeline::Run::operator()() {
  check();
  const at::NoGradGuard no_grad;

  enter(PipelineStage::kEncodePrompt);
  const auto texts = encode_prompts(pipeline.does_classifier_free_guidance(guidance_scale));
  if (is_stopped()) return stopped({});

  const auto schedule = make_schedule();
  const auto by_steps =
      task == Task::kTextToImage || pipeline.schedules_strength() ? 1.0 : strength;
  auto counted = schedule;
  // As the original counts the steps of timesteps or sigmas that were given.
  if (!arguments.timesteps.empty() || !arguments.sigmas.empty())
    counted.num_inference_steps = schedule.size();
  const auto steps = run_steps(*pipeline.scheduler, counted,
                               {by_steps, arguments.denoising_start, arguments.denoising_end});
  if (steps.size() < 1) {
    refuse("strength, denoising_start and denoising_end", "to leave a step",
           fmt::format("none of {}", schedule.size()));
  }

  const RunSetting setting{
      name.c_str(), pipeline.unet,           pipeline.vae,          *pipeline.scheduler, schedule,
      steps,        pipeline.latent_rules(), count_pictures(texts), strength == 1};
  if (task != Task::kTextToImage) enter(PipelineStage::kEncodeImage);
  auto inputs = task == Task::kTextToImage    ? make_text_to_image_inputs(setting, arguments)
                : task == Task::kImageToImage ? make_image_to_image_inputs(setting, arguments)
                                              : make_inpainting_inputs(setting, arguments);
  PipelineOutput output{{}, inputs.latents, 0, steps.size()};
  if (is_stopped()) return stopped(std::move(output));

  enter(PipelineStage::kDenoise);
  const auto conditioning = make_conditioning(texts, inputs.latents);
  const auto result =
      denoise(pipeline.unet, *pipeline.scheduler, schedule, steps, inputs.latents, conditioning,
              {guidance_scale, arguments.guidance_rescale, arguments.guidance_batch, arguments.eta,
               arguments.generators, inputs.inpainting, arguments.on_step_end, arguments.stop});
  output.latents = result.latents;
  output.steps = result.steps;
  if (is_stopped()) return stopped(std::move(output));
  if (!arguments.decode) return output;

  enter(PipelineStage::kDecode);
  const auto decoded = decode_latents(pipeline.vae, output.latents, setting.rules);
  if (is_stopped()) return stopped(std::move(output));
  output.images = at::stack(VaeImageProcessor().postprocess(decoded));
  return output;
}

PipelineOutput DiffusionPipeline::operator()(const PipelineArguments& arguments) const {
  return Run(*this, arguments)();
}

DiffusionPipeline::Task DiffusionPipeline::task_of(const PipelineArguments& arguments) {
  if (!arguments.mask_image.empty()) return Task::kInpainting;
  return arguments.image.empty() && !arguments.image_latents ? Task::kTextToImage
                                                             : Task::kImageToImage;
}

void DiffusionPipeline::check(const PipelineArguments& arguments) const {
  Run(*this, arguments).check();
}

bool DiffusionPipeline::does_classifier_free_guidance(double guidance_scale) const {
  return guidance_scale > 1 && !unet->config.time_cond_proj_dim;
}

void DiffusionPipeline::use_scheduler(const std::string& class_name) {
  if (!scheduler) throw_value_error(this->class_name(), "scheduler", "a component", "none");
  scheduler = scheduler_from_json(scheduler_to_json(*scheduler), class_name);
}

}  // namespace xattn
