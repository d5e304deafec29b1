// xattn convert IN OUT.safetensors: any readable format to safetensors. xattn convert DIR OUT_DIR:
// a model's folder to one with safetensors of another dtype or other shards.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>

#include "commands.h"
#include "support/checks.h"
#include "support/dtype.h"
#include "support/program.h"
#include "xattn/io/checkpoint.h"
#include "xattn/io/safetensors.h"
#include "xattn/pretrained/any_model.h"

namespace xattn::apps {
namespace {

struct ConvertOptions {
  std::string input;
  std::string output;
  std::optional<at::ScalarType> dtype;
  // Of a folder.
  std::string variant;
  SavePretrainedOptions save;
};

int convert_folder(const ConvertOptions& options) {
  std::error_code error;
  if (std::filesystem::equivalent(options.input, options.output, error)) {
    throw UsageError("OUT: expected another folder than IN");
  }
  PretrainedOptions pretrained;
  pretrained.dtype = options.dtype.value_or(at::kFloat);
  pretrained.variant = options.variant;
  const auto model = open_pretrained(options.input, pretrained);
  save_pretrained(model, options.output, options.save);
  fmt::print("{}: {} from {}\n", options.output, class_name_of(model), options.input);
  return kDone;
}

int convert(const CLI::App& command, const ConvertOptions& options) {
  if (std::filesystem::is_directory(options.input)) return convert_folder(options);
  refuse_options(command, {"--variant", "--output-variant", "--max-shard-size"},
                 "a file, only a model's folder has it");
  check_output("OUT", options.output, {options.input});
  auto checkpoint = load_checkpoint(options.input);
  for (auto& item : checkpoint.tensors) {
    if (options.dtype && item.value().is_floating_point())
      item.value() = item.value().to(*options.dtype);
  }
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
  auto* command = program.add_subcommand(
      "convert",
      "Writes the tensors of any readable file, or the model of a folder, as "
      "safetensors.");
  command
      ->add_option("IN", options->input,
                   "TorchScript, torch.save or safetensors; or a folder that "
                   "save_pretrained wrote")
      ->required();
  command->add_option("OUT", options->output, "the safetensors file, or the folder, to write")
      ->required();
  command->add_option("--variant", options->variant, "of a folder's weights: fp16");
  add_dtype_option(*command, options->dtype,
                   "of the floating-point tensors; a folder's are float32 where not given, a "
                   "file's as they are");
  command->add_option("--output-variant", options->save.variant,
                      "in the names of the files of a folder: fp16");
  command
      ->add_option_function<std::string>(
          "--max-shard-size",
          [options](const std::string& text) {
            options->save.max_shard_size = parse_bytes("--max-shard-size", text);
          },
          "of tensors in a file of a folder: bytes, or 500KB, 2GB")
      ->type_name("SIZE");
  return [options, command] { return convert(*command, *options); };
}

}  // namespace xattn::apps
