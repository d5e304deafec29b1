#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace xattn::text {

/// A part of a compel prompt, before its weights are multiplied out.
struct CompelNode {
  enum class Kind {
    kWords,     // text as it stands
    kGroup,     // what parentheses or quotes hold
    kWeighted,  // one child and a weight
    kSwap,
    kLora,
  };

  Kind kind = Kind::kWords;
  std::string words;
  double weight = 1;
  std::vector<std::size_t> children;
};

/// A whole prompt. Nodes are numbered; those of attempts that failed are among them.
struct CompelTree {
  enum class Kind { kOne, kBlend, kAnd };

  std::vector<CompelNode> nodes;
  Kind kind = Kind::kOne;
  /// The nodes of each text.
  std::vector<std::vector<std::size_t>> texts;
  /// Of `.blend()` and `.and()`: empty, or one for each text.
  std::vector<double> weights;
  bool normalize = true;
};

/// Reads a prompt by the original's grammar, in time proportional to its length.
///
/// Throws: `ValueError`, see `parse_compel_prompt`.
CompelTree read_compel(std::string_view place, std::string_view prompt);

}  // namespace xattn::text
