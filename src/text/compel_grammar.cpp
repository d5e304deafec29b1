// The original's grammar, which is tried in this order and never goes back on what it has matched:
//
//     whole      several ".and" options | several ".blend" options END | free* END
//     several    "(" text ("," text)* ")"         text: target, or quotes around free*
//     free       swap | lora | weighted | quoted | round | what is not white space
//     weighted   target ".attend" "(" weight ")" | quoted or round, weight | word, signs
//     target     quoted | round | word
//     round      "(" inner* ")"                   quoted: '"' inner* '"', escapes taken away
//     inner      lora | weighted | swap | round | quoted | word | "," | "."
//     word       escapes and characters without a meaning; "+" and "-" before one of these
//     weight     signs | number                   signs: "+"s or "-"s
//
// White space may stand before every part, except between a target and its signs. The original
// tries what is in a parenthesis anew for each rule, in time exponential in their depth. Here each
// rule keeps what it found at a place.
#include "text/compel_grammar.h"

#include <array>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/text.h"
#include "core/utf8.h"
#include "text/compel_lexer.h"
#include "text/prompt_text.h"
#include "xattn/core/error.h"

namespace xattn::text {
namespace {

using Kind = CompelNode::Kind;

constexpr double kPlusBase = 1.1, kMinusBase = 0.9;

/// Where a rule's match ends, and its node.
struct Match {
  std::size_t end = 0;
  std::size_t node = 0;
};
using MaybeMatch = std::optional<Match>;

/// The grammar on one text: a prompt, or what stands in quotes.
class CompelGrammar {
 public:
  CompelGrammar(std::string_view place, std::string_view text, CompelTree& tree, std::size_t depth)
      : place_(place), text_(text), tree_(tree), depth_(depth) {}

  void whole() {
    if (several(".and", CompelTree::Kind::kAnd) || several(".add", CompelTree::Kind::kAnd)) return;
    if (several(".blend", CompelTree::Kind::kBlend)) return;
    tree_.texts.push_back(free_text());
  }

  /// All of a text that parentheses may hold; nothing where a part of it is not.
  std::optional<std::vector<std::size_t>> all_inner() {
    auto [end, children] = inner(0, true);
    if (skip_white(text_, end) != text_.size()) return std::nullopt;
    return std::move(children);
  }

  /// All of a text, whatever it is.
  std::vector<std::size_t> free_text() {
    std::vector<std::size_t> nodes;
    for (auto at = skip_white(text_, 0); at < text_.size(); at = skip_white(text_, at)) {
      const auto found = first_of(at, {kSwap, kLora, kWeighted, kQuoted, kRound});
      if (found) {
        nodes.push_back(found->node);
        at = found->end;
        continue;
      }
      const auto start = at;
      while (at < text_.size() && !is_white(text_[at])) ++at;
      nodes.push_back(add_words(text_.substr(start, at - start)));
    }
    return nodes;
  }

 private:
  enum Rule { kWord, kQuoted, kRound, kWeighted, kSwap, kLora, kRules };

  std::size_t add(CompelNode node) {
    tree_.nodes.push_back(std::move(node));
    return tree_.nodes.size() - 1;
  }
  std::size_t add_words(std::string_view words) {
    return add({Kind::kWords, std::string(words), 1, {}});
  }

  MaybeMatch first_of(std::size_t at, std::initializer_list<Rule> rules) {
    for (const auto rule : rules) {
      if (auto found = match(rule, at)) return found;
    }
    return std::nullopt;
  }

  MaybeMatch match(Rule rule, std::size_t at) {
    at = skip_white(text_, at);
    if (const auto known = known_[rule].find(at); known != known_[rule].end()) return known->second;
    const auto found = match_anew(rule, at);
    known_[rule].emplace(at, found);
    return found;
  }

  MaybeMatch match_anew(Rule rule, std::size_t at) {
    switch (rule) {
      case kWord:
        return word(at);
      case kQuoted:
        return quoted(at);
      case kRound:
        return round(at);
      case kWeighted:
        return weighted(at);
      case kSwap:
        return swap(at);
      default:
        return lora(at);
    }
  }

  MaybeMatch target(std::size_t at) { return first_of(at, {kQuoted, kRound, kWord}); }

  MaybeMatch word(std::size_t at) {
    const auto end = word_end(text_, at);
    if (end == at) return std::nullopt;
    return Match{end, add_words(text_.substr(at, end - at))};
  }

  MaybeMatch round(std::size_t at) {
    if (at >= text_.size() || text_[at] != '(') return std::nullopt;
    auto [inner_end, children] = nested(at + 1, true);
    const auto end = literal(text_, inner_end, ")");
    if (!end) return std::nullopt;
    return Match{*end, add({Kind::kGroup, {}, 1, std::move(children)})};
  }

  /// What parentheses hold, of which there may be only so many around it.
  std::pair<std::size_t, std::vector<std::size_t>> nested(std::size_t at, bool with_commas) {
    if (depth_ == kDeepestBrackets) {
      refuse_prompt(place_, cat("at most ", kDeepestBrackets, " nested parentheses"),
                    text_.substr(at - 1));
    }
    ++depth_;
    auto found = inner(at, with_commas);
    --depth_;
    return found;
  }

  std::pair<std::size_t, std::vector<std::size_t>> inner(std::size_t at, bool with_commas) {
    std::vector<std::size_t> children;
    while (true) {
      at = skip_white(text_, at);
      if (const auto found = first_of(at, {kLora, kWeighted, kSwap, kRound, kQuoted, kWord})) {
        children.push_back(found->node);
        at = found->end;
      } else if (with_commas && at < text_.size() && (text_[at] == ',' || text_[at] == '.')) {
        children.push_back(add_words(text_.substr(at++, 1)));
      } else {
        return {at, std::move(children)};
      }
    }
  }

  MaybeMatch quoted(std::size_t at) {
    if (at >= text_.size() || text_[at] != '"') return std::nullopt;
    const auto end = closing_quote(text_, at);
    if (!end) return std::nullopt;
    const auto content = unquoted(place_, text_.substr(at + 1, *end - at - 1));
    if (skip_python_space(content, 0) == content.size()) return Match{*end + 1, add_words("")};
    auto children = CompelGrammar(place_, content, tree_, depth_).all_inner();
    if (!children) return std::nullopt;
    return Match{*end + 1, add({Kind::kGroup, {}, 1, std::move(*children)})};
  }

  /// Quotes around any text, for `.and()` and `.blend()`.
  MaybeMatch quoted_free(std::size_t at) {
    at = skip_white(text_, at);
    if (at >= text_.size() || text_[at] != '"') return std::nullopt;
    const auto end = closing_quote(text_, at);
    if (!end) return std::nullopt;
    const auto content = unquoted(place_, text_.substr(at + 1, *end - at - 1));
    auto nodes = CompelGrammar(place_, content, tree_, depth_).free_text();
    return Match{*end + 1, add({Kind::kGroup, {}, 1, std::move(nodes)})};
  }

  /// The weight at `at`, and where it ends; `at` is after white space that is allowed.
  std::optional<std::pair<std::size_t, double>> weight(std::size_t at, bool only_signs) const {
    if (at >= text_.size()) return std::nullopt;
    if (text_[at] == '+' || text_[at] == '-') {
      auto end = at;
      while (end < text_.size() && text_[end] == text_[at]) ++end;
      const double base = text_[at] == '+' ? kPlusBase : kMinusBase;
      return std::pair(end, std::pow(base, static_cast<double>(end - at)));
    }
    if (only_signs) return std::nullopt;
    const auto end = number_end(place_, text_, at);
    if (!end) return std::nullopt;
    return std::pair(*end, python_float(text_.substr(at, *end - at)));
  }

  MaybeMatch weighted(std::size_t at) {
    const auto found = target(at);
    if (!found) return std::nullopt;
    if (const auto called = call(text_, found->end, ".attend")) {
      const auto number = weight(skip_white(text_, *called), false);
      const auto end = number ? literal(text_, number->first, ")") : std::nullopt;
      if (end) return Match{*end, add({Kind::kWeighted, {}, number->second, {found->node}})};
    }
    const bool is_word = text_[at] != '"' && text_[at] != '(';
    const auto number = weight(found->end, is_word);
    if (!number) return std::nullopt;
    return Match{number->first, add({Kind::kWeighted, {}, number->second, {found->node}})};
  }

  MaybeMatch swap(std::size_t at) {
    const auto found = target(at);
    const auto called = found ? call(text_, found->end, ".swap") : std::nullopt;
    if (!called) return std::nullopt;
    auto end = nested(*called, false).first;
    if (const auto comma = literal(text_, end, ",")) end = options(place_, text_, *comma).end;
    const auto closed = literal(text_, end, ")");
    if (!closed) return std::nullopt;
    return Match{*closed, add({Kind::kSwap, std::string(text_.substr(at, *closed - at)), 1, {}})};
  }

  MaybeMatch lora(std::size_t at) {
    auto called = call(text_, at, "useLora");
    if (!called) called = call(text_, at, "withLora");
    const auto name = called ? keyword_end(text_, *called) : std::nullopt;
    if (!name) return std::nullopt;
    auto end = *name;
    if (const auto comma = literal(text_, end, ",")) {
      if (const auto number = number_end(place_, text_, skip_white(text_, *comma))) end = *number;
    }
    const auto closed = literal(text_, end, ")");
    if (!closed) return std::nullopt;
    return Match{*closed, add({Kind::kLora, std::string(text_.substr(at, *closed - at)), 1, {}})};
  }

  /// `("one", "other").name(options)` as the whole prompt; nothing is changed where it is not.
  bool several(std::string_view name, CompelTree::Kind kind) {
    std::vector<std::vector<std::size_t>> texts;
    ++depth_;
    const auto at = list(texts);
    --depth_;
    const auto closed = at ? literal(text_, *at, ")") : std::nullopt;
    const auto called = closed ? call(text_, *closed, name) : std::nullopt;
    if (!called) return false;
    const auto given = options(place_, text_, *called);
    const auto end = literal(text_, given.end, ")");
    if (!end) return false;
    tree_.kind = kind;
    tree_.texts = std::move(texts);
    read_weights(name, given.values);
    if (const auto rest = skip_white(text_, *end); rest != text_.size()) {
      refuse_prompt(place_, cat("nothing after ", name, "(…)"), text_.substr(rest));
    }
    return true;
  }

  /// What stands between the parentheses of several texts, and where it ends.
  std::optional<std::size_t> list(std::vector<std::vector<std::size_t>>& texts) {
    auto at = literal(text_, 0, "(");
    while (at) {
      auto found = target(*at);
      if (!found) found = quoted_free(*at);
      if (!found) return std::nullopt;
      texts.push_back({found->node});
      at = literal(text_, found->end, ",");
      if (!at) return found->end;
    }
    return std::nullopt;
  }

  void read_weights(std::string_view name, std::vector<std::string_view> values) {
    if (tree_.kind == CompelTree::Kind::kBlend && !values.empty() &&
        values.back() == "no_normalize") {
      tree_.normalize = false;
      values.pop_back();
    }
    for (const auto value : values) {
      if (number_end(place_, value, 0) != value.size()) {
        refuse_prompt(place_, cat("numbers in ", name, "(…)"), value);
      }
      tree_.weights.push_back(python_float(value));
    }
    if (!values.empty() && values.size() != tree_.texts.size()) {
      throw ValueError(cat('[', place_, "] weights of ", name, "(…): expected ", tree_.texts.size(),
                           ", as many as texts, got ", values.size()));
    }
  }

  std::string_view place_, text_;
  CompelTree& tree_;
  std::size_t depth_;
  std::array<std::unordered_map<std::size_t, MaybeMatch>, kRules> known_;
};

}  // namespace

CompelTree read_compel(std::string_view place, std::string_view prompt) {
  // White space is the same to the grammar, except that quotes end with their line.
  std::string text;
  text.reserve(prompt.size() + prompt.size() / 8);
  for (std::size_t at = 0; at < prompt.size(); ++at) {
    const char c = prompt[at];
    text += c == '\t' || c == '\v' || c == '\f' ? ' ' : c;
    // After each comma comes white space, except in a run of commas, where it is after every other.
    if (c != ',' || at + 1 == prompt.size()) continue;
    const auto next = first_character(prompt.substr(at + 1));
    if (is_python_space(next.code)) continue;
    text += ' ';
    text += prompt.substr(at + 1, next.size);
    at += next.size;
  }
  CompelTree tree;
  CompelGrammar(place, text, tree, 0).whole();
  return tree;
}

}  // namespace xattn::text
