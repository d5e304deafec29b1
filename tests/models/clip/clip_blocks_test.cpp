// The blocks of CLIP's text encoder against transformers, and what they refuse.

#include <torch/utils.h>

#include <functional>

#include "support/errors.h"
#include "support/model_golden.h"
#include "support/saved_model.h"
#include "xattn/models/clip/clip_encoder.h"
#include "xattn/models/clip/clip_text_embeddings.h"

namespace xattn::testing {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

CLIPMLPOptions mlp_options(const nlohmann::json& arguments) {
  return CLIPMLPOptions(arguments.at("hidden_size"), arguments.at("intermediate_size"))
      .hidden_act(arguments.at("hidden_act") == "gelu" ? CLIPActivation::kGelu
                                                       : CLIPActivation::kQuickGelu);
}

CLIPAttentionOptions attention_options(const nlohmann::json& arguments) {
  return {arguments.at("hidden_size"), arguments.at("num_attention_heads")};
}

CLIPEncoderLayerOptions layer_options(const nlohmann::json& arguments) {
  return CLIPEncoderLayerOptions(arguments.at("hidden_size"), arguments.at("intermediate_size"),
                                 arguments.at("num_attention_heads"))
      .hidden_act(mlp_options(arguments).hidden_act())
      .layer_norm_eps(arguments.at("layer_norm_eps"));
}

std::optional<torch::Tensor> mask_of(const Tensors& inputs) {
  const auto found = inputs.find("attention_mask");
  return found == inputs.end() ? std::nullopt : std::make_optional(found->second);
}

/// Compares a block with Python's, and that its clone is equal but shares nothing.
template <typename Block>
void expect_parity(const ModelCase& model_case, Block block,
                   const std::function<at::Tensor(Block&, const Tensors&)>& call) {
  const auto golden = load_golden(model_case);
  block->to(model_case.dtype);
  block->eval();
  load_state_dict(*block, golden.parameters);
  expect_same_keys(model_case, *block);
  const auto leaves = golden.leaves();
  const Tensors outputs = {{"output", call(block, leaves)}};
  expect_same_outputs(model_case, golden, outputs);
  expect_same_gradients(model_case, golden, *block, leaves, outputs);

  torch::NoGradGuard no_grad;
  auto clone = clone_of(block);
  expect_same_outputs(model_case, golden, {{"output", call(clone, golden.inputs)}});
  clone->parameters().front().mul_(1.01);
  EXPECT_FALSE(are_same_outputs(model_case, golden, {{"output", call(clone, golden.inputs)}}));
  expect_same_outputs(model_case, golden, {{"output", call(block, golden.inputs)}});
}

template <typename Block>
at::Tensor call_with_mask(Block& block, const Tensors& inputs) {
  return block(inputs.at("hidden_states"), mask_of(inputs));
}

class ClipBlock : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ClipBlock);

std::vector<ModelCase> block_cases() {
  auto cases = model_cases("clip");
  std::erase_if(cases,
                [](const ModelCase& each) { return each.module.rfind("CLIPTextModel", 0) == 0; });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Transformers, ClipBlock, ::testing::ValuesIn(block_cases()),
                         model_case_name);

TEST_P(ClipBlock, OutputsAndGradientsAreThoseOfPython) {
  const auto& arguments = GetParam().arguments;
  if (GetParam().module == "CLIPTextEmbeddings") {
    const auto options =
        CLIPTextEmbeddingsOptions(arguments.at("vocab_size"), arguments.at("hidden_size"))
            .max_position_embeddings(arguments.at("max_position_embeddings"));
    expect_parity<CLIPTextEmbeddings>(
        GetParam(), CLIPTextEmbeddings(options),
        [](auto& block, const auto& inputs) { return block(inputs.at("input_ids")); });
  } else if (GetParam().module == "CLIPAttention") {
    // Of the keys, the first bias has no effect; the weight has.
    expect_parity<CLIPAttention>(GetParam(), CLIPAttention(attention_options(arguments)),
                                 call_with_mask<CLIPAttention>);
  } else if (GetParam().module == "CLIPMLP") {
    expect_parity<CLIPMLP>(
        GetParam(), CLIPMLP(mlp_options(arguments)),
        [](auto& block, const auto& inputs) { return block(inputs.at("hidden_states")); });
  } else if (GetParam().module == "CLIPEncoderLayer") {
    expect_parity<CLIPEncoderLayer>(GetParam(), CLIPEncoderLayer(layer_options(arguments)),
                                    call_with_mask<CLIPEncoderLayer>);
  } else {
    ASSERT_EQ(GetParam().module, "CLIPEncoder");
    const CLIPEncoderOptions options(arguments.at("num_hidden_layers"), layer_options(arguments));
    expect_parity<CLIPEncoder>(GetParam(), CLIPEncoder(options), call_with_mask<CLIPEncoder>);
  }
}

TEST(ClipBlocks, RefuseOptions) {
  expect_value_error(
      [] { CLIPAttention(CLIPAttentionOptions(30, 4)); },
      "[CLIPAttention] hidden_size: expected a multiple of num_attention_heads = 4, got 30");
  expect_value_error([] { CLIPAttention(CLIPAttentionOptions(30, 0)); },
                     "[CLIPAttention] num_attention_heads: expected 1 or more, got 0");
  expect_value_error([] { CLIPMLP(CLIPMLPOptions(8, 0)); },
                     "[CLIPMLP] intermediate_size: expected 1 or more, got 0");
  expect_value_error([] { CLIPTextEmbeddings(CLIPTextEmbeddingsOptions(-1, 8)); },
                     "[CLIPTextEmbeddings] vocab_size: expected 1 or more, got -1");
  expect_value_error([] { CLIPEncoder(CLIPEncoderOptions(-1, CLIPEncoderLayerOptions(8, 8, 2))); },
                     "[CLIPEncoder] num_hidden_layers: expected 0 or more, got -1");
}

TEST(ClipBlocks, RefuseInputs) {
  CLIPAttention attention(CLIPAttentionOptions(8, 2));
  expect_value_error(
      [&] {
        attention(torch::zeros({2, 5, 7}));
      },
      "[CLIPAttention] hidden_states: expected [B, T, 8], got [2, 5, 7]");
  expect_value_error(
      [&] {
        attention(torch::zeros({2, 5, 8}, torch::kDouble));
      },
      "[CLIPAttention] hidden_states: expected float32 as the weights, got float64");
  expect_value_error(
      [&] {
        attention(torch::zeros({2, 5, 8}), torch::zeros({2, 1, 5, 5}));
      },
      "[CLIPAttention] attention_mask: expected a boolean tensor, got float32");
  expect_value_error(
      [&] {
        attention(torch::zeros({2, 5, 8}), torch::ones({2, 1, 5, 4}, torch::kBool));
      },
      "[CLIPAttention] attention_mask: expected [B or 1, heads or 1, 5, 5], got [2, 1, 5, 4]");

  CLIPTextEmbeddings embeddings(CLIPTextEmbeddingsOptions(10, 8).max_position_embeddings(6));
  const auto ids = [](std::initializer_list<int64_t> values) {
    return torch::tensor(std::vector<int64_t>(values)).view({1, -1});
  };
  const std::string place = "[CLIPTextEmbeddings] ";
  expect_value_error(
      [&] {
        embeddings(torch::zeros({2, 5}));
      },
      place + "input_ids: expected dtype int64 or int32, got float32");
  expect_value_error([&] { embeddings(torch::zeros({5}, torch::kLong)); },
                     place + "input_ids: expected [B, T], got [5]");
  expect_value_error(
      [&] {
        embeddings(torch::zeros({1, 7}, torch::kLong));
      },
      place + "input_ids: expected 1 to 6 tokens, got 7");
  expect_value_error(
      [&] {
        embeddings(torch::zeros({1, 0}, torch::kLong));
      },
      place + "input_ids: expected 1 to 6 tokens, got 0");
  expect_value_error(
      [&] {
        embeddings(ids({3, 10, 2}));
      },
      place + "input_ids: expected ids from 0 to 9, got 10");
  expect_value_error(
      [&] {
        embeddings(ids({3, -4, 2}));
      },
      place + "input_ids: expected ids from 0 to 9, got -4");
  expect_value_error(
      [&] {
        embeddings(ids({3, 4}), ids({0, 6}));
      },
      place + "position_ids: expected ids from 0 to 5, got 6");
  expect_value_error(
      [&] {
        embeddings(ids({3, 4}), ids({0, 1, 2}));
      },
      place + "position_ids: expected [B, 2], got [1, 3]");
}

}  // namespace
}  // namespace xattn::testing
