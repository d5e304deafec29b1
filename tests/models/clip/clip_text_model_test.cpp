// What the text encoders do without Python: configs, keys, errors.

#include "xattn/models/clip/clip_text_model.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/mapped_key.h"
#include "xattn/nn/initialization.h"

namespace xattn::testing {
namespace {

CLIPTextConfig small_config() {
  CLIPTextConfig config;
  config.vocab_size = 50;
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.max_position_embeddings = 8;
  config.projection_dim = 12;
  config.eos_token_id = 49;
  return config;
}

TEST(ClipTextConfig, ReadsWhatOlderVersionsWrote) {
  ::testing::internal::CaptureStderr();
  const auto config = CLIPTextConfig::from_json(R"({
    "_name_or_path": "openai/clip-vit-large-patch14", "architectures": ["CLIPTextModel"],
    "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2, "hidden_act": "quick_gelu",
    "hidden_size": 768, "initializer_factor": 1.0, "initializer_range": 0.02, "intermediate_size": 3072,
    "layer_norm_eps": 1e-05, "max_position_embeddings": 77, "model_type": "clip_text_model",
    "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 1, "projection_dim": 768,
    "torch_dtype": "float32", "transformers_version": "4.22.0.dev0", "vocab_size": 49408})");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(config.hidden_size, 768);
  EXPECT_EQ(config.eos_token_id, 2);
  EXPECT_EQ(config.bos_token_id, 0);
  EXPECT_EQ(config.projection_dim, 768);
  EXPECT_EQ(config.architectures, std::vector<std::string>{"CLIPTextModel"});
}

TEST(ClipTextConfig, WritesWhatItReads) {
  auto config = small_config();
  config.bos_token_id.reset();
  config.hidden_act = "gelu";
  config.layer_norm_eps = 1e-3;
  const auto read = CLIPTextConfig::from_json(config.to_json());
  EXPECT_EQ(read.to_json(), config.to_json());
  EXPECT_FALSE(read.bos_token_id);
  EXPECT_EQ(read.layer_norm_eps, 1e-3);
}

TEST(ClipTextConfig, RefusesWhatItCannotHonour) {
  const std::string place = "[CLIPTextModel] config.json: ";
  expect_value_error(
      [] { CLIPTextConfig::from_json(R"({"hidden_act": "relu"})"); },
      place +
          R"(hidden_act: expected "quick_gelu" or "gelu", the only value implemented, got "relu")");
  expect_value_error([] { CLIPTextConfig::from_json(R"({"eos_token_id": [2, 3]})"); },
                     place + "eos_token_id: expected a whole number, got [2,3]");
  expect_value_error(
      [] { CLIPTextConfig::from_json(R"({"model_type": "t5"})"); },
      place +
          R"(model_type: expected "clip_text_model" or "clip", the only value implemented, got "t5")");
  expect_value_error([] { CLIPTextConfig::from_json("[]"); },
                     "[CLIPTextModel] config.json: expected a JSON object");
}

TEST(ClipTextConfig, WarnsOfWhatPythonDoesNotKnowEither) {
  ::testing::internal::CaptureStderr();
  CLIPTextConfig::from_json(R"({"hidden_size": 64, "wobble": 3})");
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("wobble: unknown, ignored"),
            std::string::npos);
}

TEST(ClipTextModel, MapsKeys) {
  const auto map = mapped<CLIPTextModelImpl>;
  EXPECT_EQ(map("text_model.final_layer_norm.bias"), "text_model.final_layer_norm.bias");
  EXPECT_EQ(map("final_layer_norm.bias"), "text_model.final_layer_norm.bias");
  EXPECT_EQ(map("embeddings.token_embedding.weight"),
            "text_model.embeddings.token_embedding.weight");
  EXPECT_EQ(map("encoder.layers.0.mlp.fc1.bias"), "text_model.encoder.layers.0.mlp.fc1.bias");
  EXPECT_EQ(map("embeddings.position_ids"), std::nullopt);
  EXPECT_EQ(map("text_model.embeddings.position_ids"), std::nullopt);
  EXPECT_EQ(map("text_projection.weight"), std::nullopt);
  EXPECT_EQ(map("vision_model.post_layernorm.bias"), std::nullopt);
  EXPECT_EQ(map("something.else"), "something.else");
  EXPECT_EQ(mapped<CLIPTextModelWithProjectionImpl>("text_projection.weight"),
            "text_projection.weight");
}

TEST(ClipTextModel, RefusesConfigs) {
  auto config = small_config();
  config.hidden_act = "relu";
  expect_value_error([&] { CLIPTextModel{config}; },
                     R"([CLIPTextModel] hidden_act: expected "quick_gelu" or "gelu", got "relu")");
  config = small_config();
  config.projection_dim.reset();
  CLIPTextModel{config};
  expect_value_error(
      [&] { CLIPTextModelWithProjection{config}; },
      "[CLIPTextModelWithProjection] projection_dim: expected a whole number, got null");
  config = small_config();
  config.num_attention_heads = 3;
  expect_value_error(
      [&] { CLIPTextModel{config}; },
      "[CLIPAttention] hidden_size: expected a multiple of num_attention_heads = 3, got 16");
}

TEST(ClipTextModel, RefusesMasksOfAnotherShape) {
  CLIPTextModel model(small_config());
  const auto ids = torch::zeros({2, 5}, torch::kLong);
  expect_value_error(
      [&] {
        model(ids, torch::ones({2, 4}));
      },
      "[CLIPTextModel] text_model: attention_mask: expected [2, 5], got [2, 4]");
}

TEST(ClipTextModel, TakesIdsOf32BitsAndMasksOfAnyDtype) {
  torch::NoGradGuard no_grad;
  CLIPTextModel model(small_config());
  model->eval();
  const auto ids = torch::tensor({48, 3, 4, 49, 49}).view({1, 5});
  const auto mask = torch::tensor({1, 1, 1, 1, 0}).view({1, 5});
  const auto expected = model(ids, mask);
  for (const auto dtype : {torch::kBool, torch::kInt, torch::kFloat}) {
    const auto output = model(ids.to(torch::kInt), mask.to(dtype));
    EXPECT_TRUE(output.last_hidden_state.equal(expected.last_hidden_state));
    EXPECT_TRUE(output.pooler_output.equal(expected.last_hidden_state.select(1, 3)));
    EXPECT_TRUE(output.hidden_states.empty());
  }
}

TEST(ClipTextModel, TakesAnEmptyBatch) {
  CLIPTextModelWithProjection model(small_config());
  const auto output = model(torch::zeros({0, 5}, torch::kLong));
  EXPECT_EQ(output.last_hidden_state.sizes(), (std::vector<int64_t>{0, 5, 16}));
  EXPECT_EQ(output.text_embeds.sizes(), (std::vector<int64_t>{0, 12}));
}

TEST(ClipTextModel, DropsAttentionInTrainingOnly) {
  torch::NoGradGuard no_grad;
  auto config = small_config();
  config.attention_dropout = 0.5;
  CLIPTextModel model(config);
  const auto ids = torch::arange(8).view({1, 8});
  EXPECT_FALSE(model(ids).last_hidden_state.equal(model(ids).last_hidden_state));
  model->eval();
  EXPECT_TRUE(model(ids).last_hidden_state.equal(model(ids).last_hidden_state));
}

TEST(ClipTextModel, SaysWhichClassItsConfigIsOf) {
  const SkipInitialization skip;
  EXPECT_EQ(CLIPTextModel(small_config())->config.architectures,
            std::vector<std::string>{"CLIPTextModel"});
  EXPECT_EQ(CLIPTextModelWithProjection(small_config())->config.architectures,
            std::vector<std::string>{"CLIPTextModelWithProjection"});
}

}  // namespace
}  // namespace xattn::testing
