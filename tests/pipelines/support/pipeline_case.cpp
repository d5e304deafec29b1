#include "pipelines/support/pipeline_case.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

#include "xattn/io/checkpoint.h"
#include "xattn/pretrained/open_scheduler.h"

namespace xattn::testing {
namespace {

HeightWidth pair_of(const nlohmann::json& value) {
  return {value.at(0).get<int64_t>(), value.at(1).get<int64_t>()};
}

std::vector<std::string> texts_of(const nlohmann::json& value) {
  if (value.is_string()) return {value.get<std::string>()};
  return value.get<std::vector<std::string>>();
}

template <typename T>
void take(const nlohmann::json& options, const char* name, std::optional<T>& member) {
  if (options.contains(name)) member = options[name].get<T>();
}

std::vector<at::Generator> generators_of(const nlohmann::json& seed) {
  std::vector<at::Generator> generators;
  const auto seeds = seed.is_array() ? seed.get<std::vector<uint64_t>>()
                                     : std::vector<uint64_t>{seed.get<uint64_t>()};
  for (const auto each : seeds)
    generators.push_back(at::make_generator<at::CPUGeneratorImpl>(each));
  return generators;
}

std::vector<at::Tensor> pictures_of(const at::Tensor& pixels) {
  if (pixels.dim() == 2) return {pixels.unsqueeze(-1)};
  if (pixels.dim() == 3) return {pixels};
  return pixels.unbind(0);
}

void take_sizes(const nlohmann::json& options, PipelineArguments& arguments) {
  const auto take_pair = [&](const char* name, std::optional<HeightWidth>& member) {
    if (options.contains(name)) member = pair_of(options[name]);
  };
  take_pair("original_size", arguments.original_size);
  take_pair("target_size", arguments.target_size);
  take_pair("crops_coords_top_left", arguments.crops_coords_top_left);
  take_pair("negative_original_size", arguments.negative_original_size);
  take_pair("negative_target_size", arguments.negative_target_size);
  take_pair("negative_crops_coords_top_left", arguments.negative_crops_coords_top_left);
}

void take_texts(const nlohmann::json& options, const NamedTensors& tensors,
                PipelineArguments& arguments) {
  if (options.contains("prompt")) arguments.prompt = texts_of(options["prompt"]);
  if (options.contains("prompt_2")) arguments.prompt_2 = texts_of(options["prompt_2"]);
  if (options.contains("negative_prompt"))
    arguments.negative_prompt = texts_of(options["negative_prompt"]);
  if (options.contains("negative_prompt_2"))
    arguments.negative_prompt_2 = texts_of(options["negative_prompt_2"]);
  const auto given = [&](const char* name) {
    const auto found = tensors.find(std::string("given.") + name);
    return found == tensors.end() ? at::Tensor() : found->second;
  };
  if (given("prompt_embeds").defined()) {
    arguments.prompt_embeddings = {given("prompt_embeds"), given("negative_prompt_embeds"),
                                   given("pooled_prompt_embeds"),
                                   given("negative_pooled_prompt_embeds")};
  }
  if (given("latents").defined()) arguments.latents = given("latents");
}

/// The pipelines that runs share, by folder and dtype; each run has its own scheduler.
DiffusionPipeline& shared_pipeline(const PipelineCase& pipeline_case) {
  static std::map<std::string, std::unique_ptr<DiffusionPipeline>> pipelines;
  const auto key = pipeline_case.pipeline + " " + std::string(c10::toString(pipeline_case.dtype()));
  auto& pipeline = pipelines[key];
  if (!pipeline) {
    PipelineOptions options;
    options.dtype = pipeline_case.dtype();
    pipeline = open_pipeline(golden_pipelines() + "/" + pipeline_case.pipeline, options);
  }
  return *pipeline;
}

}  // namespace

at::ScalarType PipelineCase::dtype() const {
  const auto text = options.value("dtype", "float32");
  return text == "float16" ? at::kHalf : text == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

std::string golden_pipelines() {
  const auto* folder = std::getenv("XATTN_GOLDEN_MODELS_DIR");
  return std::string(folder ? folder : ".") + "/pipelines";
}

NamedTensors PipelineCase::load() const {
  NamedTensors tensors;
  const auto checkpoint = load_checkpoint(golden_pipelines() + "/" + file);
  for (const auto& item : checkpoint.tensors) tensors[item.key()] = item.value();
  return tensors;
}

bool PipelineCase::is_refused() const {
  return options.contains("negative_prompt_2") && !options.contains("negative_prompt");
}

std::vector<PipelineCase> pipeline_cases() {
  std::ifstream file(golden_pipelines() + "/cases.json");
  std::vector<PipelineCase> cases;
  if (!file) return cases;
  // Python writes what JSON does not have; the library reads it, and its text, in a scheduler's
  // config.
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto json = std::regex_replace(text, std::regex(": -Infinity"), ": \"-Infinity\"");
  for (const auto& each : nlohmann::json::parse(json)) {
    cases.push_back({each["name"], each["pipeline"], each["task"], each["class"], each["file"],
                     each["options"]});
  }
  return cases;
}

std::string pipeline_case_name(const ::testing::TestParamInfo<PipelineCase>& info) {
  return info.param.name;
}

PipelineArguments arguments_of(const PipelineCase& pipeline_case, const NamedTensors& tensors) {
  const auto& options = pipeline_case.options;
  PipelineArguments arguments;
  take_texts(options, tensors, arguments);
  take_sizes(options, arguments);
  take(options, "clip_skip", arguments.clip_skip);
  take(options, "height", arguments.height);
  take(options, "width", arguments.width);
  take(options, "num_inference_steps", arguments.num_inference_steps);
  take(options, "guidance_scale", arguments.guidance_scale);
  take(options, "original_inference_steps", arguments.original_inference_steps);
  take(options, "strength", arguments.strength);
  take(options, "denoising_start", arguments.denoising_start);
  take(options, "denoising_end", arguments.denoising_end);
  take(options, "aesthetic_score", arguments.aesthetic_score);
  take(options, "negative_aesthetic_score", arguments.negative_aesthetic_score);
  arguments.num_images_per_prompt = options.value("num_images_per_prompt", int64_t{1});
  arguments.guidance_rescale = options.value("guidance_rescale", 0.0);
  arguments.eta = options.value("eta", 0.0);
  arguments.timesteps = options.value("timesteps", std::vector<double>{});
  arguments.sigmas = options.value("sigmas", std::vector<double>{});
  arguments.generators = generators_of(options["seed"]);
  arguments.decode = options.value("output_type", "pil") != "latent";
  if (tensors.contains("init_image")) arguments.image = pictures_of(tensors.at("init_image"));
  if (tensors.contains("mask_image")) arguments.mask_image = pictures_of(tensors.at("mask_image"));
  if (tensors.contains("init_latents")) arguments.image_latents = tensors.at("init_latents");
  return arguments;
}

CaseRun run_case(const PipelineCase& pipeline_case, const NamedTensors& tensors, double factor) {
  auto& pipeline = shared_pipeline(pipeline_case);
  const auto kept = pipeline.scheduler;
  const auto weight = pipeline.unet->conv_out->weight.detach();
  const auto kept_weight = weight.clone();
  if (factor != 1) weight.mul_(factor);
  if (pipeline_case.options.contains("scheduler"))
    pipeline.scheduler = scheduler_from_json(pipeline_case.options["scheduler"]["config"].dump());
  pipeline.vae->use_tiling = pipeline_case.options.value("vae_tiling", false);
  pipeline.vae->use_slicing = pipeline_case.options.value("vae_slicing", false);

  CaseRun run;
  auto arguments = arguments_of(pipeline_case, tensors);
  arguments.on_step_end = [&](StepEnd& step) {
    run.latents.push_back(step.latents);
    run.timesteps.push_back(step.timestep.item<double>());
  };
  run.output = pipeline(arguments);
  pipeline.scheduler = kept;
  if (factor != 1) weight.copy_(kept_weight);
  return run;
}

std::optional<PromptEmbeddings> encode_case(const PipelineCase& pipeline_case,
                                            const NamedTensors& tensors) {
  const auto arguments = arguments_of(pipeline_case, tensors);
  if (arguments.prompt_embeddings) return std::nullopt;
  EncodePromptOptions options;
  options.do_classifier_free_guidance = tensors.contains("negative_prompt_embeds");
  options.clip_skip = arguments.clip_skip;
  return shared_pipeline(pipeline_case)
      .encode_prompt({arguments.prompt, arguments.negative_prompt, arguments.prompt_2,
                      arguments.negative_prompt_2},
                     options);
}

}  // namespace xattn::testing
