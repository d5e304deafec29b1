#include "support/nearest_name.h"

#include <algorithm>
#include <numeric>

namespace xattn::apps {
namespace {

/// Levenshtein's: how many letters must be changed, added or removed.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const auto changed = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_name(const std::string& text, const std::vector<std::string>& names) {
  constexpr size_t kLongest = 64;
  if (text.empty() || text.size() > kLongest) return {};
  std::string nearest;
  size_t least = std::max<size_t>(text.size() / 3, 1) + 1;
  for (const auto& name : names) {
    const bool is_begun = text.size() >= 3 && name.starts_with(text);
    const auto letters = is_begun ? 0 : distance(text, name);
    if (letters >= least) continue;
    least = letters;
    nearest = name;
  }
  return nearest;
}

}  // namespace xattn::apps
