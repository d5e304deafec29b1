#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/check.h"
#include "io/file.h"
#include "io/json.h"
#include "xattn/core/error.h"
#include "xattn/pipelines/stable_diffusion_pipeline.h"
#include "xattn/pipelines/stable_diffusion_xl_pipeline.h"
#include "xattn/pretrained/from_pretrained.h"
#include "xattn/pretrained/open_scheduler.h"

namespace xattn {
namespace {

constexpr auto kOpenPipelinePlace = "open_pipeline";

/// A folder's model_index.json, of which every key is used or named.
class ModelIndex {
 public:
  explicit ModelIndex(const std::string& folder)
      : path_(folder + "/model_index.json"),
        json_(io::read_json_object(io::File(kOpenPipelinePlace, path_))) {}

  std::string class_name() { return text("_class_name"); }

  bool flag(const char* name, bool otherwise) {
    used_.insert(name);
    const auto found = json_.find(name);
    if (found == json_.end() || found->is_null()) return otherwise;
    if (!found->is_boolean()) refuse(name, "true or false", io::shown(*found));
    return found->get<bool>();
  }

  /// Whether there is a component of this name; throws unless its class is one of `classes`.
  bool has(const char* name, const std::vector<std::string>& classes, bool is_needed = true) {
    used_.insert(name);
    const auto class_name = component_class(name);
    if (class_name.empty()) {
      if (is_needed) refuse(name, "a component", "none");
      return false;
    }
    if (!classes.empty() && std::count(classes.begin(), classes.end(), class_name) == 0)
      refuse(name, fmt::format("{}", fmt::join(classes, " or ")), class_name);
    return true;
  }

  /// Names what has no part in making pictures, and what is not known.
  void warn_of_the_rest() {
    std::vector<std::string> left_out;
    for (const auto* name : {"safety_checker", "feature_extractor", "image_encoder"}) {
      used_.insert(name);
      if (!component_class(name).empty()) left_out.emplace_back(name);
    }
    for (const auto* name :
         {"_diffusers_version", "_name_or_path", "requires_safety_checker", "add_watermarker"})
      used_.insert(name);
    if (!left_out.empty()) {
      TORCH_WARN("[", kOpenPipelinePlace, "] ", path_,
                 ": left out: ", fmt::format("{}", fmt::join(left_out, ", ")));
    }
    for (const auto& [name, value] : json_.items()) {
      if (used_.count(name) == 0)
        TORCH_WARN("[", kOpenPipelinePlace, "] ", path_, ": not known, and skipped: ", name);
    }
  }

  [[noreturn]] void refuse(std::string_view name, std::string_view expected,
                           std::string_view got) const {
    throw ValueError(fmt::format("[{}] {}: {}: expected {}, got {}", kOpenPipelinePlace, path_,
                                 name, expected, got));
  }

 private:
  std::string text(const char* name) {
    used_.insert(name);
    const auto found = json_.find(name);
    if (found == json_.end() || !found->is_string())
      refuse(name, "a class", found == json_.end() ? "none" : io::shown(*found));
    return found->get<std::string>();
  }

  /// Of ["transformers", "CLIPTextModel"], the second; empty where there is no component.
  std::string component_class(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end() || found->is_null()) return {};
    const auto is_pair = found->is_array() && found->size() == 2;
    if (!is_pair) refuse(name, "a library and a class", io::shown(*found));
    if ((*found)[0].is_null() && (*found)[1].is_null()) return {};
    if (!(*found)[1].is_string()) refuse(name, "a library and a class", io::shown(*found));
    return (*found)[1].get<std::string>();
  }

  std::string path_;
  nlohmann::json json_;
  std::set<std::string> used_;
};

const std::vector<std::string> kTokenizers = {"CLIPTokenizer", "CLIPTokenizerFast"};

/// Loads the parts of a folder's pipeline.
struct Opener {
  template <typename Holder>
  Holder model(const char* name) {
    index.has(name, {Holder::ContainedType::kClassName});
    return from_pretrained<Holder>(folder, {.dtype = options.dtype,
                                            .weights_dtype = options.weights_dtype,
                                            .device = options.device,
                                            .variant = options.variant,
                                            .subfolder = name});
  }

  CLIPTokenizer tokenizer(const char* name) {
    index.has(name, kTokenizers);
    return CLIPTokenizer::from_pretrained(folder + "/" + name);
  }

  void fill_base(DiffusionPipeline& pipeline) {
    index.has("scheduler", {});
    pipeline.scheduler = open_scheduler(folder + "/scheduler", options.scheduler);
    pipeline.vae = model<AutoencoderKL>("vae");
    pipeline.unet = model<UNet2DConditionModel>("unet");
  }

  std::unique_ptr<DiffusionPipeline> stable_diffusion(bool is_latent_consistency) {
    auto pipeline = std::make_unique<StableDiffusionPipeline>();
    pipeline->is_latent_consistency = is_latent_consistency;
    pipeline->tokenizer = tokenizer("tokenizer");
    pipeline->text_encoder = model<CLIPTextModel>("text_encoder");
    fill_base(*pipeline);
    check_width(pipeline->unet, pipeline->text_encoder->config.hidden_size);
    return pipeline;
  }

  std::unique_ptr<DiffusionPipeline> stable_diffusion_xl() {
    auto pipeline = std::make_unique<StableDiffusionXLPipeline>();
    pipeline->force_zeros_for_empty_prompt = index.flag("force_zeros_for_empty_prompt", true);
    pipeline->requires_aesthetics_score = index.flag("requires_aesthetics_score", false);
    auto width = int64_t{0};
    const auto has_tokenizer = index.has("tokenizer", kTokenizers, false);
    if (index.has("text_encoder", {"CLIPTextModel"}, false)) {
      if (!has_tokenizer) index.refuse("tokenizer", "one for text_encoder", "none");
      pipeline->tokenizer = tokenizer("tokenizer");
      pipeline->text_encoder = model<CLIPTextModel>("text_encoder");
      width += pipeline->text_encoder->config.hidden_size;
    }
    pipeline->tokenizer_2 = tokenizer("tokenizer_2");
    pipeline->text_encoder_2 = model<CLIPTextModelWithProjection>("text_encoder_2");
    fill_base(*pipeline);
    check_width(pipeline->unet, width + pipeline->text_encoder_2->config.hidden_size);
    return pipeline;
  }

  void check_width(const UNet2DConditionModel& unet, int64_t width) const {
    for (const auto dim : unet->config.cross_attention_dim) {
      if (dim == width) continue;
      index.refuse("unet", fmt::format("a cross_attention_dim of {}, as wide as the texts", width),
                   std::to_string(dim));
    }
  }

  const std::string& folder;
  const PipelineOptions& options;
  ModelIndex index;
};

struct PipelineClass {
  const char* name;
  std::unique_ptr<DiffusionPipeline> (*open)(Opener& opener);
};

std::unique_ptr<DiffusionPipeline> open_sd(Opener& opener) {
  return opener.stable_diffusion(false);
}
std::unique_ptr<DiffusionPipeline> open_lcm(Opener& opener) {
  return opener.stable_diffusion(true);
}
std::unique_ptr<DiffusionPipeline> open_xl(Opener& opener) {
  return opener.stable_diffusion_xl();
}

constexpr PipelineClass kPipelineClasses[] = {
    {"StableDiffusionPipeline", open_sd},
    {"StableDiffusionImg2ImgPipeline", open_sd},
    {"StableDiffusionInpaintPipeline", open_sd},
    {"LatentConsistencyModelPipeline", open_lcm},
    {"LatentConsistencyModelImg2ImgPipeline", open_lcm},
    {"StableDiffusionXLPipeline", open_xl},
    {"StableDiffusionXLImg2ImgPipeline", open_xl},
    {"StableDiffusionXLInpaintPipeline", open_xl},
};

}  // namespace

std::unique_ptr<DiffusionPipeline> open_pipeline(const std::string& folder,
                                                 const PipelineOptions& options) {
  Opener opener{folder, options, ModelIndex(folder)};
  const auto name = opener.index.class_name();
  std::vector<std::string> names;
  for (const auto& each : kPipelineClasses) {
    names.emplace_back(each.name);
    if (each.name != name) continue;
    auto pipeline = each.open(opener);
    opener.index.warn_of_the_rest();
    return pipeline;
  }
  opener.index.refuse("_class_name", fmt::format("one of {}", fmt::join(names, ", ")), name);
}

}  // namespace xattn
