#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace xattn::io {

/// Counts the names that would share a bucket in the hash table of a `StateDict`.
///
/// `std::hash` has no secret: a file can choose its names so that each new one is compared with all
/// before it, and reading takes the square of their number. The table is never filled: it tells the
/// bucket of each name in one of the same kind, for which as much was reserved.
class HashBuckets {
 public:
  /// In a table with a bucket a name, more come together in one of ten billion files of 100,000
  /// names. Few, so that what is let through is read in time.
  static constexpr std::uint32_t kMostNames = 16;
  static constexpr std::string_view kProblem =
      "expected names that a hash table spreads, got more than 16 in one of its buckets: they were "
      "chosen to take time";

  explicit HashBuckets(std::size_t names) {
    table_.reserve(names);
    counts_.resize(table_.bucket_count());
  }

  /// Takes note of a name; false where its bucket is full.
  bool add(const std::string& name) { return ++counts_[table_.bucket(name)] <= kMostNames; }

 private:
  std::unordered_map<std::string, std::size_t> table_;
  std::vector<std::uint32_t> counts_;
};

}  // namespace xattn::io
