#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xattn {

/// The hyper-parameters of `CLIPTextModel` and `CLIPTextModelWithProjection`: the keys of their
/// config.json.
///
/// The defaults are the original's, which are those of openai/clip-vit-base-patch32.
/// Reference: transformers 5.23.0, models/clip/configuration_clip.py, `CLIPTextConfig`.
struct CLIPTextConfig {
  int64_t vocab_size = 49408;
  int64_t hidden_size = 512;
  int64_t intermediate_size = 2048;
  /// Width of `text_embeds`; `CLIPTextModelWithProjection` needs it.
  std::optional<int64_t> projection_dim = 512;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 8;
  /// The longest text, in tokens.
  int64_t max_position_embeddings = 77;
  /// "quick_gelu" or "gelu".
  std::string hidden_act = "quick_gelu";
  double layer_norm_eps = 1e-5;
  /// The part of attention weights dropped in training.
  double attention_dropout = 0;
  std::optional<int64_t> pad_token_id = 1;
  std::optional<int64_t> bos_token_id = 49406;
  /// Where the pooled output is taken: at the first token of this id, or, where it is 2 as in the
  /// configs of before 2023, at the largest id.
  int64_t eos_token_id = 49407;
  /// The class that was saved, or none.
  std::vector<std::string> architectures;

  /// Reads a config.json of a text model, or the `text_config` in that of a whole CLIP model.
  /// Throws: `ValueError` for a field that cannot be honoured.
  static CLIPTextConfig from_json(const std::string& text);

  /// The config.json that transformers reads.
  std::string to_json() const;
};

}  // namespace xattn
