// xattn convert IN OUT.safetensors: any readable format to safetensors. xattn convert DIR OUT_DIR:
// a model's folder to one with safetensors of another dtype or other shards.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "commands.h"
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
  // Of a folder.
  std::string variant, dtype = "float32";
  SavePretrainedOptions save;
};

int convert_folder(const ConvertOptions& options) {
  std::error_code error;
  if (std::filesystem::equivalent(options.input, options.output, error)) {
    throw UsageError("OUT: expected another folder than IN");
  }
  PretrainedOptions pretrained;
  pretrained.dtype = parse_dtype(options.dtype);
  pretrained.variant = options.variant;
  const auto model = open_pretrained(options.input, pretrained);
  save_pretrained(model, options.output, options.save);
  fmt::print("{}: {} from {}\n", options.output, class_name_of(model), options.input);
  return kDone;
}

int convert(const ConvertOptions& options) {
  if (std::filesystem::is_directory(options.input)) return convert_folder(options);
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
  command->add_option("--dtype", options->dtype,
                      "to write of a folder: float32, float16, bfloat16 or float64");
  command->add_option("--output-variant", options->save.variant,
                      "in the names of the files of a folder: fp16");
  command
      ->add_option("--max-shard-size", options->save.max_shard_size, "bytes in a file of a folder")
      ->check(CLI::PositiveNumber);
  return [options] { return convert(*options); };
}

}  // namespace xattn::apps
