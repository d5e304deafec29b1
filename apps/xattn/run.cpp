// xattn run MODEL --input IN.safetensors --output OUT.safetensors: one forward pass.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "commands.h"
#include "model.h"
#include "support/module_file.h"
#include "support/program.h"
#include "xattn/error.h"
#include "xattn/io/safetensors.h"

namespace xattn::apps {
namespace {

struct RunOptions {
  std::string model;
  std::string input;
  std::string output;
  ModelOptions model_options;
};

/// Every argument of forward must be there, and nothing else but a `text_mask`.
void check_inputs(const std::string& file, const StateDict& inputs, const Model& model) {
  const auto arguments = model.arguments();
  bool right = true;
  for (const auto& name : arguments) right &= inputs.contains(name);
  for (const auto& name : inputs.keys()) {
    right &= name == "text_mask" || std::count(arguments.begin(), arguments.end(), name) > 0;
  }
  if (!right) {
    throw ValueError(fmt::format("[run] {}: expected the tensors {} and at most text_mask, got {}",
                                 file, fmt::join(arguments, ", "), fmt::join(inputs.keys(), ", ")));
  }
}

int run(const RunOptions& options) {
  const auto model = make_model(load_module_file(options.model), options.model_options);
  const auto inputs = load_checkpoint(options.input).tensors;
  check_inputs(options.input, inputs, *model);
  StateDict outputs;
  outputs.insert("output", model->run(inputs));
  save_safetensors(options.output, outputs);
  fmt::print("{}\n{}: output [{}]\n", model->description(), options.output,
             fmt::join(outputs["output"].sizes(), ", "));
  return kDone;
}

}  // namespace

Command add_run(CLI::App& program) {
  auto options = std::make_shared<RunOptions>();
  auto* command =
      program.add_subcommand("run", "Runs a CrossAttention or SimpleUNet on tensors from a file.");
  command->add_option("MODEL", options->model, "weights: TorchScript, torch.save or safetensors")
      ->required();
  command->add_option("--input", options->input, "tensors named as forward's arguments")
      ->required();
  command->add_option("--output", options->output, "safetensors file to write, with `output`")
      ->required();
  command
      ->add_option("--heads", options->model_options.num_heads,
                   "heads, where the file does not know them")
      ->check(CLI::PositiveNumber);
  command
      ->add_option_function<std::string>(
          "--token-layout",
          [options](const std::string& name) {
            options->model_options.token_layout =
                name == "spatial" ? TokenLayout::kSpatial : TokenLayout::kReinterpret;
          },
          "how a SimpleUNet's latent is read as tokens, where the file does not know it")
      ->check(CLI::IsMember({"spatial", "reinterpret"}));
  return [options] { return run(*options); };
}

}  // namespace xattn::apps
