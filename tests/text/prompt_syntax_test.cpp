// Prompts whose words have weights, read as the originals read them;
// python/golden_models/prompts.py makes what is expected.
#include "xattn/text/prompt_syntax.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "support/errors.h"
#include "text/support.h"

namespace xattn {

void PrintTo(const PromptFragment& fragment, std::ostream* stream) {
  *stream << '"' << fragment.text << "\" " << fragment.weight;
}

}  // namespace xattn

namespace xattn::testing {
namespace {

using nlohmann::json;

json rows(const std::vector<PromptFragment>& fragments) {
  json rows = json::array();
  for (const auto& fragment : fragments) rows.push_back({fragment.text, fragment.weight});
  return rows;
}

json parsed(PromptSyntax syntax, const std::string& prompt) {
  if (syntax == PromptSyntax::kA1111) return rows(parse_a1111_prompt(prompt));
  json parts = json::array();
  for (const auto& part : parse_compel_prompt(prompt)) {
    json texts = json::array();
    for (const auto& text : part.texts) texts.push_back(rows(text));
    parts.push_back({{"texts", texts},
                     {"blend_weights", part.blend_weights},
                     {"normalize", part.normalize},
                     {"weight", part.weight}});
  }
  return parts;
}

/// The prompts of a syntax, and what Python parses them to; empty where there is no golden data.
json golden_prompts(const std::string& syntax) {
  const char* folder = std::getenv("XATTN_GOLDEN_MODELS_DIR");
  std::ifstream stream(std::filesystem::path(folder ? folder : "") / "prompts" / "manifest.json");
  if (!stream) {
    if (std::getenv("CI")) throw std::runtime_error("CI without golden data of prompts");
    return {};
  }
  const auto manifest = json::parse(stream);
  for (const auto& found : manifest.at("cases")) {
    if (found.at("arguments").at("syntax") == syntax) return found.at("arguments").at("prompts");
  }
  throw std::runtime_error("no case of " + syntax);
}

class PromptSyntaxParity : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, PromptSyntaxParity, ::testing::Values("a1111", "compel"));

TEST_P(PromptSyntaxParity, EveryFragmentIsThatOfPython) {
  const auto golden = golden_prompts(GetParam());
  if (golden.empty()) GTEST_SKIP() << "no golden data: they are made by a Python with compel";
  EXPECT_GE(golden.size(), 60u);
  for (const auto& each : golden) {
    EXPECT_EQ(parsed(prompt_syntax_from_name(GetParam()), each.at("prompt")), each.at("parsed"))
        << each.at("prompt");
  }
}

// The twin: brackets that mean something else in the other syntax.
TEST_P(PromptSyntaxParity, TheOtherSyntaxGivesOtherFragments) {
  const auto golden = golden_prompts(GetParam());
  if (golden.empty()) GTEST_SKIP() << "no golden data: they are made by a Python with compel";
  int different = 0;
  for (const auto& each : golden) {
    try {
      if (GetParam() == "a1111") {
        const auto parts = parse_compel_prompt(each.at("prompt").get<std::string>());
        different += rows(parts.at(0).texts.at(0)) != each.at("parsed");
      } else {
        const auto fragments = parse_a1111_prompt(each.at("prompt").get<std::string>());
        different += rows(fragments) != each.at("parsed").at(0).at("texts").at(0);
      }
    } catch (const ValueError&) {
      ++different;
    }
  }
  EXPECT_GT(different, 40);
}

TEST(PromptSyntax, IsChosenByName) {
  EXPECT_EQ(prompt_syntax_from_name("plain"), PromptSyntax::kPlain);
  EXPECT_EQ(prompt_syntax_from_name("a1111"), PromptSyntax::kA1111);
  EXPECT_EQ(prompt_syntax_from_name("compel"), PromptSyntax::kCompel);
  expect_value_error([] { prompt_syntax_from_name("A1111"); },
                     "[PromptSyntax] name: expected plain, a1111 or compel, got 'A1111'");
}

TEST(PromptSyntax, BreaksAreMarked) {
  using Fragments = std::vector<PromptFragment>;
  EXPECT_EQ(parse_a1111_prompt("a BREAK b"), (Fragments{{"a", 1}, {"BREAK", -1, true}, {"b", 1}}));
  // A bracket multiplies its weight too, and then it is a word.
  EXPECT_EQ(parse_a1111_prompt("(a BREAK b:2)"), (Fragments{{"a", 2}, {"BREAK", -2}, {"b", 2}}));
}

/// Expects an error that begins and goes on like this.
void expect_refusal(PromptSyntax syntax, const std::string& prompt, const std::string& part) {
  try {
    parsed(syntax, prompt);
    ADD_FAILURE() << "no error for " << prompt;
  } catch (const ValueError& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(PromptSyntax, A1111RefusesWhatOneTextCannotSay) {
  for (const std::string prompt : {"a [cat:dog:0.5]", "[cat:10]", "[cat::.5]", "[:cat:1e-1]",
                                   "[(a:1.2):[b]: 3 ]", "[[a:b:5]]"}) {
    expect_refusal(PromptSyntax::kA1111, prompt,
                   "[parse_a1111_prompt] prompt: expected no prompt editing");
  }
  for (const std::string prompt : {"[a|b]", "x [|b]", "[(a:1.2)|b|]", "(a [b|c]:1.1)"}) {
    expect_refusal(PromptSyntax::kA1111, prompt, "expected no alternating words");
  }
  expect_refusal(PromptSyntax::kA1111, "a cat AND a dog:0.5", "expected no AND");
  expect_refusal(PromptSyntax::kA1111, "a <lora:detail:0.8>",
                 "expected no extra networks (<lora:name:weight>), got '<lora:detail:0.8>'");
  // What looks like these and is text.
  for (const std::string prompt :
       {"[a:b:c]", "[a:b:c:1]", "[a:b", "a:b:0.5]", "[a):0.5]", "[(a:0.5]", "a|b", "(a|b)",
        R"(\[a:b:0.5\])", R"([a\:b])", "[a:0.5x]", "[a:.]", "ANDROID", "hAND", "안AND", "<a>",
        "<:b>", "<lora:x", "[a:b|c]"}) {
    EXPECT_NO_THROW(parse_a1111_prompt(prompt)) << prompt;
  }
}

TEST(PromptSyntax, A1111RefusesWeightsThatAreNone) {
  for (const std::string weight : {"1.2.3", ".", "1..", "١", "1.５"}) {
    expect_refusal(PromptSyntax::kA1111, "(a:" + weight + ")",
                   "expected a weight in digits with at most one point");
  }
  expect_refusal(PromptSyntax::kA1111, "(a:" + std::string(400, '9') + ")",
                 "weight of 'a': expected a number that float32 holds");
  expect_refusal(PromptSyntax::kA1111,
                 "((a:" + std::string(30, '9') + "):" + std::string(30, '9') + ")",
                 "expected a number that float32 holds");
  // Without an open parenthesis it is text.
  EXPECT_EQ(parse_a1111_prompt("a:1.2.3)"), (std::vector<PromptFragment>{{"a:1.2.3)"}}));
}

TEST(PromptSyntax, CompelRefusesWhatATextCannotSay) {
  expect_refusal(
      PromptSyntax::kCompel, "a cat.swap(dog) here",
      "[parse_compel_prompt] prompt: expected no .swap(), which changes the attention of a "
      "model, got 'cat.swap(dog)'");
  expect_refusal(PromptSyntax::kCompel, "(a (b).swap(c, t_start=0.5))+", "expected no .swap()");
  expect_refusal(PromptSyntax::kCompel, "a withLora(x, 0.5)",
                 "expected no withLora() or useLora()");
  expect_refusal(PromptSyntax::kCompel, R"(("a", "b").and() more)",
                 "expected nothing after .and(…), got 'more'");
  expect_refusal(PromptSyntax::kCompel, R"(("a", "b").blend(1, 2) more)",
                 "expected nothing after .blend(…), got 'more'");
  expect_refusal(PromptSyntax::kCompel, R"(("a", "b").and(1))",
                 "weights of .and(…): expected 2, as many as texts, got 1");
  expect_refusal(PromptSyntax::kCompel, R"(("a", "b").blend(x, 1))",
                 "expected numbers in .blend(…)");
  expect_refusal(PromptSyntax::kCompel, R"(("a", "b").and(no_normalize))",
                 "expected numbers in .and(…)");
  expect_refusal(PromptSyntax::kCompel, R"(("a", "b").blend(1, -1))",
                 "expected a sum that is not 0, got 0");
  expect_refusal(PromptSyntax::kCompel, "(a, ()).blend(1, 1)", "expected words in every text");
  expect_refusal(PromptSyntax::kCompel, R"("a \0 b"+)",
                 "expected no escapes with numbers in quotes");
  expect_refusal(PromptSyntax::kCompel, "(a)１.２", "expected a weight in the digits 0 to 9");
  expect_refusal(PromptSyntax::kCompel, "a" + std::string(8000, '+'),
                 "weight of 'a': expected a number that float32 holds");
}

TEST(PromptSyntax, EmptyParenthesesAreTheEmptyPromptOfCompel) {
  for (const std::string prompt : {"", " \n", "\u3000", "()", "( (()) )+"}) {
    EXPECT_EQ(parsed(PromptSyntax::kCompel, prompt), parsed(PromptSyntax::kCompel, "")) << prompt;
  }
}

TEST(PromptSyntax, TextsAreUtf8) {
  for (const auto syntax : {PromptSyntax::kA1111, PromptSyntax::kCompel}) {
    expect_refusal(syntax, "a\xff", "] prompt: expected UTF-8, got an invalid byte at offset 1");
  }
}

TEST(PromptSyntax, BracketsMayBeSoDeep) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '(') + "x" +
           std::string(static_cast<size_t>(depth), ')');
  };
  for (const auto syntax : {PromptSyntax::kA1111, PromptSyntax::kCompel}) {
    EXPECT_EQ(parsed(syntax, nested(100)).size(), 1u);
    expect_refusal(syntax, nested(101), "expected at most 100 ");
    expect_refusal(syntax, std::string(1'000'000, '('), "expected at most 100 ");
  }
  std::string swaps;
  for (int i = 0; i < 1000; ++i) swaps += "a.swap(";
  expect_refusal(PromptSyntax::kCompel, "(" + swaps, "expected at most 100 nested parentheses");
}

}  // namespace
}  // namespace xattn::testing
