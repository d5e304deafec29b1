#include "support/module_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <vector>

#include "io/mistaken.h"
#include "xattn/core/error.h"

namespace xattn::apps {
namespace {

/// What stands before `suffix`, where the name ends with it and that is a prefix of its own.
std::vector<std::string> prefixes_of(const Checkpoint& checkpoint, std::string_view suffix) {
  std::vector<std::string> prefixes;
  for (const auto& item : checkpoint.tensors) {
    const auto& name = item.key();
    if (!name.ends_with(suffix)) continue;
    const auto prefix = name.substr(0, name.size() - suffix.size());
    if (prefix.empty() || prefix.ends_with('.')) prefixes.push_back(prefix);
  }
  return prefixes;
}

}  // namespace

Checkpoint load_module_file(const std::string& path) {
  auto checkpoint = load_checkpoint(path);
  auto prefixes = prefixes_of(checkpoint, "downsample.weight");
  if (prefixes.empty()) prefixes = prefixes_of(checkpoint, "query_proj.weight");
  for (const auto& item : checkpoint.tensors) {
    const auto mistake = io::mistaken_tensor(item.key());
    if (prefixes.empty() && !mistake.empty())
      throw ValueError(fmt::format("[model] {}: {}", path, mistake));
  }
  if (prefixes.size() != 1) {
    throw ValueError(fmt::format(
        "[model] {}: expected the tensors of one CrossAttention (query_proj.weight, …) or one "
        "SimpleUNet (downsample.weight, …), got {}",
        path,
        prefixes.empty() ? "neither" : fmt::format("several: {}*", fmt::join(prefixes, "*, "))));
  }
  if (prefixes.front().empty()) return checkpoint;
  fmt::print(stderr, "using {}* of the {} tensors in {}\n", prefixes.front(),
             checkpoint.tensors.size(), path);
  return part_of(checkpoint, prefixes.front());
}

}  // namespace xattn::apps
