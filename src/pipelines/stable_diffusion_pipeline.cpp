#include "xattn/pipelines/stable_diffusion_pipeline.h"

#include "core/check.h"
#include "pipelines/encode_texts.h"
#include "pipelines/refuse_arguments.h"

namespace xattn {
namespace {

/// The last layer's output or, with clip_skip, an earlier one's through the same norm.
EncodedText encode_ids(CLIPTextModel& text_encoder, const at::Tensor& input_ids,
                       const at::Tensor& attention_mask, std::optional<int64_t> clip_skip) {
  CLIPTextForwardOptions options;
  options.output_hidden_states = clip_skip.has_value();
  const auto device = text_encoder->text_model->final_layer_norm->weight.device();
  const auto output =
      text_encoder->forward(input_ids.to(device), on_device(attention_mask, device), options);
  if (!clip_skip) return {output.last_hidden_state, {}};
  const auto& states = output.hidden_states;
  return {text_encoder->text_model->final_layer_norm->forward(
              states[states.size() - 1 - size_t(*clip_skip)]),
          {}};
}

}  // namespace

std::string StableDiffusionPipeline::class_name() const {
  return is_latent_consistency ? "LatentConsistencyModelPipeline" : "StableDiffusionPipeline";
}

PromptEmbeddings StableDiffusionPipeline::encode_prompt(const Prompts& prompts,
                                                        const EncodePromptOptions& options) const {
  const auto place = class_name();
  if (!tokenizer) throw_value_error(place, "tokenizer", "a component", "none");
  if (text_encoder.is_empty()) throw_value_error(place, "text_encoder", "a component", "none");
  if (!prompts.prompt_2.empty() || prompts.negative_prompt_2)
    throw_value_error(place, "prompt_2", "none, for there is one text encoder", "some");
  check_clip_skip(place, options.clip_skip, text_encoder->config.num_hidden_layers);

  auto encoder = text_encoder;
  const TextStage stage{*tokenizer,
                        [&](const at::Tensor& ids, const at::Tensor& mask) {
                          return encode_ids(encoder, ids, mask, options.clip_skip);
                        },
                        [&](const at::Tensor& ids, const at::Tensor& mask) {
                          return encode_ids(encoder, ids, mask, std::nullopt);
                        }};
  std::vector<std::string> negative;
  if (options.do_classifier_free_guidance) {
    negative = for_each_prompt(place, "negative_prompt",
                               prompts.negative_prompt.value_or(std::vector<std::string>{""}),
                               prompts.prompt.size());
  }
  const auto encoded = encode_texts(place, stage, prompts.prompt, negative, options.prompt_syntax);
  return {encoded.prompt.hidden_states, encoded.negative.hidden_states, {}, {}};
}

LatentRules StableDiffusionPipeline::latent_rules() const {
  return {};
}

DiffusionPipeline::Defaults StableDiffusionPipeline::defaults(Task task) const {
  const auto strength = task == Task::kInpainting ? 1.0 : 0.8;
  return is_latent_consistency ? Defaults{4, 8.5, strength} : Defaults{50, 7.5, strength};
}

void StableDiffusionPipeline::check_known(const PipelineArguments& arguments, Task task) const {
  const auto place = class_name();
  refuse_xl_arguments(place, arguments);
  if (task == Task::kImageToImage && arguments.latents)
    throw_value_error(place, "latents", "none, for the run begins with image", "some");
  if (task == Task::kInpainting && arguments.image_latents)
    throw_value_error(place, "image_latents", "an image, of which the mask leaves a part",
                      "latents");
  if (!is_latent_consistency) return;
  if (task == Task::kInpainting)
    throw_value_error(place, "mask_image", "none: this pipeline does not inpaint", "some");
  if (arguments.negative_prompt)
    throw_value_error(place, "negative_prompt", "none: distilled models know none", "some");
  if (!unet->config.time_cond_proj_dim)
    throw_value_error(place, "unet.time_cond_proj_dim", "a number", "none");
}

void StableDiffusionPipeline::add_conditions(Conditioning& /*conditioning*/,
                                             const PipelineArguments& /*arguments*/, Task /*task*/,
                                             const at::Tensor& /*latents*/) const {}

}  // namespace xattn
