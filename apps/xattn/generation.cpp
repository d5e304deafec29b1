#include "generation.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <torch/cuda.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include "core/check.h"
#include "core/utf8.h"
#include "embedded.h"
#include "generation_parameters.h"
#include "generation_report.h"
#include "support/device.h"
#include "support/dtype.h"
#include "support/interrupt.h"
#include "support/plan.h"
#include "support/program.h"
#include "support/progress_bar.h"
#include "support/terminal.h"
#include "support/terminal_picture.h"
#include "xattn/images/load_image.h"
#include "xattn/images/png.h"
#include "xattn/io/safetensors.h"
#include "xattn/ops/plan.h"
#include "xattn/pipelines/stable_diffusion_pipeline.h"
#include "xattn/pipelines/stable_diffusion_xl_pipeline.h"
#include "xattn/pretrained/open_scheduler.h"

namespace xattn::apps {
namespace {

using Task = DiffusionPipeline::Task;

/// A picture of the latents so far, which is there only while the run is.
class Preview {
 public:
  explicit Preview(std::string path) : path_(std::move(path)) {}
  ~Preview() {
    std::error_code error;
    if (preview_) std::filesystem::remove(path_, error);
  }
  Preview(const Preview&) = delete;
  Preview& operator=(const Preview&) = delete;

  void write(const DiffusionPipeline& pipeline, const at::Tensor& latents) {
    if (!preview_) preview_.emplace(pipeline.vae, pipeline.latent_rules());
    save_png(path_, (*preview_)(latents)[0]);
  }

 private:
  std::string path_;
  std::optional<LatentPreview> preview_;
};

void free_text_encoders(DiffusionPipeline& pipeline) {
  if (auto* sd = dynamic_cast<StableDiffusionPipeline*>(&pipeline)) sd->text_encoder = nullptr;
  if (auto* xl = dynamic_cast<StableDiffusionXLPipeline*>(&pipeline)) {
    xl->text_encoder = nullptr;
    xl->text_encoder_2 = nullptr;
  }
}

std::optional<std::vector<std::string>> one_text(const std::optional<std::string>& text) {
  return text ? std::optional(std::vector{*text}) : std::nullopt;
}

std::string folder_name(const std::string& folder) {
  std::error_code error;
  auto path = std::filesystem::canonical(folder, error);
  return replace_invalid_utf8(error ? folder : path.filename().string());
}

class Generation {
 public:
  Generation(const GenerateOptions& options, const GeneratePlan& plan)
      : options_(options),
        plan_(plan),
        bar_(!options.quiet),
        preview_(plan.preview_path),
        several_(plan.pictures.size() > 1) {}

  int run();

 private:
  Task task() const { return DiffusionPipeline::task_of(arguments_); }

  void load();
  void check_arguments() const;
  void encode_prompts();
  Prompts prompts_of(const PlannedPrompt& prompt) const;
  void make_picture(const PlannedPicture& picture);
  void on_stage(PipelineStage stage, bool is_last);
  void on_step_end(const StepEnd& end);
  void save(const PlannedPicture& picture, const PipelineOutput& output);
  void finish();
  GenerationParameters parameters_of(const PlannedPicture& picture, const at::Tensor& image) const;
  void enter(GenerationStage stage, const std::string& doing);
  std::string stopped_line() const;

  const GenerateOptions& options_;
  const GeneratePlan& plan_;
  Interrupt interrupt_{"xattn: stopped before the first step\n"};
  GenerationReport report_;
  ProgressBar bar_;
  Preview preview_;
  bool several_;

  at::Device device_ = at::kCPU;
  std::unique_ptr<DiffusionPipeline> pipeline_;
  /// What all pictures have in common.
  PipelineArguments arguments_;
  std::vector<PromptEmbeddings> texts_;
  std::vector<at::Tensor> latents_;
  /// Of the picture that is being made: which one, from 1, and its steps.
  size_t index_ = 1;
  int64_t done_ = 0, planned_ = 0;
};

void Generation::enter(GenerationStage stage, const std::string& doing) {
  // A GPU works on while the program goes on.
  if (device_.is_cuda()) torch::cuda::synchronize(device_.index());
  report_.times.enter(stage);
  if (!doing.empty()) bar_.say(doing);
}

void Generation::load() {
  bar_.say("loading " + folder_name(options_.model));
  device_ = parse_device(options_.device);
  const auto check = [&](const char* option, bool is_given) {
    check_float32_on_cpu(option, is_given, options_.dtype, device_);
  };
  check("--weights-dtype", options_.weights_dtype.has_value());
  check("--precision", options_.precision.has_value());
  check("--plan", options_.plan.has_value());
  if (!options_.init_image.empty()) arguments_.image = {load_image(options_.init_image)};
  if (!options_.mask_image.empty()) arguments_.mask_image = {load_image(options_.mask_image)};
  pipeline_ = open_pipeline(options_.model, {.dtype = options_.dtype,
                                             .weights_dtype = options_.weights_dtype,
                                             .device = device_,
                                             .variant = options_.variant,
                                             .scheduler = options_.scheduler});
  pipeline_->vae->use_tiling = options_.vae_tiling;
  const auto own = pipeline_->defaults(task());
  arguments_.height = options_.height;
  arguments_.width = options_.width;
  arguments_.num_inference_steps = options_.steps.value_or(own.num_inference_steps);
  arguments_.guidance_scale = options_.guidance_scale.value_or(own.guidance_scale);
  arguments_.guidance_rescale = options_.guidance_rescale;
  arguments_.eta = options_.eta;
  if (task() != Task::kTextToImage) arguments_.strength = options_.strength.value_or(own.strength);
  arguments_.on_step_end = [this](StepEnd& end) { on_step_end(end); };
  arguments_.stop = interrupt_.token();
}

Prompts Generation::prompts_of(const PlannedPrompt& prompt) const {
  return {{prompt.text},
          one_text(options_.negative_prompt),
          options_.prompt_2 ? std::vector{*options_.prompt_2} : std::vector<std::string>{},
          one_text(options_.negative_prompt_2)};
}

/// Prompts are encoded before pictures are made, and a pipeline that is given embeddings cannot see
/// which texts it was asked for.
void Generation::check_arguments() const {
  auto arguments = arguments_;
  auto prompts = prompts_of(plan_.prompts.front());
  arguments.prompt = std::move(prompts.prompt);
  arguments.negative_prompt = std::move(prompts.negative_prompt);
  arguments.prompt_2 = std::move(prompts.prompt_2);
  arguments.negative_prompt_2 = std::move(prompts.negative_prompt_2);
  arguments.clip_skip = options_.clip_skip;
  pipeline_->check(arguments);
}

void Generation::encode_prompts() {
  // A graph would keep the text encoders beyond their use.
  const c10::AutoGradMode no_grad(false);
  const auto guided = pipeline_->does_classifier_free_guidance(*arguments_.guidance_scale);
  if (!guided && (options_.negative_prompt || options_.negative_prompt_2)) {
    TORCH_WARN("--negative-prompt has no effect without guidance (--guidance-scale ",
               *arguments_.guidance_scale, ")");
  }
  const auto syntax = prompt_syntax_from_name(options_.prompt_syntax);
  std::vector<std::string> all;
  for (const auto& prompt : plan_.prompts) {
    auto prompts = prompts_of(prompt);
    if (!guided) {
      prompts.negative_prompt.reset();
      prompts.negative_prompt_2.reset();
    }
    try {
      texts_.push_back(pipeline_->encode_prompt(prompts, {guided, options_.clip_skip, syntax}));
    } catch (const ValueError& error) {
      throw ValueError(prompt.place + error.what());
    }
    all.push_back(prompt.text);
    if (arguments_.stop.stop_requested()) throw Cancelled("");
  }
  if (guided && options_.negative_prompt) all.push_back(*options_.negative_prompt);
  const auto* sd = dynamic_cast<const StableDiffusionPipeline*>(pipeline_.get());
  if (options_.is_embedded && sd) warn_of_unknown_words(*sd->tokenizer, all, syntax);
  free_text_encoders(*pipeline_);
}

void Generation::on_stage(PipelineStage stage, bool is_last) {
  switch (stage) {
    case PipelineStage::kEncodePrompt:
      return enter(GenerationStage::kText, "");
    case PipelineStage::kEncodeImage:
      return enter(GenerationStage::kImage, "encoding the picture");
    case PipelineStage::kDenoise: {
      const auto label =
          several_ ? fmt::format("picture {} of {}", index_, plan_.pictures.size()) : "";
      enter(GenerationStage::kDenoise, several_ ? label + "  denoising" : "denoising");
      return bar_.begin(label);
    }
    case PipelineStage::kDecode:
      enter(GenerationStage::kDecode, "decoding");
      if (is_last) pipeline_->unet = nullptr;
      return;
  }
}

void Generation::on_step_end(const StepEnd& end) {
  done_ = end.step + 1;
  planned_ = end.steps;
  if (!report_.seconds_to_first_step) {
    if (device_.is_cuda()) torch::cuda::synchronize(device_.index());
    report_.seconds_to_first_step = report_.times.total();
  }
  bar_.update(done_, planned_);
  if (options_.preview_every && done_ % *options_.preview_every == 0)
    preview_.write(*pipeline_, end.pred_original_sample);
}

void Generation::make_picture(const PlannedPicture& picture) {
  done_ = planned_ = 0;
  auto arguments = arguments_;
  arguments.prompt_embeddings = texts_[picture.prompt];
  arguments.generators = {at::make_generator<at::CPUGeneratorImpl>(picture.seed)};
  const auto is_last = &picture == &plan_.pictures.back();
  arguments.on_stage = [this, is_last](PipelineStage stage) { on_stage(stage, is_last); };
  save(picture, (*pipeline_)(arguments));
}

GenerationParameters Generation::parameters_of(const PlannedPicture& picture,
                                               const at::Tensor& image) const {
  static constexpr const char* kTasks[] = {"text-to-image", "image-to-image", "inpainting"};
  GenerationParameters parameters;
  parameters.prompt = plan_.prompts[picture.prompt].text;
  parameters.negative_prompt = options_.negative_prompt;
  parameters.prompt_2 = options_.prompt_2;
  parameters.negative_prompt_2 = options_.negative_prompt_2;
  parameters.prompt_syntax = options_.prompt_syntax;
  parameters.clip_skip = options_.clip_skip;
  parameters.model = folder_name(options_.model);
  parameters.variant = options_.variant;
  parameters.pipeline = pipeline_->class_name();
  parameters.scheduler = scheduler_to_json(*pipeline_->scheduler);
  parameters.task = kTasks[static_cast<size_t>(task())];
  parameters.steps = *arguments_.num_inference_steps;
  parameters.guidance_scale = *arguments_.guidance_scale;
  parameters.guidance_rescale = options_.guidance_rescale;
  parameters.eta = options_.eta;
  parameters.strength = arguments_.strength;
  parameters.seed = picture.seed;
  parameters.height = image.size(0);
  parameters.width = image.size(1);
  parameters.dtype = dtype_text(options_.dtype);
  if (options_.weights_dtype) parameters.weights_dtype = dtype_text(*options_.weights_dtype);
  if (options_.precision == Precision::kPrecise) parameters.precision = "precise";
  parameters.vae_tiling = options_.vae_tiling;
  return parameters;
}

void Generation::save(const PlannedPicture& picture, const PipelineOutput& output) {
  enter(GenerationStage::kSave, "saving");
  const auto image = output.images[0];
  const auto parameters = parameters_of(picture, image);
  save_png(picture.path, image, png_texts(parameters));
  if (!options_.save_latents.empty()) latents_.push_back(output.latents.to(at::kCPU));
  report_.times.stop();
  bar_.clear();

  report_.steps = output.steps;
  report_.pictures.push_back({picture.path, picture.seed, image.size(0), image.size(1)});
  if (report_.pictures.size() == 1) report_.parameters = to_json(parameters);
  if (!options_.json && !options_.quiet) fmt::print("{}", picture_line(report_.pictures.back()));
  if (options_.show) fmt::print("{}", terminal_picture(image, terminal_of(STDOUT_FILENO)));
  std::fflush(stdout);
}

void Generation::finish() {
  if (!latents_.empty()) {
    enter(GenerationStage::kSave, "saving");
    StateDict tensors;
    tensors.insert("latents", at::cat(latents_));
    save_safetensors(options_.save_latents, tensors);
    report_.times.stop();
    bar_.clear();
  }
  if (options_.json) {
    report_.parameters.erase("seed");
    if (plan_.prompts.size() > 1) {
      report_.parameters["prompt"] = nlohmann::ordered_json::array();
      for (const auto& prompt : plan_.prompts) report_.parameters["prompt"].push_back(prompt.text);
    }
    fmt::print("{}\n",
               to_json(report_).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (!options_.quiet) {
    fmt::print("{}", summary(report_, terminal_of(STDOUT_FILENO).has_colours));
  }
}

std::string Generation::stopped_line() const {
  const auto of_picture =
      several_ ? fmt::format(" of picture {} of {}", index_, plan_.pictures.size()) : "";
  if (done_ == 0) return fmt::format("stopped before the first step{}", of_picture);
  return fmt::format("stopped after {} of {} steps{}", done_, planned_, of_picture);
}

int Generation::run() {
  const UsePrecision precision(options_.precision.value_or(Precision::kFast));
  report_.threads = at::get_num_threads();
  auto plan = followed_plan(options_.plan);
  const UsePlan use_plan(plan);
  load();
  interrupt_.wait_for_the_run();
  try {
    enter(GenerationStage::kText, "encoding the prompt");
    check_arguments();
    encode_prompts();
    for (index_ = 1; index_ <= plan_.pictures.size(); ++index_) {
      make_picture(plan_.pictures[index_ - 1]);
    }
  } catch (const Cancelled&) {
    bar_.clear();
    fmt::print(stderr, "xattn: {}\n", stopped_line());
    return interrupt_.exit_code();
  }
  finish();
  return kDone;
}

}  // namespace

int run_generation(const GenerateOptions& options, const GeneratePlan& plan) {
  if (options.threads) at::set_num_threads(*options.threads);
  return Generation(options, plan).run();
}

}  // namespace xattn::apps
