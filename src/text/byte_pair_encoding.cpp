#include "text/byte_pair_encoding.h"

#include <functional>
#include <queue>
#include <random>
#include <tuple>

#include "core/text.h"
#include "text/byte_level.h"

namespace xattn::text {
namespace {

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) |
         static_cast<std::uint32_t>(right);
}

/// A part of the word, in a list linked by indices. One that was merged into its left neighbour has
/// no id.
struct Symbol {
  std::int32_t id;
  std::int32_t left, right;
};
constexpr std::int32_t kNone = -1;

/// A merge that was possible when it was noted.
struct Candidate {
  std::int32_t rank;
  std::int32_t position;
  std::int32_t id;

  bool operator>(const Candidate& other) const {
    return std::tie(rank, position) > std::tie(other.rank, other.position);
  }
};

}  // namespace

BytePairEncoding::BytePairEncoding(const Vocabulary& vocabulary, const Merges& merges,
                                   std::int32_t unk_token, const io::Subject& merges_file) {
  const auto id_of = [&](const std::string& token) {
    const auto found = vocabulary.find(token);
    return found == vocabulary.end() ? kNone : found->second;
  };
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto& character = character_of_byte(static_cast<unsigned char>(byte));
    const auto middle = id_of(character), last = id_of(character + std::string(kEndOfWord));
    if (unk_token == kNone && (middle == kNone || last == kNone)) {
      merges_file.fail(cat("vocabulary: expected ", quote(character), " and ",
                           quote(character + std::string(kEndOfWord)),
                           ", or the unk token, got neither"));
    }
    byte_ids_[byte] = middle == kNone ? unk_token : middle;
    last_byte_ids_[byte] = last == kNone ? unk_token : last;
  }
  merges_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    for (const auto& token : {left, right, left + right}) {
      if (id_of(token) == kNone) {
        merges_file.fail(
            cat("merge ", rank, ": expected tokens of the vocabulary, got ", quote(token)));
      }
    }
    merges_[pair_key(id_of(left), id_of(right))] = {static_cast<std::int32_t>(rank),
                                                    id_of(left + right)};
  }
}

std::size_t BytePairEncoding::PairHash::operator()(std::uint64_t pair) const {
  static const auto secret = [] {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
  }();
  // The end of splitmix64.
  pair ^= secret;
  pair = (pair ^ (pair >> 30)) * 0xbf58476d1ce4e5b9u;
  pair = (pair ^ (pair >> 27)) * 0x94d049bb133111ebu;
  return pair ^ (pair >> 31);
}

const BytePairEncoding::Merge* BytePairEncoding::find_merge(std::int32_t left,
                                                            std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void BytePairEncoding::append_ids(std::string_view word, std::vector<std::int64_t>& ids) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (std::size_t at = 0; at < word.size(); ++at) {
    const auto byte = static_cast<unsigned char>(word[at]);
    const bool last = at + 1 == word.size();
    const auto id = last ? last_byte_ids_[byte] : byte_ids_[byte];
    const auto index = static_cast<std::int32_t>(at);
    symbols.push_back({id, index - 1, last ? kNone : index + 1});
  }

  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto note = [&](std::int32_t position) {
    if (position == kNone || symbols[position].right == kNone) return;
    const auto* merge = find_merge(symbols[position].id, symbols[symbols[position].right].id);
    if (merge) candidates.push({merge->rank, position, merge->id});
  };
  for (std::size_t at = 0; at < symbols.size(); ++at) note(static_cast<std::int32_t>(at));
  while (!candidates.empty()) {
    const auto candidate = candidates.top();
    candidates.pop();
    auto& left = symbols[candidate.position];
    if (left.id == kNone || left.right == kNone) continue;
    auto& right = symbols[left.right];
    const auto* merge = find_merge(left.id, right.id);
    if (!merge || merge->id != candidate.id) continue;  // its symbols have changed since
    left.id = merge->id;
    left.right = right.right;
    right.id = kNone;
    if (left.right != kNone) symbols[left.right].left = candidate.position;
    note(left.left);
    note(candidate.position);
  }
  for (std::int32_t at = 0; at != kNone; at = symbols[at].right) ids.push_back(symbols[at].id);
}

}  // namespace xattn::text
