// From the tree of a prompt to fragments: weights are multiplied from the outside in, and
// neighbours of equal weight become one.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/text.h"
#include "text/compel_grammar.h"
#include "text/prompt_text.h"
#include "xattn/core/error.h"
#include "xattn/text/prompt_syntax.h"

namespace xattn {
namespace {

constexpr const char* kCompelPlace = "parse_compel_prompt";

/// Whoever makes a fragment in the original takes one backslash away before each parenthesis and
/// quote: a word that was made `times` over has lost as many.
void append_unescaped(std::string& to, std::string_view words, std::size_t times) {
  for (std::size_t at = 0; at < words.size();) {
    const auto sign = std::min(words.find_first_of("()\"", at), words.size());
    auto end = sign;
    if (sign < words.size()) {
      for (std::size_t i = 0; i < times && end > at && words[end - 1] == '\\'; ++i) --end;
    }
    to += words.substr(at, end - at);
    if (sign < words.size()) to += words[sign];
    at = sign + 1;
  }
}

class CompelText {
 public:
  explicit CompelText(const std::vector<text::CompelNode>& nodes) : nodes_(nodes) {}

  std::vector<PromptFragment> of(const std::vector<std::size_t>& top) {
    for (const auto node : top) take(nodes_[node], 1);
    end_run();
    return std::move(fragments_);
  }

 private:
  using Node = text::CompelNode;

  void take(const Node& node, double weight) {
    switch (node.kind) {
      case Node::Kind::kWords:
        if (weight != weight_) end_run();
        weight_ = weight;
        run_.push_back(&node.words);
        return;
      case Node::Kind::kSwap:
        text::refuse_prompt(kCompelPlace, "no .swap(), which changes the attention of a model",
                            node.words);
      case Node::Kind::kLora:
        text::refuse_prompt(kCompelPlace, "no withLora() or useLora()", node.words);
      case Node::Kind::kGroup:
      case Node::Kind::kWeighted:
        for (const auto child : node.children) take(nodes_[child], weight * node.weight);
    }
  }

  void end_run() {
    if (run_.empty()) return;
    std::string words;
    for (std::size_t i = 0; i < run_.size(); ++i) {
      if (i > 0) words += ' ';
      // Made twice, and once more each time that a neighbour joined it.
      append_unescaped(words, *run_[i], 2 + run_.size() - std::max<std::size_t>(i, 1));
    }
    text::check_weight(kCompelPlace, weight_, words);
    fragments_.push_back({std::move(words), weight_});
    run_.clear();
  }

  const std::vector<Node>& nodes_;
  // The words since the weight changed, and that weight.
  std::vector<const std::string*> run_;
  double weight_ = 1;
  std::vector<PromptFragment> fragments_;
};

double checked(double weight, std::string_view words) {
  text::check_weight(kCompelPlace, weight, words);
  return weight;
}

/// The parts of `.blend()`: one, with all of the texts.
std::vector<CompelPart> blend_of(const text::CompelTree& tree) {
  CompelPart part;
  part.normalize = tree.normalize;
  part.blend_weights = tree.weights;
  if (tree.weights.empty()) part.blend_weights.assign(tree.texts.size(), 1);
  double sum = 0;
  for (const double weight : part.blend_weights) sum += checked(weight, ".blend(…)");
  if (tree.normalize && sum == 0) {
    throw ValueError(
        cat('[', kCompelPlace, "] weights of .blend(…): expected a sum that is not 0, got 0"));
  }
  for (const auto& nodes : tree.texts) {
    part.texts.push_back(CompelText(tree.nodes).of(nodes));
    if (part.texts.back().empty()) {
      text::refuse_prompt(kCompelPlace, "words in every text of .blend(…)", "()");
    }
  }
  return {std::move(part)};
}

}  // namespace

std::vector<CompelPart> parse_compel_prompt(std::string_view prompt) {
  text::check_prompt(kCompelPlace, prompt);
  if (text::skip_python_space(prompt, 0) == prompt.size()) prompt = "";
  const auto tree = text::read_compel(kCompelPlace, prompt);
  if (tree.kind == text::CompelTree::Kind::kBlend) return blend_of(tree);
  std::vector<CompelPart> parts;
  for (std::size_t i = 0; i < tree.texts.size(); ++i) {
    auto fragments = CompelText(tree.nodes).of(tree.texts[i]);
    const double weight = checked(tree.weights.empty() ? 1 : tree.weights[i], ".and(…)");
    // As in the original, empty parentheses are no part.
    if (!fragments.empty()) parts.push_back({{std::move(fragments)}, {}, true, weight});
  }
  if (parts.empty()) parts.push_back({{{PromptFragment()}}, {}, true, 1});
  return parts;
}

}  // namespace xattn
