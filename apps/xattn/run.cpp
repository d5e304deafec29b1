// xattn run MODEL --input IN.safetensors --output OUT.safetensors: one forward pass of a file's
// module, or of a folder's model.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "folder_model.h"
#include "model.h"
#include "ops/cpu/choice.h"
#include "ops/cpu/kernels.h"
#include "support/checks.h"
#include "support/device.h"
#include "support/dtype.h"
#include "support/module_file.h"
#include "support/plan.h"
#include "support/precision.h"
#include "support/process.h"
#include "support/program.h"
#include "xattn/core/error.h"
#include "xattn/io/plan_file.h"
#include "xattn/io/safetensors.h"
#include "xattn/ops/plan.h"

namespace xattn::apps {
namespace {

struct RunOptions {
  std::string model;
  std::string input;
  std::string output;
  // Of a file.
  ModelOptions model_options;
  // Of a folder.
  std::string method, variant;
  std::optional<at::ScalarType> weights_dtype;
  // Of both.
  std::optional<at::ScalarType> dtype;
  std::string device = "cpu";
  std::optional<Precision> precision;
  std::optional<std::string> plan, tune;
  int repeat = 1;
  bool json = false;
};

/// What is run, of a file or a folder.
struct RunTarget {
  std::string class_name, method, description;
  std::function<StateDict(const StateDict&)> call;
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

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

RunTarget open_folder(const RunOptions& options) {
  PretrainedOptions pretrained;
  pretrained.dtype = options.dtype.value_or(at::kFloat);
  pretrained.device = parse_device(options.device);
  pretrained.weights_dtype = options.weights_dtype;
  pretrained.variant = options.variant;
  const FolderModel model(open_pretrained(options.model, pretrained));
  const auto method = method_of(model, options.method);
  return {model.class_name, method.name, model.class_name + " " + method.name,
          [=, file = options.input](const StateDict& inputs) {
            return call_method(model, method, file, inputs);
          }};
}

RunTarget open_file(const RunOptions& options) {
  auto model_options = options.model_options;
  model_options.dtype = options.dtype;
  model_options.device = parse_device(options.device);
  const std::shared_ptr<Model> model = make_model(load_module_file(options.model), model_options);
  return {model->class_name(), "forward", model->description(),
          [=, file = options.input](const StateDict& inputs) {
            check_inputs(file, inputs, *model);
            StateDict outputs;
            outputs.insert("output", model->run(inputs));
            return outputs;
          }};
}

int run(const CLI::App& command, const RunOptions& options) {
  const bool is_folder = std::filesystem::is_directory(options.model);
  if (is_folder) {
    refuse_options(command, {"--heads", "--token-layout"},
                   "a folder, whose config.json knows them");
  } else {
    refuse_options(command, {"--method", "--variant", "--weights-dtype"},
                   "a file, only a model's folder has it");
  }
  check_output("--output", options.output, {options.model, options.input});

  if (options.tune) {
    check_output("--tune", *options.tune, {options.model, options.input, options.output});
  }
  const auto check = [&](const char* option, bool is_given) {
    check_float32_on_cpu(option, is_given, options.dtype.value_or(at::kFloat),
                         parse_device(options.device));
  };
  check("--weights-dtype", options.weights_dtype.has_value());
  check("--precision", options.precision.has_value());
  check("--plan", options.plan.has_value());
  check("--tune", options.tune.has_value());
  if (options.tune) try_out("save_plan", *options.tune);
  auto plan = followed_plan(options.plan);
  const UsePrecision use(options.precision.value_or(Precision::kFast));

  const auto resident_before = resident_bytes();
  const Stopwatch loading;
  const auto subject = is_folder ? open_folder(options) : open_file(options);
  const nlohmann::ordered_json load = {{"load_seconds", loading.seconds()},
                                       {"load_peak_bytes", peak_bytes() - resident_before}};
  const auto inputs = load_checkpoint(options.input).tensors;
  StateDict outputs;
  std::vector<double> seconds;
  const auto planning = options.tune ? Planning::kMeasure : Planning::kEstimate;
  for (int i = 0; i < options.repeat; ++i) {
    const Stopwatch running;
    const UsePlan use_plan(plan, planning);
    outputs = subject.call(inputs);
    seconds.push_back(running.seconds());
  }
  save_safetensors(options.output, outputs);
  if (options.tune) save_plan(*options.tune, plan);
  if (options.json) {
    nlohmann::ordered_json report = {{"class", subject.class_name}, {"method", subject.method}};
    report.update(load);
    report["kernels"] = cpu::use_kernels() ? cpu::kernels().name : "torch";
    report["layers"] = layers_json(plan);
    report["seconds"] = seconds;
    report["peak_bytes"] = peak_bytes();
    for (const auto& item : outputs) report["outputs"][item.key()] = item.value().sizes().vec();
    fmt::print("{}\n", report.dump(2));
    return kDone;
  }
  fmt::print("{}\n", subject.description);
  if (options.tune) fmt::print("{}", layers_table(plan));
  if (options.repeat > 1) fmt::print("seconds: {:.3g}\n", fmt::join(seconds, ", "));
  for (const auto& item : outputs) {
    fmt::print("{}: {} [{}]\n", options.output, item.key(), fmt::join(item.value().sizes(), ", "));
  }
  return kDone;
}

}  // namespace

Command add_run(CLI::App& program) {
  auto options = std::make_shared<RunOptions>();
  auto* command = program.add_subcommand(
      "run",
      "Runs the model of a folder, or the CrossAttention or SimpleUNet of a file, "
      "on tensors from a file.");
  command
      ->add_option("MODEL", options->model,
                   "a folder that save_pretrained wrote, or a file: TorchScript, torch.save "
                   "or safetensors")
      ->required();
  command->add_option("--input", options->input, "tensors named as forward's arguments")
      ->required();
  command->add_option("--output", options->output, "safetensors file to write, with the outputs")
      ->required();
  command
      ->add_option("--heads", options->model_options.num_heads,
                   "heads, where the file does not know them")
      ->check(positive_integer());
  command
      ->add_option_function<std::string>(
          "--token-layout",
          [options](const std::string& name) {
            options->model_options.token_layout =
                name == "spatial" ? TokenLayout::kSpatial : TokenLayout::kReinterpret;
          },
          "how a SimpleUNet's latent is read as tokens, where the file does not know it")
      ->check(CLI::IsMember({"spatial", "reinterpret"}));
  command->add_option(
      "--method", options->method,
      "of a folder's model: forward, an AutoencoderKL's encode, decode, or a UNet's "
      "forward_prepared, for which the first run prepares the text");
  command->add_option("--variant", options->variant, "of a folder's weights: fp16");
  add_dtype_option(*command, options->dtype,
                   "of the model; a folder's is float32 where not given, a file's as it is");
  add_weights_dtype_option(*command, options->weights_dtype, "a folder's model");
  add_precision_option(*command, options->precision);
  add_plan_option(*command, options->plan);
  add_tune_option(*command, options->tune,
                  "a file for a plan: the first run measures each layer's algorithms, those that "
                  "--plan does not know");
  command->add_option("--device", options->device, "auto, cpu, cuda or cuda:N");
  command->add_option("--repeat", options->repeat, "runs, for their times")
      ->check(CLI::Range(1, 1000));
  command->add_flag("--json", options->json,
                    "print the model, its layers' algorithms, times and peaks of memory as JSON");
  return [options, command] { return run(*command, *options); };
}

}  // namespace xattn::apps
