#include "scheduler_name.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "support/nearest_name.h"
#include "support/program.h"
#include "xattn/pretrained/open_scheduler.h"

namespace xattn::apps {
namespace {

std::string in_lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string without_end(std::string name, std::string_view end) {
  if (name.size() > end.size() && name.ends_with(end)) name.resize(name.size() - end.size());
  return name;
}

}  // namespace

std::string scheduler_class(const std::string& name) {
  const auto asked = in_lower_case(name);
  std::vector<std::string> names;
  for (const auto& full : scheduler_classes()) {
    const auto is_short = without_end(in_lower_case(full), "scheduler");
    const auto is_shortest = without_end(is_short, "discrete");
    if (asked == in_lower_case(full) || asked == is_short || asked == is_shortest) return full;
    names.push_back(is_shortest);
  }
  const auto meant = nearest_name(without_end(without_end(asked, "scheduler"), "discrete"), names);
  throw UsageError(fmt::format("--scheduler: expected {}, or a class's full name, got '{}'{}",
                               fmt::join(names, ", "), name,
                               meant.empty() ? "" : fmt::format("; did you mean {}?", meant)));
}

}  // namespace xattn::apps
