#include "inspect_folder.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <vector>

#include "folder_model.h"

namespace xattn::apps {
namespace {

/// A module and how deep it lies; its parameters are counted once, whatever their number of names.
struct Node {
  std::string name;
  const torch::nn::Module* module;
  size_t depth;
};

int64_t count_parameters(const torch::nn::Module& module) {
  std::set<const void*> seen;
  int64_t count = 0;
  for (const auto& parameter : module.parameters()) {
    if (parameter.defined() && seen.insert(parameter.unsafeGetTensorImpl()).second)
      count += parameter.numel();
  }
  return count;
}

void collect(const torch::nn::Module& module, size_t depth, std::vector<Node>& nodes) {
  for (const auto& child : module.named_children()) {
    nodes.push_back({child.key(), child.value().get(), depth});
    collect(*child.value(), depth + 1, nodes);
  }
}

nlohmann::ordered_json tree(const torch::nn::Module& module) {
  nlohmann::ordered_json node = {{"class", class_name_of(module)},
                                 {"parameters", count_parameters(module)}};
  for (const auto& child : module.named_children())
    node["children"][child.key()] = tree(*child.value());
  return node;
}

/// The class and, of a module without children, its options.
std::string description(const torch::nn::Module& module) {
  if (!module.children().empty()) return class_name_of(module);
  std::ostringstream stream;
  module.pretty_print(stream);
  const auto text = stream.str();
  const auto colon = text.substr(0, text.find('(')).rfind(':');
  return colon == text.npos ? text : text.substr(colon + 1);
}

std::string with_commas(int64_t count) {
  auto text = std::to_string(count);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

}  // namespace

void inspect_folder(const std::string& folder, const std::string& variant, bool json) {
  PretrainedOptions options;
  options.variant = variant;
  const FolderModel model(check_pretrained(folder, options));
  if (json) {
    nlohmann::ordered_json document = {{"folder", folder}};
    document.update(tree(*model.module));
    fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  std::vector<Node> nodes;
  collect(*model.module, 1, nodes);
  fmt::print("{}: {}, {} parameters\n", folder, model.class_name,
             with_commas(count_parameters(*model.module)));
  for (const auto& [name, module, depth] : nodes) {
    const auto left = fmt::format("{:{}}{}: {}", "", 2 * depth, name, description(*module));
    fmt::print("{:<88} {:>13}\n", left, with_commas(count_parameters(*module)));
  }
}

}  // namespace xattn::apps
