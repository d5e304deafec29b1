#include "xattn/pipelines/stable_diffusion_xl_pipeline.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "pipelines/encode_texts.h"
#include "pipelines/refuse_arguments.h"

namespace xattn {
namespace {

/// The output of the layer before the last or, with clip_skip, of an earlier one, without a norm;
/// and the pooled text where the encoder projects it.
template <typename Encoder>
EncodedText encode_ids_xl(Encoder& text_encoder, const at::Tensor& input_ids,
                          const at::Tensor& attention_mask, std::optional<int64_t> clip_skip) {
  CLIPTextForwardOptions options;
  options.output_hidden_states = true;
  const auto device = text_encoder->text_model->final_layer_norm->weight.device();
  const auto output =
      text_encoder->forward(input_ids.to(device), on_device(attention_mask, device), options);
  const auto& states = output.hidden_states;
  return {states[states.size() - 2 - size_t(clip_skip.value_or(0))], output.text_embeds};
}

template <typename Encoder>
TextStage make_stage(const CLIPTokenizer& tokenizer, Encoder& text_encoder,
                     std::optional<int64_t> clip_skip) {
  return {tokenizer,
          [&text_encoder, clip_skip](const at::Tensor& ids, const at::Tensor& mask) {
            return encode_ids_xl(text_encoder, ids, mask, clip_skip);
          },
          [&text_encoder](const at::Tensor& ids, const at::Tensor& mask) {
            return encode_ids_xl(text_encoder, ids, mask, std::nullopt);
          }};
}

at::Tensor side_by_side(const std::string& place, const at::Tensor& first,
                        const at::Tensor& second) {
  if (!first.defined()) return second;
  if (first.size(1) != second.size(1)) {
    throw_value_error(place, "prompt_2", fmt::format("as many tokens as prompt, {}", first.size(1)),
                      std::to_string(second.size(1)));
  }
  return at::cat({first.to(second.options()), second}, -1);
}

at::Tensor row_of(const std::vector<double>& numbers, int64_t rows) {
  return at::tensor(numbers, at::kFloat).unsqueeze(0).repeat({rows, 1});
}

std::vector<double> joined(const HeightWidth& size, const HeightWidth& crop,
                           const std::vector<double>& rest) {
  std::vector<double> numbers{double(size[0]), double(size[1]), double(crop[0]), double(crop[1])};
  numbers.insert(numbers.end(), rest.begin(), rest.end());
  return numbers;
}

std::vector<double> numbers_of(const HeightWidth& size) {
  return {double(size[0]), double(size[1])};
}

}  // namespace

PromptEmbeddings StableDiffusionXLPipeline::encode_prompt(
    const Prompts& prompts, const EncodePromptOptions& options) const {
  const auto place = class_name();
  if (!tokenizer_2) throw_value_error(place, "tokenizer_2", "a component", "none");
  if (text_encoder_2.is_empty()) throw_value_error(place, "text_encoder_2", "a component", "none");
  const auto has_first = !text_encoder.is_empty();
  if (has_first && !tokenizer) throw_value_error(place, "tokenizer", "a component", "none");
  if (!has_first && (!prompts.prompt_2.empty() || prompts.negative_prompt_2))
    throw_value_error(place, "prompt_2", "none, for there is one text encoder", "some");
  if (prompts.negative_prompt_2 && !prompts.negative_prompt)
    throw_value_error(place, "negative_prompt_2", "a negative_prompt beside it", "none");
  auto layers = text_encoder_2->config.num_hidden_layers;
  if (has_first) layers = std::min(layers, text_encoder->config.num_hidden_layers);
  check_clip_skip(place, options.clip_skip, layers - 1);

  const auto count = prompts.prompt.size();
  const auto prompt_2 = prompts.prompt_2.empty()
                            ? prompts.prompt
                            : for_each_prompt(place, "prompt_2", prompts.prompt_2, count);
  const auto is_zero = !prompts.negative_prompt && force_zeros_for_empty_prompt;
  std::vector<std::string> negative, negative_2;
  if (options.do_classifier_free_guidance && !is_zero) {
    negative =
        for_each_prompt(place, "negative_prompt",
                        prompts.negative_prompt.value_or(std::vector<std::string>{""}), count);
    negative_2 = prompts.negative_prompt_2 ? for_each_prompt(place, "negative_prompt_2",
                                                             *prompts.negative_prompt_2, count)
                                           : negative;
  }

  EncodedPrompts first;
  int64_t tokens = 0;
  auto encoder = text_encoder;
  const auto encode_first = [&] {
    first = encode_texts(place, make_stage(*tokenizer, encoder, options.clip_skip), prompts.prompt,
                         negative, options.prompt_syntax, tokens);
    tokens = first.prompt.hidden_states.size(1);
  };
  if (has_first) encode_first();
  auto encoder_2 = text_encoder_2;
  const auto second = encode_texts(place, make_stage(*tokenizer_2, encoder_2, options.clip_skip),
                                   prompt_2, negative_2, options.prompt_syntax, tokens);
  // The first encoder's texts are filled up where the second one's are longer.
  if (has_first && second.prompt.hidden_states.size(1) > tokens) {
    tokens = second.prompt.hidden_states.size(1);
    encode_first();
  }

  PromptEmbeddings texts;
  texts.prompt_embeds =
      side_by_side(place, first.prompt.hidden_states, second.prompt.hidden_states);
  texts.pooled_prompt_embeds = second.prompt.pooled;
  if (!options.do_classifier_free_guidance) return texts;
  if (is_zero) {
    texts.negative_prompt_embeds = at::zeros_like(texts.prompt_embeds);
    texts.negative_pooled_prompt_embeds = at::zeros_like(texts.pooled_prompt_embeds);
  } else {
    texts.negative_prompt_embeds =
        side_by_side(place, first.negative.hidden_states, second.negative.hidden_states);
    texts.negative_pooled_prompt_embeds = second.negative.pooled;
  }
  return texts;
}

LatentRules StableDiffusionXLPipeline::latent_rules() const {
  return {.mean_and_std = true, .force_upcast = true};
}

DiffusionPipeline::Defaults StableDiffusionXLPipeline::defaults(Task task) const {
  return {50, task == Task::kInpainting ? 7.5 : 5.0, task == Task::kInpainting ? 0.9999 : 0.3};
}

void StableDiffusionXLPipeline::check_known(const PipelineArguments& arguments, Task task) const {
  const auto place = class_name();
  const auto refuse = [&](const char* name, bool is_given, const char* why) {
    if (is_given) throw_value_error(place, name, why, "some");
  };
  const auto has_image = task != Task::kTextToImage;
  refuse("denoising_start", arguments.denoising_start && !has_image,
         "none: a run from texts begins at the beginning");
  const auto has_scores = requires_aesthetics_score && has_image;
  refuse("aesthetic_score", arguments.aesthetic_score && !has_scores,
         "none: the refiner alone, of a picture, knows it");
  refuse("negative_aesthetic_score", arguments.negative_aesthetic_score && !has_scores,
         "none: the refiner alone, of a picture, knows it");
  refuse("target_size", (arguments.target_size || arguments.negative_target_size) && has_scores,
         "none: the refiner is told an aesthetic score in its place");
  if (!has_image &&
      arguments.negative_original_size.has_value() != arguments.negative_target_size.has_value()) {
    throw_value_error(place, "negative_original_size", "negative_target_size beside it",
                      "one of them");
  }
  if (arguments.negative_crops_coords_top_left && !has_image && !arguments.negative_original_size) {
    throw_value_error(place, "negative_crops_coords_top_left",
                      "negative_original_size and negative_target_size beside it", "neither");
  }
  refuse("negative_crops_coords_top_left",
         arguments.negative_crops_coords_top_left && has_image && !has_scores,
         "none: of a picture only the refiner knows it");
}

void StableDiffusionXLPipeline::add_conditions(Conditioning& conditioning,
                                               const PipelineArguments& arguments, Task task,
                                               const at::Tensor& latents) const {
  const auto place = class_name();
  const auto& pooled = conditioning.pooled_prompt_embeds;
  check_shape(place, "pooled_prompt_embeds", pooled, {conditioning.prompt_embeds.size(0), "D"});
  const auto guided = conditioning.negative_prompt_embeds.defined();
  if (guided) {
    check_shape(place, "negative_pooled_prompt_embeds", conditioning.negative_pooled_prompt_embeds,
                {pooled.size(0), pooled.size(1)});
  }
  const auto pictures = latents.size(0), factor = vae_scale_factor(vae);
  const HeightWidth own{latents.size(2) * factor, latents.size(3) * factor}, no_crop{0, 0};
  const auto original = arguments.original_size.value_or(own);
  const auto target = arguments.target_size.value_or(own);
  const auto crop = arguments.crops_coords_top_left.value_or(no_crop);
  const auto negative_original = arguments.negative_original_size.value_or(original);
  const auto negative_target = arguments.negative_target_size.value_or(target);
  const auto negative_crop = arguments.negative_crops_coords_top_left.value_or(no_crop);

  std::vector<double> numbers, negative_numbers;
  if (requires_aesthetics_score && task != Task::kTextToImage) {
    numbers = joined(original, crop, {arguments.aesthetic_score.value_or(6.0)});
    negative_numbers = joined(negative_original, negative_crop,
                              {arguments.negative_aesthetic_score.value_or(2.5)});
  } else {
    numbers = joined(original, crop, numbers_of(target));
    // From texts the negative crop counts, beside the negative sizes; of a picture it does not.
    const auto is_text = task == Task::kTextToImage;
    negative_numbers = is_text && !arguments.negative_original_size
                           ? numbers
                           : joined(negative_original, is_text ? negative_crop : crop,
                                    numbers_of(negative_target));
  }
  check_embedding_size(int64_t(numbers.size()), pooled.size(1));

  conditioning.time_ids = row_of(numbers, pictures);
  if (!guided) return;
  conditioning.negative_time_ids = row_of(negative_numbers, pictures);
  if (task == Task::kTextToImage) {
    // The original repeats both rows in turn, while the texts of a kind stand together.
    const auto rows = at::cat({conditioning.negative_time_ids.narrow(0, 0, 1),
                               conditioning.time_ids.narrow(0, 0, 1)})
                          .repeat({pictures, 1});
    conditioning.negative_time_ids = rows.narrow(0, 0, pictures);
    conditioning.time_ids = rows.narrow(0, pictures, pictures);
  }
}

void StableDiffusionXLPipeline::check_embedding_size(int64_t numbers, int64_t pooled) const {
  const auto& config = unet->config;
  if (!config.addition_time_embed_dim || !config.projection_class_embeddings_input_dim) {
    throw_value_error(class_name(), "unet.addition_embed_type", "\"text_time\", as XL's",
                      config.addition_embed_type.value_or("none"));
  }
  const auto expected = *config.projection_class_embeddings_input_dim;
  const auto given = *config.addition_time_embed_dim * numbers + pooled;
  if (expected == given) return;
  throw_value_error(class_name(), "unet.projection_class_embeddings_input_dim",
                    fmt::format("{}, for {} sizes and a pooled text of {} (is "
                                "requires_aesthetics_score right?)",
                                given, numbers, pooled),
                    std::to_string(expected));
}

}  // namespace xattn
