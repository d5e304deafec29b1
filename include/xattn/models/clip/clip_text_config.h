#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// The hyper-parameters of `CLIPTextModel` and `CLIPTextModelWithProjection`: the keys of their
/// config.json.
///
/// The defaults are the original's, which are those of openai/clip-vit-base-patch32.
///
/// Reference: transformers 5.23.0, models/clip/configuration_clip.py, `CLIPTextConfig`.
struct XATTN_API CLIPTextConfig {
  int64_t vocab_size = 49408;
  int64_t hidden_size = 512;
  int64_t intermediate_size = 2048;
  /// Width of `text_embeds`; `CLIPTextModelWithProjection` needs it.
  std::optional<int64_t> projection_dim = 512;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 8;
  /// How many tokens a text may have.
  int64_t max_position_embeddings = 77;
  /// "quick_gelu" or "gelu".
  std::string hidden_act = "quick_gelu";
  double layer_norm_eps = 1e-5;
  /// The part of attention weights dropped in training.
  double attention_dropout = 0;
  std::optional<int64_t> pad_token_id = 1;
  std::optional<int64_t> bos_token_id = 49406;
  /// The pooled output is taken at the first token of this id.
  ///
  /// The configs of before 2023 have 2 here: then it is taken at the largest id.
  int64_t eos_token_id = 49407;
  /// The class that was saved; may be empty.
  std::vector<std::string> architectures;

  /// Reads the config.json of a text model, or the `text_config` in that of a whole CLIP model.
  ///
  /// A field that the original does not know either is named in a warning (`TORCH_WARN`) and
  /// skipped.
  ///
  /// Throws: `ValueError` for a field that cannot be honoured.
  static CLIPTextConfig from_json(const std::string& text);

  /// The config.json that transformers reads.
  std::string to_json() const;

  /// The fields that a config.json of transformers may hold, and that CLIP's forward does not
  /// depend on.
  static std::span<const char* const> fields_without_effect();

  /// Names every field once; `fields` has the members of `ConfigFields`.
  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.value("vocab_size", config.vocab_size);
    fields.value("hidden_size", config.hidden_size);
    fields.value("intermediate_size", config.intermediate_size);
    fields.value("projection_dim", config.projection_dim);
    fields.value("num_hidden_layers", config.num_hidden_layers);
    fields.value("num_attention_heads", config.num_attention_heads);
    fields.value("max_position_embeddings", config.max_position_embeddings);
    fields.choice("hidden_act", config.hidden_act, "quick_gelu", "gelu");
    fields.value("layer_norm_eps", config.layer_norm_eps);
    fields.value("attention_dropout", config.attention_dropout);
    fields.value("pad_token_id", config.pad_token_id);
    fields.value("bos_token_id", config.bos_token_id);
    fields.value("eos_token_id", config.eos_token_id);
    fields.null_is_default("architectures", config.architectures);
    fields.constant("model_type", "clip_text_model", "clip");
    fields.only("pruned_heads", std::map<std::string, int64_t>(), nullptr);
    fields.only("text_config", nullptr);
    fields.without_effect(fields_without_effect());
  }
};

}  // namespace xattn
