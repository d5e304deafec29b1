// The original cuts a prompt into pieces by one regular expression and multiplies the weights of
// all pieces since a bracket when it closes, round and square ones apart: "(a [b) c]" crosses.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/text.h"
#include "core/utf8.h"
#include "text/a1111_unsupported.h"
#include "text/prompt_text.h"
#include "xattn/text/prompt_syntax.h"

namespace xattn {
namespace {

constexpr const char* kA1111Place = "parse_a1111_prompt";
constexpr std::string_view kBreak = "BREAK";
constexpr double kStressed = 1.1, kPlayedDown = 1 / 1.1;

class A1111Reader {
 public:
  explicit A1111Reader(std::string_view prompt) : prompt_(prompt) {}

  std::vector<PromptFragment> read() {
    while (at_ < prompt_.size()) take_piece();
    for (const auto start : round_) multiply_from(start, kStressed);
    for (const auto start : square_) multiply_from(start, kPlayedDown);
    if (pieces_.empty()) pieces_.push_back({});
    return merged();
  }

 private:
  void take_piece() {
    switch (prompt_[at_]) {
      case '\\':
        take_escape();
        break;
      case '(':
        open(round_);
        break;
      case '[':
        open(square_);
        break;
      case ':':
        take_colon();
        break;
      case ')':
        close(round_, kStressed, 1);
        break;
      case ']':
        close(square_, kPlayedDown, 1);
        break;
      default:
        take_text(std::min(prompt_.find_first_of("\\()[]:", at_), prompt_.size()) - at_);
    }
  }

  /// A backslash goes, and the sign after it is text; before any other it is an empty piece.
  void take_escape() {
    const bool before_sign =
        at_ + 1 < prompt_.size() &&
        std::string_view("()[]\\").find(prompt_[at_ + 1]) != std::string_view::npos;
    pieces_.push_back({before_sign ? std::string(1, prompt_[at_ + 1]) : std::string()});
    at_ += before_sign ? 2 : 1;
  }

  void open(std::vector<std::size_t>& brackets) {
    if (brackets.size() == text::kDeepestBrackets) {
      text::refuse_prompt(kA1111Place,
                          cat("at most ", text::kDeepestBrackets, " open brackets of a kind"),
                          prompt_.substr(at_));
    }
    brackets.push_back(pieces_.size());
    ++at_;
  }

  void close(std::vector<std::size_t>& brackets, double multiplier, std::size_t size) {
    if (brackets.empty()) {
      take_text(size);
      return;
    }
    multiply_from(brackets.back(), multiplier);
    brackets.pop_back();
    at_ += size;
  }

  /// `:1.2)` closes a parenthesis with a weight; any other colon is text.
  void take_colon() {
    auto end = text::skip_python_space(prompt_, at_ + 1);
    const auto number = end;
    if (end < prompt_.size() && (prompt_[end] == '+' || prompt_[end] == '-')) ++end;
    const auto digits = end;
    bool ascii = true;
    while (end < prompt_.size()) {
      const auto character = first_character(prompt_.substr(end));
      if (character.code != '.' && !text::is_decimal(character.code)) break;
      ascii = ascii && character.size == 1;
      end += character.size;
    }
    const auto close_at = text::skip_python_space(prompt_, end);
    if (end == digits || close_at == prompt_.size() || prompt_[close_at] != ')') {
      take_text(1);
      return;
    }
    const auto size = close_at + 1 - at_;
    const auto weight = prompt_.substr(number, end - number);
    const auto points = std::count(weight.begin(), weight.end(), '.');
    const bool is_number = ascii && points <= 1 && std::size_t(points) < end - digits;
    if (!round_.empty() && !is_number) {
      text::refuse_prompt(kA1111Place, "a weight in digits with at most one point", weight);
    }
    close(round_, round_.empty() ? 1 : text::python_float(weight), size);
  }

  /// Text as it stands, except for the word BREAK and the white space around it.
  void take_text(std::size_t size) {
    const auto piece = prompt_.substr(at_, size);
    at_ += size;
    std::size_t from = 0;
    for (auto word = text::find_word(piece, kBreak); word != piece.npos;
         word = text::find_word(piece, kBreak, from)) {
      pieces_.push_back({std::string(without_space_at_end(piece.substr(from, word - from)))});
      pieces_.push_back({std::string(kBreak), -1});
      from = text::skip_python_space(piece, word + kBreak.size());
    }
    pieces_.push_back({std::string(piece.substr(from))});
  }

  static std::string_view without_space_at_end(std::string_view piece) {
    while (!piece.empty()) {
      auto last = piece.size() - 1;
      while (last > 0 && (piece[last] & 0xc0) == 0x80) --last;
      if (!text::is_python_space(first_character(piece.substr(last)).code)) break;
      piece = piece.substr(0, last);
    }
    return piece;
  }

  /// Each piece is multiplied once for every bracket around it, of which there are few.
  void multiply_from(std::size_t start, double multiplier) {
    for (auto i = start; i < pieces_.size(); ++i) pieces_[i].weight *= multiplier;
  }

  /// Neighbours of equal weight are one. A BREAK is one only if no bracket changed its weight.
  std::vector<PromptFragment> merged() {
    std::vector<PromptFragment> fragments;
    for (auto& piece : pieces_) {
      text::check_weight(kA1111Place, piece.weight, piece.text);
      if (!fragments.empty() && fragments.back().weight == piece.weight) {
        fragments.back().text += piece.text;
      } else {
        fragments.push_back(std::move(piece));
      }
    }
    for (auto& fragment : fragments) {
      fragment.is_break = fragment.text == kBreak && fragment.weight == -1;
    }
    return fragments;
  }

  std::string_view prompt_;
  std::size_t at_ = 0;
  std::vector<PromptFragment> pieces_;
  // The piece that each open bracket begins with.
  std::vector<std::size_t> round_, square_;
};

}  // namespace

std::vector<PromptFragment> parse_a1111_prompt(std::string_view prompt) {
  text::check_prompt(kA1111Place, prompt);
  text::refuse_unsupported_a1111(kA1111Place, prompt);
  return A1111Reader(prompt).read();
}

}  // namespace xattn
