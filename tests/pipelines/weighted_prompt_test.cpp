// Prompts whose words have weights, as a text encoder's hidden states, beside compel and beside
// AUTOMATIC1111's algorithm (python/golden_models/prompts.py).

#include "xattn/pipelines/weighted_prompt.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <torch/utils.h>

#include <algorithm>

#include "io/support/temporary_folder.h"
#include "support/errors.h"
#include "support/model_golden.h"
#include "text/support.h"
#include "xattn/models/clip/clip_text_model.h"
#include "xattn/pretrained/from_pretrained.h"

namespace xattn::testing {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

std::optional<at::Tensor> given(const at::Tensor& mask) {
  return mask.defined() ? std::optional(mask) : std::nullopt;
}

/// The encoder of a case: Stable Diffusion 1's, or XL's second.
EncodeIds encoder_of(const ModelCase& model_case) {
  const auto folder =
      model_case.directory.parent_path() / model_case.arguments["model"].get<std::string>();
  if (model_case.module == "CLIPTextModel") {
    auto model = from_pretrained<CLIPTextModel>(folder.string());
    return [model](const at::Tensor& ids, const at::Tensor& mask) mutable {
      const auto output = model->forward(ids, given(mask));
      return EncodedText{output.last_hidden_state, output.pooler_output};
    };
  }
  auto model = from_pretrained<CLIPTextModelWithProjection>(folder.string());
  return [model](const at::Tensor& ids, const at::Tensor& mask) mutable {
    CLIPTextForwardOptions options;
    options.output_hidden_states = true;
    const auto output = model->forward(ids, given(mask), options);
    return EncodedText{output.hidden_states.at(output.hidden_states.size() - 2),
                       output.text_embeds};
  };
}

CLIPTokenizer tokenizer_of(const ModelCase& model_case) {
  return CLIPTokenizer::from_pretrained(
      (model_case.directory.parent_path() / model_case.arguments["model"].get<std::string>())
          .string());
}

/// What Python computed for a case, computed here.
Tensors run(const ModelCase& model_case, PromptSyntax syntax) {
  const auto tokenizer = tokenizer_of(model_case);
  const auto encode = encoder_of(model_case);
  const auto embed = [&](const std::string& prompt) {
    return encode_weighted_prompt(tokenizer, encode, prompt, syntax);
  };
  Tensors found;
  const auto& arguments = model_case.arguments;
  for (size_t i = 0; i < arguments["prompts"].size(); ++i) {
    const auto text = embed(arguments["prompts"][i]["prompt"]);
    found["hidden_states." + std::to_string(i)] = text.hidden_states;
    found["pooled." + std::to_string(i)] = text.pooled;
  }
  for (size_t i = 0; i < arguments["pairs"].size(); ++i) {
    const auto& pair = arguments["pairs"][i];
    const auto both = same_length(tokenizer, encode, {embed(pair[0]), embed(pair[1])});
    found["positive." + std::to_string(i)] = both[0].hidden_states;
    found["negative." + std::to_string(i)] = both[1].hidden_states;
  }
  return found;
}

class WeightedPromptParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WeightedPromptParity);
INSTANTIATE_TEST_SUITE_P(Golden, WeightedPromptParity, ::testing::ValuesIn(model_cases("prompts")),
                         model_case_name);

TEST_P(WeightedPromptParity, EveryPromptIsThatOfPython) {
  const torch::NoGradGuard no_grad;
  const auto syntax = prompt_syntax_from_name(GetParam().arguments["syntax"].get<std::string>());
  expect_same_outputs(GetParam(), load_golden(GetParam()), run(GetParam(), syntax));
}

// The twin: the same prompts as if they were plain.
TEST_P(WeightedPromptParity, PlainTextsAreOthers) {
  const torch::NoGradGuard no_grad;
  const auto golden = load_golden(GetParam());
  const auto plain = run(GetParam(), PromptSyntax::kPlain);
  int different = 0;
  for (const auto& [name, expected] : golden.outputs) {
    if (name.starts_with("hidden_states.")) {
      different += plain.at(name).sizes() != expected.sizes() ||
                   difference(plain.at(name), expected).relative() > 1e-3;
    }
  }
  EXPECT_GT(different, 60);
}

TEST_P(WeightedPromptParity, WeightsOfOneAreThePlainText) {
  const torch::NoGradGuard no_grad;
  const auto tokenizer = tokenizer_of(GetParam());
  const auto encode = encoder_of(GetParam());
  const auto syntax = prompt_syntax_from_name(GetParam().arguments["syntax"].get<std::string>());
  for (const std::string prompt : {"", "a photograph of an astronaut", "고양이 한 마리"}) {
    const auto weighted = encode_weighted_prompt(tokenizer, encode, prompt, syntax);
    const auto plain = encode_weighted_prompt(tokenizer, encode, prompt, PromptSyntax::kPlain);
    EXPECT_TRUE(at::equal(weighted.hidden_states, plain.hidden_states)) << prompt;
    EXPECT_TRUE(at::equal(weighted.pooled, plain.pooled)) << prompt;
  }
}

/// A tokenizer of single bytes, with rows of 6 tokens.
CLIPTokenizer short_tokenizer(int64_t length = 8) {
  const TemporaryFolder folder;
  write_bytes(folder / "vocab.json", small_vocabulary().dump());
  write_bytes(folder / "merges.txt", "#version: 0.2\n");
  write_bytes(folder / "tokenizer_config.json",
              "{\"model_max_length\": " + std::to_string(length) + "}");
  return CLIPTokenizer::from_pretrained(folder.path().string());
}

/// Hidden states that are ids, positions and what the mask hides; the pooled text is the ids' sum.
EncodedText encode_plainly(const at::Tensor& ids, const at::Tensor& mask) {
  const auto seen = mask.defined() ? mask : at::ones_like(ids);
  const auto positions = at::arange(ids.size(1)).expand_as(ids);
  return {at::stack({ids, positions, seen}, 2).to(at::kFloat) + 1,
          ids.sum(1, /*keepdim=*/true).to(at::kFloat)};
}

std::vector<int64_t> ids_in(const at::Tensor& hidden_states) {
  const auto ids = (hidden_states.select(2, 0) - 1).to(at::kLong).flatten();
  return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()};
}

TEST(WeightedPrompt, ACommaNearTheEndEndsARow) {
  const auto tokenizer = short_tokenizer();
  const auto id = [&](const char* token) { return tokenizer.token_to_id(token).value(); };
  const auto bos = tokenizer.bos_token_id(), eos = tokenizer.eos_token_id();
  const auto text =
      encode_weighted_prompt(tokenizer, encode_plainly, "a b , c d e f", PromptSyntax::kA1111);
  EXPECT_EQ(
      ids_in(text.hidden_states),
      (std::vector<int64_t>{bos, id("a</w>"), id("b</w>"), id(",</w>"), eos, eos, eos, eos, bos,
                            id("c</w>"), id("d</w>"), id("e</w>"), id("f</w>"), eos, eos, eos}));
}

TEST(WeightedPrompt, MemoryIsThatOfAFewRows) {
  int64_t most = 0, rows = 0;
  const auto encode = [&](const at::Tensor& ids, const at::Tensor& mask) {
    most = std::max(most, ids.size(0));
    rows += ids.size(0);
    return encode_plainly(ids, mask);
  };
  std::string prompt;
  for (int i = 0; i < 600; ++i) prompt += "a ";
  const auto text = encode_weighted_prompt(short_tokenizer(), encode, prompt, PromptSyntax::kA1111);
  EXPECT_EQ(rows, 100);
  EXPECT_LE(most, 32);
  EXPECT_EQ(text.hidden_states.sizes(), (std::vector<int64_t>{1, 800, 3}));
  EXPECT_EQ(text.pooled.sizes(), (std::vector<int64_t>{1, 1}));
}

TEST(WeightedPrompt, HalfIsWeightedInFloat) {
  const auto half = [](const at::Tensor& ids, const at::Tensor& mask) {
    const auto text = encode_plainly(ids, mask);
    return EncodedText{(text.hidden_states / 64).to(at::kHalf), {}};
  };
  const auto whole = [&](const at::Tensor& ids, const at::Tensor& mask) {
    return EncodedText{half(ids, mask).hidden_states.to(at::kFloat), {}};
  };
  const auto tokenizer = short_tokenizer();
  for (const auto& [syntax, prompt] : {std::pair(PromptSyntax::kA1111, "(a:1.3) [b] BREAK c"),
                                       std::pair(PromptSyntax::kCompel, "(a)1.3 (b)0.5 c+")}) {
    const auto narrow = encode_weighted_prompt(tokenizer, half, prompt, syntax);
    const auto wide = encode_weighted_prompt(tokenizer, whole, prompt, syntax);
    EXPECT_EQ(narrow.hidden_states.scalar_type(), at::kHalf);
    EXPECT_FALSE(narrow.pooled.defined());
    EXPECT_TRUE(at::equal(narrow.hidden_states, wide.hidden_states.to(at::kHalf))) << prompt;
  }
}

TEST(WeightedPrompt, FragmentsWithoutTokensAreNotMasked) {
  const auto tokenizer = short_tokenizer();
  // The original fails here: it looks for the place of no tokens.
  const auto text =
      encode_weighted_prompt(tokenizer, encode_plainly, R"(""- a)", PromptSyntax::kCompel);
  const auto plain = encode_weighted_prompt(tokenizer, encode_plainly, "a", PromptSyntax::kPlain);
  EXPECT_TRUE(at::equal(text.hidden_states, plain.hidden_states));
}

TEST(WeightedPrompt, OneTextIsEncodedOnce) {
  int calls = 0;
  const auto encode = [&](const at::Tensor& ids, const at::Tensor& mask) {
    ++calls;
    return encode_plainly(ids, mask);
  };
  for (const auto syntax : {PromptSyntax::kPlain, PromptSyntax::kA1111, PromptSyntax::kCompel}) {
    calls = 0;
    encode_weighted_prompt(short_tokenizer(), encode, "a b", syntax);
    EXPECT_EQ(calls, 1);
  }
}

TEST(WeightedPrompt, RefusesOtherShapesOfAnEncoder) {
  const auto tokenizer = short_tokenizer();
  const auto encode = [](const at::Tensor& ids, const at::Tensor&) {
    return EncodedText{at::ones({ids.size(0), 7, 3}), {}};
  };
  expect_value_error(
      [&] { encode_weighted_prompt(tokenizer, encode, "a", PromptSyntax::kA1111); },
      "[encode_weighted_prompt] encode's hidden_states: expected [1, 8, E], got [1, 7, 3]");
  expect_value_error(
      [&] { encode_weighted_prompt(tokenizer, nullptr, "a", PromptSyntax::kCompel); },
      "[encode_weighted_prompt] encode: expected a function, got none");
  expect_value_error(
      [&] {
        encode_weighted_prompt(short_tokenizer(2), encode_plainly, "a", PromptSyntax::kA1111);
      },
      "[encode_weighted_prompt] tokenizer's model_max_length - 2: expected 1 or more, got 0");
}

TEST(SameLength, AppendsTheEmptyPrompt) {
  const auto tokenizer = short_tokenizer();
  const auto embed = [&](const std::string& prompt) {
    return encode_weighted_prompt(tokenizer, encode_plainly, prompt, PromptSyntax::kA1111);
  };
  const auto empty = embed("").hidden_states;
  const auto one = embed("a"), three = embed("b BREAK c BREAK d");
  auto texts = same_length(tokenizer, encode_plainly, {one, three});
  EXPECT_TRUE(at::equal(texts[0].hidden_states, at::cat({one.hidden_states, empty, empty}, 1)));
  EXPECT_TRUE(at::equal(texts[1].hidden_states, three.hidden_states));
  EXPECT_TRUE(at::equal(texts[0].pooled, one.pooled));
  texts = same_length(tokenizer, encode_plainly, {one}, 16);
  EXPECT_TRUE(at::equal(texts[0].hidden_states, at::cat({one.hidden_states, empty}, 1)));
  EXPECT_TRUE(same_length(tokenizer, encode_plainly, {}).empty());
}

TEST(SameLength, RefusesWhatCannotBePadded) {
  const auto tokenizer = short_tokenizer();
  const EncodedText one{at::ones({1, 8, 3}), {}}, other{at::ones({1, 12, 3}), {}},
      wide{at::ones({1, 16, 3}), {}}, narrow{at::ones({1, 8, 2}), {}};
  expect_value_error(
      [&] {
        same_length(tokenizer, encode_plainly, {one, other});
      },
      "[same_length] texts: expected lengths that differ by multiples of 8, got 8 and 12");
  expect_value_error(
      [&] {
        same_length(tokenizer, encode_plainly, {narrow, wide});
      },
      "[same_length] texts[0].hidden_states: expected E = 3, as encode gives it, got 2");
  expect_value_error(
      [&] { same_length(tokenizer, encode_plainly, {EncodedText{}}); },
      "[same_length] texts[0].hidden_states: expected [B, T, E], got an undefined tensor");
}

}  // namespace
}  // namespace xattn::testing
