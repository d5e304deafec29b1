#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace xattn::text {

/// A word as ids of its tokens, and how often the texts have it.
struct CountedWord {
  std::vector<std::int32_t> ids;
  std::int64_t count = 0;
};

/// Pairs of ids, in the order in which they are merged, and the tokens that they make.
struct LearnedMerges {
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
  std::vector<std::string> tokens;
};

/// Merges the most frequent pair of neighbours, again and again, until there are `most_tokens`
/// tokens or no pair is `least_count` times in the words. Of equally frequent pairs the one with
/// the lower ids is first. `tokens` are those that the words' ids count.
LearnedMerges learn_merges(std::vector<CountedWord> words, std::vector<std::string> tokens,
                           std::size_t most_tokens, std::int64_t least_count);

}  // namespace xattn::text
