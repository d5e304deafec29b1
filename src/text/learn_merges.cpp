#include "text/learn_merges.h"

#include <algorithm>
#include <map>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace xattn::text {
namespace {

/// Two ids; as numbers, pairs are in the order of the left ids, then of the right ones.
using IdPair = std::uint64_t;

IdPair id_pair(std::int32_t left, std::int32_t right) {
  return (IdPair{static_cast<std::uint32_t>(left)} << 32) | static_cast<std::uint32_t>(right);
}
std::int32_t left_of(IdPair pair) {
  return static_cast<std::int32_t>(pair >> 32);
}
std::int32_t right_of(IdPair pair) {
  return static_cast<std::int32_t>(pair & 0xffffffffu);
}

struct IdPairHash {
  std::size_t operator()(IdPair pair) const {
    pair = (pair ^ (pair >> 31)) * 0x9e3779b97f4a7c15u;
    return pair ^ (pair >> 29);
  }
};

/// A pair as frequent as it was when it was noted.
struct NotedPair {
  std::int64_t count;
  IdPair pair;

  /// Whether the other is merged first.
  bool operator<(const NotedPair& other) const {
    return std::tie(count, other.pair) < std::tie(other.count, pair);
  }
};

class Learner {
 public:
  Learner(std::vector<CountedWord> words, std::vector<std::string> tokens)
      : words_(std::move(words)), tokens_(std::move(tokens)) {
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      ids_.emplace(tokens_[id], static_cast<std::int32_t>(id));
    }
    for (std::size_t word = 0; word < words_.size(); ++word) {
      const auto& ids = words_[word].ids;
      for (std::size_t at = 0; at + 1 < ids.size(); ++at) {
        add(id_pair(ids[at], ids[at + 1]), word, words_[word].count);
      }
    }
    note_grown();
  }

  LearnedMerges learn(std::size_t most_tokens, std::int64_t least_count) {
    std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
    std::unordered_set<IdPair, IdPairHash> merged;
    while (tokens_.size() < most_tokens && !queue_.empty()) {
      const auto top = queue_.top();
      queue_.pop();
      const auto count = occurrences_[top.pair].count;
      if (count != top.count) {
        // Counts that grew were noted again; those that shrank are noted now, when it matters.
        if (count > 0 && count < top.count) queue_.push({count, top.pair});
        continue;
      }
      if (count < std::max<std::int64_t>(least_count, 1)) break;
      // A pair may come back: where a token of its is made in a second way. Its merge is known.
      if (merged.insert(top.pair).second) pairs.emplace_back(left_of(top.pair), right_of(top.pair));
      merge(top.pair);
    }
    return {std::move(pairs), std::move(tokens_)};
  }

 private:
  struct Occurrences {
    std::int64_t count = 0;
    /// The words that have, or had, the pair; one may be named twice.
    std::vector<std::size_t> words;
  };

  void add(IdPair pair, std::size_t word, std::int64_t count) {
    auto& found = occurrences_[pair];
    found.count += count;
    if (found.words.empty() || found.words.back() != word) found.words.push_back(word);
    grown_.insert(pair);
  }

  void note_grown() {
    for (const auto pair : grown_) {
      if (const auto count = occurrences_[pair].count; count > 0) queue_.push({count, pair});
    }
    grown_.clear();
  }

  std::int32_t id_of_merged(IdPair pair) {
    auto token = tokens_[left_of(pair)] + tokens_[right_of(pair)];
    const auto [found, is_new] = ids_.emplace(token, static_cast<std::int32_t>(tokens_.size()));
    if (is_new) tokens_.push_back(std::move(token));
    return found->second;
  }

  void merge(IdPair pair) {
    const auto id = id_of_merged(pair);
    const auto words = std::move(occurrences_[pair].words);
    for (const auto word : words) merge_in(word, pair, id);
    occurrences_.erase(pair);
    grown_.erase(pair);
    note_grown();
  }

  /// Replaces the pair in a word, from the left, and counts the pairs that go and come.
  void merge_in(std::size_t word, IdPair pair, std::int32_t id) {
    auto& [ids, count] = words_[word];
    const auto left = left_of(pair), right = right_of(pair);
    std::size_t kept = 0;
    for (std::size_t at = 0; at < ids.size(); ++at) {
      if (at + 1 == ids.size() || ids[at] != left || ids[at + 1] != right) {
        ids[kept++] = ids[at];
        continue;
      }
      if (kept > 0) {
        occurrences_[id_pair(ids[kept - 1], left)].count -= count;
        add(id_pair(ids[kept - 1], id), word, count);
      }
      if (at + 2 < ids.size()) {
        occurrences_[id_pair(right, ids[at + 2])].count -= count;
        add(id_pair(id, ids[at + 2]), word, count);
      }
      ids[kept++] = id;
      ++at;
    }
    ids.resize(kept);
  }

  std::vector<CountedWord> words_;
  std::vector<std::string> tokens_;
  std::map<std::string, std::int32_t> ids_;  // ordered, as `Vocabulary` is
  std::unordered_map<IdPair, Occurrences, IdPairHash> occurrences_;
  std::unordered_set<IdPair, IdPairHash> grown_;
  std::priority_queue<NotedPair> queue_;
};

}  // namespace

LearnedMerges learn_merges(std::vector<CountedWord> words, std::vector<std::string> tokens,
                           std::size_t most_tokens, std::int64_t least_count) {
  return Learner(std::move(words), std::move(tokens)).learn(most_tokens, least_count);
}

}  // namespace xattn::text
