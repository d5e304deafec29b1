// xattn convert IN OUT.safetensors: any readable format to safetensors.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "commands.h"
#include "support/program.h"
#include "xattn/io/checkpoint.h"
#include "xattn/io/safetensors.h"

namespace xattn::apps {
namespace {

struct ConvertOptions {
  std::string input;
  std::string output;
};

int convert(const ConvertOptions& options) {
  const auto checkpoint = load_checkpoint(options.input);
  std::map<std::string, std::string> metadata;
  for (const auto& [name, value] : checkpoint.attributes) metadata[name] = to_string(value);
  save_safetensors(options.output, checkpoint.tensors, metadata);
  fmt::print("{}: {} tensors and {} attributes from {} ({})\n", options.output,
             checkpoint.tensors.size(), metadata.size(), options.input,
             to_string(checkpoint.format));
  return kDone;
}

}  // namespace

Command add_convert(CLI::App& program) {
  auto options = std::make_shared<ConvertOptions>();
  auto* command =
      program.add_subcommand("convert", "Writes the tensors of any readable file as safetensors.");
  command->add_option("IN", options->input, "TorchScript, torch.save or safetensors")->required();
  command->add_option("OUT", options->output, "the safetensors file to write")->required();
  return [options] { return convert(*options); };
}

}  // namespace xattn::apps
