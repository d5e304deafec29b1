// CLIPTextModel and CLIPTextModelWithProjection against transformers.

#include <torch/utils.h>

#include "support/mapped_key.h"
#include "support/model_golden.h"
#include "support/saved_model.h"
#include "xattn/models/clip/clip_text_model.h"

namespace xattn::testing {
namespace {

constexpr auto kFile = "model.safetensors";

using Tensors = std::map<std::string, at::Tensor>;

template <typename Model>
Tensors run(Model& model, const Tensors& inputs) {
  CLIPTextForwardOptions options;
  options.output_hidden_states = true;
  if (inputs.count("position_ids")) options.position_ids = inputs.at("position_ids");
  std::optional<torch::Tensor> mask;
  if (inputs.count("attention_mask")) mask = inputs.at("attention_mask");
  const auto output = model(inputs.at("input_ids"), mask, options);
  Tensors found = {{"last_hidden_state", output.last_hidden_state}};
  // Python's model with projection keeps the pooled output to itself.
  if (output.text_embeds.defined()) {
    found["text_embeds"] = output.text_embeds;
  } else {
    found["pooler_output"] = output.pooler_output;
  }
  for (size_t i = 0; i < output.hidden_states.size(); ++i) {
    found["hidden_states." + std::to_string(i)] = output.hidden_states[i];
  }
  return found;
}

/// The case with the keys of this library, which has the prefix where transformers 5 has none.
template <typename Model>
ModelCase with_our_keys(ModelCase model_case) {
  for (auto& key : model_case.keys) key = mapped<typename Model::ContainedType>(key).value();
  return model_case;
}

template <typename Model>
ModelGolden golden_with_our_keys(const ModelCase& model_case) {
  auto golden = load_golden(model_case);
  Tensors gradients;
  for (const auto& [name, gradient] : golden.gradients) {
    const std::string parameter = "param.";
    if (name.rfind(parameter, 0) != 0) {
      gradients[name] = gradient;
    } else {
      gradients[parameter +
                mapped<typename Model::ContainedType>(name.substr(parameter.size())).value()] =
          gradient;
    }
  }
  golden.gradients = std::move(gradients);
  return golden;
}

template <typename Model>
void expect_parity(const ModelCase& python_case) {
  const auto model_case = with_our_keys<Model>(python_case);
  const auto golden = golden_with_our_keys<Model>(model_case);
  auto model = saved_model<Model>(model_case, saved_weights(model_case, kFile));
  expect_same_keys(model_case, *model);
  const auto leaves = golden.leaves();
  const auto outputs = run(model, leaves);
  expect_same_outputs(model_case, golden, outputs);
  expect_same_gradients(model_case, golden, *model, leaves, outputs);

  torch::NoGradGuard no_grad;
  expect_same_outputs(model_case, golden, run(model, golden.inputs));
  auto clone = clone_of(model);
  expect_same_outputs(model_case, golden, run(clone, golden.inputs));
  // The twin: one changed weight is an error.
  clone->text_model->encoder->layers->template at<CLIPEncoderLayerImpl>(0)
      .self_attn->v_proj->weight.mul_(1.01);
  EXPECT_FALSE(are_same_outputs(model_case, golden, run(clone, golden.inputs)));
  EXPECT_TRUE(are_same_outputs(model_case, golden, run(model, golden.inputs)))
      << "the clone shares weights";
}

class ClipTextModelParity : public ::testing::TestWithParam<ModelCase> {};
class ClipTextModelWithProjectionParity : public ::testing::TestWithParam<ModelCase> {};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ClipTextModelParity);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ClipTextModelWithProjectionParity);
INSTANTIATE_TEST_SUITE_P(Transformers, ClipTextModelParity,
                         ::testing::ValuesIn(model_cases("clip", "CLIPTextModel")),
                         model_case_name);
INSTANTIATE_TEST_SUITE_P(Transformers, ClipTextModelWithProjectionParity,
                         ::testing::ValuesIn(model_cases("clip", "CLIPTextModelWithProjection")),
                         model_case_name);

TEST_P(ClipTextModelParity, OutputsAndGradientsAreThoseOfPython) {
  expect_parity<CLIPTextModel>(GetParam());
}

TEST_P(ClipTextModelWithProjectionParity, OutputsAndGradientsAreThoseOfPython) {
  expect_parity<CLIPTextModelWithProjection>(GetParam());
}

// Files of before transformers 5 have the prefix, older ones the position ids, whole CLIP models
// more.
TEST_P(ClipTextModelParity, LoadsTheHubsKeys) {
  const auto golden = load_golden(GetParam());
  for (const bool whole : {false, true}) {
    StateDict hub;
    hub.insert("text_model.embeddings.position_ids", torch::arange(77).view({1, -1}));
    for (const auto& item : saved_weights(GetParam(), kFile))
      hub.insert("text_model." + item.key(), item.value());
    if (whole) {
      hub.insert("logit_scale", torch::ones({}));
      hub.insert("text_projection.weight", torch::ones({2, 2}));
      hub.insert("visual_projection.weight", torch::ones({2, 2}));
      hub.insert("vision_model.embeddings.position_ids", torch::arange(50).view({1, -1}));
      hub.insert("vision_model.pre_layrnorm.weight", torch::ones({2}));
    }
    auto model = saved_model<CLIPTextModel>(GetParam(), hub);
    torch::NoGradGuard no_grad;
    expect_same_outputs(GetParam(), golden, run(model, golden.inputs));
  }
}

TEST_P(ClipTextModelParity, TheConfigOfAWholeClipModelHoldsTheTextModels) {
  const auto alone = CLIPTextConfig::from_json(config_text(GetParam().directory));
  auto part = CLIPTextConfig::from_json(config_text(GetParam().directory / "clip"));
  EXPECT_EQ(part.architectures, alone.architectures);
  EXPECT_EQ(part.to_json(), alone.to_json());
}

TEST(ClipGoldenData, IsThere) {
  if (model_cases("clip").empty())
    GTEST_SKIP() << "no golden data: they are made by a Python with transformers";
}

}  // namespace
}  // namespace xattn::testing
