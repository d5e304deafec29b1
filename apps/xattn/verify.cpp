// xattn verify FILE.pt: the program in a TorchScript file against our module with its weights.
// xattn verify DIR --golden FILE: see verify_folder.h.

#include <ATen/Context.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "core/check.h"
#include "model.h"
#include "script.h"
#include "support/checks.h"
#include "support/difference.h"
#include "support/dtype.h"
#include "support/program.h"
#include "verify_folder.h"
#include "xattn/core/error.h"
#include "xattn/pretrained/from_checkpoint.h"

namespace xattn::apps {
namespace {

struct VerifyOptions {
  std::string file;
  /// Of max |Δ| / max |expected|; where not given, by the dtype.
  std::optional<double> tolerance;
  bool json = false;
};

/// One reading of the file: a choice of what it does not tell.
struct Candidate {
  std::string name;  // "token layout spatial", "4 heads"
  std::unique_ptr<Model> model;
  bool matches = true;
};

/// One shape: what the script did, and how far each candidate is from it.
struct Trial {
  std::vector<std::vector<int64_t>> shapes;
  std::string problem;  // why the script could not run; else empty
  std::vector<Difference> differences;
};

std::vector<Candidate> make_candidates(const Checkpoint& checkpoint) {
  std::vector<Candidate> candidates;
  if (!holds_cross_attention(checkpoint)) {
    // The file's own token_layout, if it has one, is what is to be verified: both are tried.
    auto without_layout = checkpoint;
    without_layout.attributes.erase("token_layout");
    candidates.push_back(
        {"spatial", make_model(without_layout, {.token_layout = TokenLayout::kSpatial})});
    candidates.push_back(
        {"reinterpret", make_model(without_layout, {.token_layout = TokenLayout::kReinterpret})});
    return candidates;
  }
  if (checkpoint.attributes.count("num_heads")) {
    const auto heads = cross_attention_options(checkpoint).num_heads();
    candidates.push_back({fmt::format("{} heads", heads), make_model(checkpoint, {})});
    return candidates;
  }
  const auto embed_dim = checkpoint.tensors["query_proj.weight"].size(0);
  for (int64_t heads = 1; heads <= embed_dim; ++heads) {
    if (embed_dim % heads != 0) continue;
    candidates.push_back(
        {fmt::format("{} heads", heads), make_model(checkpoint, {.num_heads = heads})});
  }
  return candidates;
}

/// Shapes that tell readings apart, from the one latent pixel that the published reference can run.
std::vector<Trial> make_trials(const Checkpoint& checkpoint) {
  std::vector<Trial> trials;
  if (holds_cross_attention(checkpoint)) {
    const auto e = checkpoint.tensors["query_proj.weight"].size(0);
    for (const auto& [b, n, t] :
         {std::array<int64_t, 3>{1, 1, 1}, {2, 16, 10}, {4, 49, 10}, {1, 100, 77}, {3, 7, 5}}) {
      trials.push_back({{{b, n, e}, {b, t, e}}, "", {}});
    }
    return trials;
  }
  const auto e = checkpoint.tensors["downsample.weight"].size(0);
  for (const auto& [b, h, w, t] : {std::array<int64_t, 4>{1, 2, 2, 1},
                                   {4, 2, 2, 10},
                                   {2, 3, 3, 5},
                                   {2, 8, 8, 10},
                                   {1, 17, 12, 77},
                                   {4, 64, 64, 10}}) {
    trials.push_back({{{b, 3, h, w}, {b, t, e}}, "", {}});
  }
  return trials;
}

void run_trial(Trial& trial, const Script& script, std::vector<Candidate>& candidates,
               at::ScalarType dtype, double tolerance) {
  std::vector<at::Tensor> inputs;
  for (const auto& shape : trial.shapes) inputs.push_back(at::randn(shape).to(dtype));
  const auto result = script.run(inputs);
  if (const auto* problem = std::get_if<std::string>(&result)) {
    trial.problem = *problem;
    return;
  }
  const auto& expected = std::get<at::Tensor>(result);
  for (auto& candidate : candidates) {
    const auto names = candidate.model->arguments();
    StateDict named;
    for (size_t i = 0; i < names.size(); ++i) named.insert(names[i], inputs[i]);
    const auto output = candidate.model->run(named);
    if (output.sizes() != expected.sizes()) {
      trial.problem =
          "gives " + shape_text(expected.sizes()) + ", expected " + shape_text(output.sizes());
      for (auto& other : candidates) other.matches = false;
      return;
    }
    trial.differences.push_back(difference(output, expected));
    candidate.matches &= trial.differences.back().relative() <= tolerance;
  }
}

/// The candidates worth showing: those that match or, where none does, all.
std::vector<size_t> shown(const std::vector<Candidate>& candidates) {
  std::vector<size_t> matching, all;
  for (size_t i = 0; i < candidates.size(); ++i) {
    all.push_back(i);
    if (candidates[i].matches) matching.push_back(i);
  }
  return matching.empty() || candidates.size() <= 2 ? all : matching;
}

std::string verdict(const std::vector<Candidate>& candidates, const std::vector<Trial>& trials) {
  const auto could_run = std::count_if(trials.begin(), trials.end(),
                                       [](const auto& trial) { return trial.problem.empty(); });
  std::vector<std::string> matching;
  for (const auto& candidate : candidates) {
    if (candidate.matches) matching.push_back(candidate.name);
  }
  if (could_run == 0) return "the script can run none of these shapes: nothing is verified";
  if (matching.empty()) return "MISMATCH: our numbers are not the script's";
  auto text = fmt::format("match: {}", fmt::join(matching, ", "));
  if (matching.size() > 1) text += " (alike on every shape that the script can run)";
  if (could_run < static_cast<long>(trials.size())) {
    text += fmt::format("; the script itself cannot run {} of {} shapes", trials.size() - could_run,
                        trials.size());
  }
  return text;
}

void print_text(const std::vector<Candidate>& candidates, const std::vector<Trial>& trials) {
  const auto columns = shown(candidates);
  const auto arguments = candidates.front().model->arguments();
  fmt::print("{:<18}{:<18}", arguments[0], arguments[1]);
  for (const auto i : columns) fmt::print("{:<22}", "max |Δ| " + candidates[i].name);
  fmt::print("\n");
  for (const auto& trial : trials) {
    fmt::print("{:<18}{:<18}", shape_text(trial.shapes[0]), shape_text(trial.shapes[1]));
    if (!trial.problem.empty()) {
      fmt::print("the script cannot run this: {}\n", trial.problem);
      continue;
    }
    for (const auto i : columns) fmt::print("{:<22.2e}", trial.differences[i].max_abs);
    fmt::print("\n");
  }
  fmt::print("\n{}\n", verdict(candidates, trials));
}

void print_json(const std::string& file, const std::vector<Candidate>& candidates,
                const std::vector<Trial>& trials) {
  nlohmann::ordered_json document = {{"file", file},
                                     {"verdict", verdict(candidates, trials)},
                                     {"matches", nlohmann::ordered_json::array()},
                                     {"trials", nlohmann::ordered_json::array()}};
  for (const auto& candidate : candidates) {
    if (candidate.matches) document["matches"].push_back(candidate.name);
  }
  const auto arguments = candidates.front().model->arguments();
  for (const auto& trial : trials) {
    nlohmann::ordered_json entry = {
        {"inputs", {{arguments[0], trial.shapes[0]}, {arguments[1], trial.shapes[1]}}}};
    if (!trial.problem.empty()) entry["problem"] = trial.problem;
    for (size_t i = 0; i < trial.differences.size(); ++i) {
      entry["max_abs_difference"][candidates[i].name] = trial.differences[i].max_abs;
    }
    document["trials"].push_back(entry);
  }
  fmt::print("{}\n", document.dump(2));
}

int verify(const VerifyOptions& options) {
  // Reading the weights our way checks the archive before PyTorch, which does not, is let near it.
  const auto checkpoint = load_checkpoint(options.file);
  if (checkpoint.format != CheckpointFormat::kTorchScript) {
    throw FileError(fmt::format(
        "[verify] {}: expected TorchScript, which has a program to compare with, got {}",
        options.file, to_string(checkpoint.format)));
  }
  if (!holds_cross_attention(checkpoint) && !holds_simple_unet(checkpoint)) {
    throw ValueError(
        fmt::format("[verify] {}: expected a CrossAttention or a SimpleUNet, got another module",
                    options.file));
  }
  auto candidates = make_candidates(checkpoint);
  auto trials = make_trials(checkpoint);
  fmt::print(stderr, "xattn: verify executes the program in {}\n", options.file);
  const Script script(options.file);
  at::manual_seed(0);
  const auto dtype = checkpoint.tensors.front().value().scalar_type();
  const auto tolerance = options.tolerance.value_or(parity_tolerance(dtype).output);
  for (auto& trial : trials) run_trial(trial, script, candidates, dtype, tolerance);

  const bool any_ran = std::any_of(trials.begin(), trials.end(),
                                   [](const auto& trial) { return trial.problem.empty(); });
  for (auto& candidate : candidates) candidate.matches &= any_ran;
  options.json ? print_json(options.file, candidates, trials) : print_text(candidates, trials);
  const bool matched = std::any_of(candidates.begin(), candidates.end(),
                                   [](const auto& candidate) { return candidate.matches; });
  return matched ? kDone : kCheckFailed;
}

}  // namespace

Command add_verify(CLI::App& program) {
  auto options = std::make_shared<VerifyOptions>();
  auto folder = std::make_shared<VerifyFolderOptions>();
  auto* command = program.add_subcommand("verify",
                                         "Compares our numbers with Python's: of the program in a "
                                         "TorchScript file, or of every submodule of a folder's "
                                         "model with what python/xattn_record.py recorded.");
  command
      ->add_option("PATH", options->file,
                   "a scripted or traced CrossAttention or SimpleUNet; or a model's folder")
      ->required();
  command->add_option("--golden", folder->golden,
                      "of a folder: the file that xattn_record.py wrote");
  command->add_option("--variant", folder->variant, "of a folder's weights: fp16");
  add_dtype_option(*command, folder->dtype, "of a folder's model, as recorded where not given");
  add_weights_dtype_option(*command, folder->weights_dtype, "a folder's model");
  command->add_option("--device", folder->device, "of a folder's model: auto, cpu, cuda or cuda:N");
  command->add_option("--prefix", folder->prefix,
                      "the model's name in the recording; found where not given");
  command
      ->add_option("--tolerance", options->tolerance,
                   "of max |Δ| / max |expected|; by the dtype where not given")
      ->check(positive_number());
  command->add_flag("--all", folder->all, "print every call, not the worst only");
  command->add_flag("--json", options->json, "print JSON");
  return [options, folder, command] {
    const bool is_folder = std::filesystem::is_directory(options->file);
    if (is_folder && folder->golden.empty()) {
      throw ValueError(
          fmt::format("[verify] {}: expected a file, or with a folder --golden", options->file));
    }
    if (!is_folder) {
      refuse_options(
          *command,
          {"--golden", "--variant", "--dtype", "--weights-dtype", "--device", "--prefix", "--all"},
          "a file, only a model's folder has it");
      return verify(*options);
    }
    folder->folder = options->file;
    folder->tolerance = options->tolerance;
    folder->json = options->json;
    return verify_folder(*folder);
  };
}

}  // namespace xattn::apps
