#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// How a prompt says which of its words weigh more or less than the others.
enum class PromptSyntax {
  /// All of it is text.
  kPlain,
  /// That of AUTOMATIC1111's stable-diffusion-webui: `(words:1.2)`, `[words]`, `BREAK`.
  kA1111,
  /// That of the Python package compel: `word++`, `(words)1.2`, `.and()`, `.blend()`.
  kCompel,
};

/// The syntax called "plain", "a1111" or "compel".
///
/// Throws: `ValueError` for another name.
XATTN_API PromptSyntax prompt_syntax_from_name(std::string_view name);

/// Words of a prompt that have one weight.
struct PromptFragment {
  /// Without the signs of the syntax.
  std::string text;
  /// 1 leaves the words as they are; more stresses them, less plays them down.
  double weight = 1;
  /// Whether this is a1111's `BREAK`, which ends a chunk; its text is "BREAK" and its weight -1.
  bool is_break = false;

  friend bool operator==(const PromptFragment&, const PromptFragment&) = default;
};

/// Reads a prompt as AUTOMATIC1111's web interface does.
///
/// `(words)` multiplies their weights by 1.1, `[words]` by 1/1.1, `(words:1.2)` by 1.2, once for
/// each bracket around them. `\(`, `\)`, `\[`, `\]` and `\\` stand for the sign; a backslash before
/// anything else is dropped. What is never closed reaches to the end of the prompt, and what closes
/// nothing is text. `BREAK` is one where it is a word outside of weighted brackets; inside them it
/// is text, as in the original. Neighbours of equal weight are one fragment, and an empty prompt is
/// one empty fragment.
///
/// Throws: `ValueError` for a prompt that is not UTF-8, for more than 100 open brackets of a kind,
/// for a weight that no float32 holds or that is no number (`(words:1.2.3)`, an error in the
/// original too), and for what a text for all steps of one picture cannot say: `[from:to:when]`,
/// `[one|other]`, `AND`, `<lora:name:weight>`.
///
/// Reference: stable-diffusion-webui 1.10.1, modules/prompt_parser.py, `parse_prompt_attention`.
XATTN_API std::vector<PromptFragment> parse_a1111_prompt(std::string_view prompt);

/// A part of a compel prompt; a prompt has several where it says `.and()`.
struct CompelPart {
  /// One text, or those that `.blend()` mixes.
  std::vector<std::vector<PromptFragment>> texts;
  /// Of a blend, a factor for each text; empty for one text.
  std::vector<double> blend_weights;
  /// Whether the factors are divided by their sum; not after `no_normalize`.
  bool normalize = true;
  /// The weight that `.and()` gives the part.
  double weight = 1;
};

/// Reads a prompt as compel does.
///
/// `word+` weighs 1.1, `word++` 1.1², `word-` 0.9, `word--` 0.9². A group is words in parentheses
/// or double quotes: `(two words)+`, `"two words"1.3`, `(two words).attend(1.3)`. A backslash
/// before one of `()",.+-=` makes it text; like the original, it goes from the text only before
/// parentheses and quotes. Parentheses that do not match are text. Neighbours of equal weight are
/// one fragment, apart by a space, and an empty prompt is one empty fragment.
///
/// The whole prompt may be `("one", "other").and(1, 0.5)`, which gives a part for each text, or
/// `("one", "other").blend(0.7, 0.3)`, which gives one part with both.
///
/// Throws: `ValueError` for a prompt that is not UTF-8, for more than 100 nested parentheses, for a
/// weight that no float32 holds, for weights of `.and()` and `.blend()` that are no numbers or not
/// as many as the texts, for text after `.and()`, which the original ignores, and for what needs
/// more than a text: `.swap()`, `withLora()`, `useLora()`.
///
/// Reference: compel 2.5.1, prompt_parser.py, `PromptParser.parse_conjunction`.
XATTN_API std::vector<CompelPart> parse_compel_prompt(std::string_view prompt);

}  // namespace xattn
