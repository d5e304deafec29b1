#include "xattn/models/clip/clip_text_config.h"

#include <nlohmann/json.hpp>

#include "pretrained/config_reader.h"

namespace xattn {
namespace {

constexpr auto kPlace = "CLIPTextModel";

// What every config.json of transformers may hold, and what CLIP's forward does not depend on: how
// the weights were drawn, what Python returns, and settings of text generation that version 4 wrote
// everywhere.
constexpr const char* kWithoutEffect[] = {"add_cross_attention",
                                          "attn_implementation",
                                          "bad_words_ids",
                                          "begin_suppress_tokens",
                                          "chunk_size_feed_forward",
                                          "cross_attention_hidden_size",
                                          "decoder_start_token_id",
                                          "diversity_penalty",
                                          "do_sample",
                                          "dropout",
                                          "dtype",
                                          "early_stopping",
                                          "encoder_no_repeat_ngram_size",
                                          "exponential_decay_length_penalty",
                                          "finetuning_task",
                                          "forced_bos_token_id",
                                          "forced_eos_token_id",
                                          "gradient_checkpointing",
                                          "id2label",
                                          "initializer_factor",
                                          "initializer_range",
                                          "is_decoder",
                                          "is_encoder_decoder",
                                          "label2id",
                                          "length_penalty",
                                          "max_length",
                                          "min_length",
                                          "no_repeat_ngram_size",
                                          "num_beam_groups",
                                          "num_beams",
                                          "num_return_sequences",
                                          "output_attentions",
                                          "output_hidden_states",
                                          "output_scores",
                                          "prefix",
                                          "problem_type",
                                          "remove_invalid_values",
                                          "repetition_penalty",
                                          "return_dict",
                                          "return_dict_in_generate",
                                          "sep_token_id",
                                          "suppress_tokens",
                                          "task_specific_params",
                                          "temperature",
                                          "tf_legacy_loss",
                                          "tie_encoder_decoder",
                                          "tie_word_embeddings",
                                          "tokenizer_class",
                                          "top_k",
                                          "top_p",
                                          "torch_dtype",
                                          "torchscript",
                                          "transformers_version",
                                          "typical_p",
                                          "use_bfloat16",
                                          "use_cache"};

/// The config of the text model: the text itself, or the part of a whole CLIP model's.
std::string text_part(const std::string& text) {
  const auto config = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return text;
  const auto part = config.find("text_config");
  return part == config.end() || !part->is_object() ? text : part->dump();
}

}  // namespace

CLIPTextConfig CLIPTextConfig::from_json(const std::string& text) {
  ConfigReader reader(kPlace, text_part(text));
  CLIPTextConfig config;
  reader.read("vocab_size", config.vocab_size);
  reader.read("hidden_size", config.hidden_size);
  reader.read("intermediate_size", config.intermediate_size);
  reader.read("projection_dim", config.projection_dim);
  reader.read("num_hidden_layers", config.num_hidden_layers);
  reader.read("num_attention_heads", config.num_attention_heads);
  reader.read("max_position_embeddings", config.max_position_embeddings);
  reader.read("hidden_act", config.hidden_act);
  reader.expect("hidden_act", {"quick_gelu", "gelu"});
  reader.read("layer_norm_eps", config.layer_norm_eps);
  reader.read("attention_dropout", config.attention_dropout);
  reader.read("pad_token_id", config.pad_token_id);
  reader.read("bos_token_id", config.bos_token_id);
  reader.read("eos_token_id", config.eos_token_id);
  if (!reader.is_null("architectures")) reader.read("architectures", config.architectures);
  reader.expect("model_type", {"clip_text_model", "clip"});
  reader.expect("pruned_heads", {nlohmann::json::object(), nullptr});
  reader.expect("text_config", {nullptr});
  for (const auto* name : kWithoutEffect) reader.has(name);
  reader.finish();
  return config;
}

std::string CLIPTextConfig::to_json() const {
  const auto or_null = [](const std::optional<int64_t>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
  };
  nlohmann::ordered_json json;
  json["architectures"] = architectures;
  json["attention_dropout"] = attention_dropout;
  json["bos_token_id"] = or_null(bos_token_id);
  json["eos_token_id"] = eos_token_id;
  json["hidden_act"] = hidden_act;
  json["hidden_size"] = hidden_size;
  json["intermediate_size"] = intermediate_size;
  json["layer_norm_eps"] = layer_norm_eps;
  json["max_position_embeddings"] = max_position_embeddings;
  json["model_type"] = "clip_text_model";
  json["num_attention_heads"] = num_attention_heads;
  json["num_hidden_layers"] = num_hidden_layers;
  json["pad_token_id"] = or_null(pad_token_id);
  json["projection_dim"] = or_null(projection_dim);
  json["vocab_size"] = vocab_size;
  return json.dump(2) + "\n";
}

}  // namespace xattn
