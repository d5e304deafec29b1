#include "support/plan.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "xattn/io/plan_file.h"

namespace xattn::apps {

CLI::Option* add_plan_option(CLI::App& command, std::optional<std::string>& path) {
  return command.add_option(
      "--plan", path,
      "a file that --tune wrote on this machine: which algorithm each layer takes, "
      "of float32 on the CPU");
}

CLI::Option* add_tune_option(CLI::App& command, std::optional<std::string>& path,
                             const std::string& description) {
  return command.add_option("--tune", path, description);
}

Plan followed_plan(const std::optional<std::string>& path) {
  return path ? load_plan(*path) : Plan();
}

nlohmann::ordered_json layers_json(const Plan& plan) {
  auto layers = nlohmann::ordered_json::array();
  for (const auto& [name, choice] : plan.layers) {
    if (choice.uses == 0) continue;
    layers.push_back({{"layer", name}, {"algorithm", choice.algorithm}, {"uses", choice.uses}});
    for (const auto& [algorithm, seconds] : choice.seconds) {
      layers.back()["milliseconds"][algorithm] = 1e3 * seconds;
    }
  }
  return layers;
}

std::string layers_table(const Plan& plan) {
  size_t width = 0;
  for (const auto& [name, choice] : plan.layers) width = std::max(width, name.size());
  std::string lines;
  for (const auto& [name, choice] : plan.layers) {
    if (choice.uses == 0) continue;
    std::vector<std::pair<double, std::string>> fastest;
    for (const auto& [algorithm, seconds] : choice.seconds)
      fastest.emplace_back(seconds, algorithm);
    std::sort(fastest.begin(), fastest.end());
    lines += fmt::format("  {:<{}}", name, width);
    if (fastest.empty()) lines += "  " + choice.algorithm;
    for (const auto& [seconds, algorithm] : fastest) {
      lines += fmt::format("  {} {:.3g} ms", algorithm, 1e3 * seconds);
    }
    lines += "\n";
  }
  return lines;
}

}  // namespace xattn::apps
