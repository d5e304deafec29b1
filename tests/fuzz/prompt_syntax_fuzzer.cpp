// A prompt, read in each syntax.
#include <cmath>
#include <limits>

#include "core/text.h"
#include "core/utf8.h"
#include "fuzz/support/fuzz.h"
#include "xattn/core/error.h"
#include "xattn/text/prompt_syntax.h"

namespace xattn::fuzz {
namespace {

void check(const std::vector<PromptFragment>& fragments, std::string_view prompt) {
  expect(!fragments.empty(), "a prompt has a fragment");
  std::size_t size = 0;
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    const auto& fragment = fragments[i];
    expect(is_utf8(fragment.text), "a fragment is UTF-8");
    expect(std::abs(fragment.weight) <= std::numeric_limits<float>::max(), "a weight is a float");
    expect(i == 0 || fragments[i - 1].weight != fragment.weight, "equal weights are one fragment");
    expect(fragment.is_break == (fragment.text == "BREAK" && fragment.weight == -1) ||
               !fragment.is_break,
           "a break is one");
    size += fragment.text.size();
  }
  // Words are taken from the prompt; compel sets spaces between them.
  expect(size <= 2 * prompt.size(), "a fragment is of the prompt");
}

/// What is read of a prompt, and whether it was refused.
template <typename Read>
void run(const char* place, std::string_view prompt, const Read& read) {
  const MemoryBound bound(400 * prompt.size() + kMostMemory);
  try {
    read(prompt);
  } catch (const ValueError& error) {
    check_message(error.what(), place);
  }
}

/// Whether no part of a prompt means anything to a1111.
bool has_no_signs(std::string_view prompt) {
  return prompt.find_first_of("()[]:\\<|AB") == prompt.npos;
}

void run(std::string_view prompt) {
  run("parse_a1111_prompt", prompt, [](std::string_view text) {
    const auto fragments = parse_a1111_prompt(text);
    check(fragments, text);
    if (has_no_signs(text)) {
      expect(fragments == std::vector<PromptFragment>{{std::string(text)}}, "plain text is kept");
    }
  });
  run("parse_compel_prompt", prompt, [](std::string_view text) {
    const auto parts = parse_compel_prompt(text);
    expect(!parts.empty(), "a prompt has a part");
    for (const auto& part : parts) {
      for (const auto& each : part.texts) check(each, text);
      expect(part.blend_weights.empty() ? part.texts.size() == 1
                                        : part.texts.size() == part.blend_weights.size(),
             "a factor for each text");
      expect(std::abs(part.weight) <= std::numeric_limits<float>::max(), "a weight is a float");
    }
  });
}

}  // namespace
}  // namespace xattn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view prompt(reinterpret_cast<const char*>(data), size);
  xattn::fuzz::run(prompt);
  // Some also many times over, where what a bracket left open adds up.
  if (size > 0 && size <= 32 && data[size / 2] % 16 == 0) {
    std::string repeated;
    while (repeated.size() < 2000) repeated += prompt;
    xattn::fuzz::run(repeated);
  }
  return 0;
}
