// xattn inspect PATH: what is in a file of weights or of a picture, or the modules of a folder's
// model.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "commands.h"
#include "inspect_folder.h"
#include "inspect_picture.h"
#include "support/checks.h"
#include "support/program.h"
#include "xattn/io/checkpoint_info.h"

namespace xattn::apps {
namespace {

struct InspectOptions {
  std::string file, variant;
  bool json = false;
};

int64_t count(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (const auto size : shape) product *= size;
  return product;
}

nlohmann::ordered_json to_json(const Attribute& attribute) {
  return std::visit(
      [](const auto& value) -> nlohmann::ordered_json {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::monostate>) {
          return nullptr;
        } else {
          return value;
        }
      },
      attribute);
}

void print_json(const std::string& file, const CheckpointInfo& info) {
  nlohmann::ordered_json document = {{"file", file},
                                     {"format", std::string(to_string(info.format))},
                                     {"attributes", nlohmann::ordered_json::object()},
                                     {"tensors", nlohmann::ordered_json::array()}};
  for (const auto& [name, value] : info.attributes) document["attributes"][name] = to_json(value);
  for (const auto& tensor : info.tensors) {
    document["tensors"].push_back(
        {{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}});
  }
  // Strings of a file need not be UTF-8.
  fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_text(const std::string& file, const CheckpointInfo& info) {
  size_t width = 4;
  int64_t total = 0;
  for (const auto& tensor : info.tensors) {
    width = std::max(width, tensor.name.size());
    total += count(tensor.shape);
  }
  for (const auto& [name, value] : info.attributes) width = std::max(width, name.size());
  fmt::print("{}: {}, {} tensors, {} values\n", file, to_string(info.format), info.tensors.size(),
             total);
  if (!info.tensors.empty())
    fmt::print("\n{:<{}}  {:<10}  {}\n", "tensor", width, "dtype", "shape");
  for (const auto& tensor : info.tensors) {
    fmt::print("{:<{}}  {:<10}  [{}]\n", tensor.name, width, tensor.dtype,
               fmt::join(tensor.shape, ", "));
  }
  if (!info.attributes.empty()) fmt::print("\n{:<{}}  value\n", "attribute", width);
  for (const auto& [name, value] : info.attributes) {
    fmt::print("{:<{}}  {}\n", name, width, to_string(value));
  }
}

}  // namespace

Command add_inspect(CLI::App& program) {
  auto options = std::make_shared<InspectOptions>();
  auto* command = program.add_subcommand(
      "inspect",
      "Lists the tensors and attributes in a file of weights, the modules of a folder's model, or "
      "what a picture was made with.");
  command
      ->add_option(
          "FILE", options->file,
          "TorchScript, torch.save or safetensors; a PNG; or a folder that save_pretrained "
          "wrote")
      ->required();
  command->add_option("--variant", options->variant, "of a folder's weights: fp16");
  command->add_flag("--json", options->json, "print JSON");
  return [options, command] {
    if (std::filesystem::is_directory(options->file)) {
      inspect_folder(options->file, options->variant, options->json);
      return kDone;
    }
    refuse_options(*command, {"--variant"}, "a file, only a model's folder has it");
    if (is_png(options->file)) {
      inspect_picture(options->file, options->json);
      return kDone;
    }
    const auto info = inspect_checkpoint(options->file);
    options->json ? print_json(options->file, info) : print_text(options->file, info);
    return kDone;
  };
}

}  // namespace xattn::apps
