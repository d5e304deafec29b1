#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/subject.h"

namespace xattn::text {

/// Ordered: a file chooses the tokens, and could choose them to collide in a table of hashes.
using Vocabulary = std::map<std::string, std::int32_t, std::less<>>;
using Merges = std::vector<std::pair<std::string, std::string>>;

/// Merges the bytes of a word, the last of which is marked `</w>`, pair by pair: of all neighbours
/// that the merges name, those named first, the leftmost first.
class BytePairEncoding {
 public:
  static constexpr std::string_view kEndOfWord = "</w>";

  /// `unk_token` stands for bytes that the vocabulary lacks; -1 where it lacks that too. Errors are
  /// about the merges' file.
  BytePairEncoding(const Vocabulary& vocabulary, const Merges& merges, std::int32_t unk_token,
                   const io::Subject& merges_file);

  /// Appends the ids of a word, which is not empty.
  void append_ids(std::string_view word, std::vector<std::int64_t>& ids) const;

 private:
  struct Merge {
    std::int32_t rank;
    std::int32_t id;
  };

  const Merge* find_merge(std::int32_t left, std::int32_t right) const;

  std::array<std::int32_t, 256> byte_ids_, last_byte_ids_;
  /// Hashes with a secret of the process, which no file knows.
  struct PairHash {
    std::size_t operator()(std::uint64_t pair) const;
  };
  std::unordered_map<std::uint64_t, Merge, PairHash> merges_;
};

}  // namespace xattn::text
