// xattn bench: how fast cross attention, self attention, linear layers and convolutions are on this
// machine, within one run.

#include <ATen/Parallel.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.h"
#include "contender.h"
#include "core/timing.h"
#include "io/json.h"
#include "layer_bench.h"
#include "support/checks.h"
#include "support/difference.h"
#include "support/plan.h"
#include "support/process.h"
#include "support/program.h"
#include "xattn/core/error.h"
#include "xattn/io/plan_file.h"
#include "xattn/io/safetensors.h"
#include "xattn/models/simple_unet/simple_unet.h"
#include "xattn/ops/plan.h"

namespace xattn::apps {
namespace {

struct BenchOptions {
  int threads = 0;
  int rounds = 9;
  bool json = false;
  std::string cases;
  std::string worker;
  std::string folder;
  std::optional<std::string> plan, tune;
};

// --- a worker of bench/compare.py: JSON lines on stdin and stdout ---

nlohmann::json answer(const nlohmann::json& request, const Contender& contender) {
  if (request.contains("run")) {
    nlohmann::json seconds = nlohmann::json::array();
    for (int64_t i = 0; i < request["run"].get<int64_t>(); ++i) {
      seconds.push_back(seconds_of(contender.run));
    }
    return {{"seconds", seconds}};
  }
  if (request.contains("output")) {
    StateDict outputs;
    outputs.insert("output", contender.run());
    save_safetensors(request["output"], outputs);
    return {{"written", request["output"]}};
  }
  if (request.contains("memory")) return {{"peak_bytes", peak_bytes()}};
  throw ValueError("[bench] request: expected run, output, memory or quit, got " + request.dump());
}

int serve(const BenchOptions& options) {
  const auto checkpoint = load_checkpoint(options.folder + "/weights.safetensors");
  const auto inputs = load_checkpoint(options.folder + "/input.safetensors").tensors;
  const auto contender = make_contender(options.worker, checkpoint, inputs);
  contender.run();
  const nlohmann::json ready = {{"ready", true},
                                {"contender", contender.name},
                                {"path", contender.path},
                                {"flops", contender.flops}};
  std::cout << ready << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const auto request = io::parse_json(line).value;
    if (!request.is_object()) {
      throw ValueError("[bench] request: expected a JSON object in one line, got " + line);
    }
    if (request.contains("quit")) break;
    std::cout << answer(request, contender) << std::endl;
  }
  return kDone;
}

// --- by itself ---

/// A module's weights and its inputs.
struct Subject {
  Checkpoint checkpoint{CheckpointFormat::kSafetensors, StateDict(), {}};
  StateDict inputs;
};

struct Case {
  std::string name;
  std::function<Subject()> make;
};

Case attention_case(int64_t e, int64_t b, int64_t n, int64_t t) {
  return {fmt::format("CrossAttention E={} H=8 B={} N={} T={}", e, b, n, t), [=] {
            Subject subject;
            subject.checkpoint.tensors = state_dict(*CrossAttention(e));
            subject.checkpoint.attributes["num_heads"] = int64_t{8};
            subject.inputs.insert("image_features", at::randn({b, n, e}));
            subject.inputs.insert("text_features", at::randn({b, t, e}));
            return subject;
          }};
}

Case unet_case(int64_t e, int64_t size, int64_t t) {
  return {fmt::format("SimpleUNet E={} 1x3x{}x{} T={}", e, size, size, t), [=] {
            Subject subject;
            subject.checkpoint.tensors = state_dict(*SimpleUNet(e));
            subject.inputs.insert("images", at::randn({1, 3, size, size}));
            subject.inputs.insert("text_features", at::randn({1, t, e}));
            return subject;
          }};
}

/// The cases that have `text` in their names.
struct Cases {
  std::vector<Case> modules;
  std::vector<LayerCase> layers;
};

Cases cases_with(const std::string& text) {
  Cases found;
  std::string names;
  for (auto& test : {attention_case(256, 4, 1024, 10), attention_case(256, 4, 4096, 10),
                     attention_case(256, 4, 1024, 77), attention_case(256, 4, 4096, 77),
                     attention_case(640, 2, 1024, 77), attention_case(1280, 2, 256, 77),
                     unet_case(256, 512, 77)}) {
    names += (names.empty() ? "" : ", ") + test.name;
    if (test.name.find(text) != std::string::npos) found.modules.push_back(test);
  }
  for (const auto& test : layer_cases()) {
    if (test.name.find(text) != std::string::npos) found.layers.push_back(test);
  }
  if (found.modules.empty() && found.layers.empty()) {
    throw UsageError(
        fmt::format("--case: '{}' is in the name of none of: {}, Linear ROWSxIN->OUT, GEGLU "
                    "ROWSxIN->OUT, Conv2d "
                    "BxCxHxW->OUT, Conv2d 1x1 BxCxHxW->OUT, GroupNorm BxCxHxW, GroupNorm+SiLU "
                    "BxCxHxW, SelfAttention BxHxNxD",
                    text, names));
  }
  return found;
}

/// Floating-point operations per second that a large matrix product reaches.
double peak_flops() {
  const auto a = at::randn({2048, 2048}), b = at::randn({2048, 2048});
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) seconds.push_back(seconds_of([&] { return at::mm(a, b); }));
  return 2.0 * 2048 * 2048 * 2048 / median(seconds);
}

nlohmann::ordered_json measure(const Case& test, int rounds, double peak, const Plan& known) {
  auto plan = known;
  const UsePlan use(plan);
  const auto subject = test.make();
  std::vector<Contender> contenders;
  for (const auto& name : contender_names()) {
    contenders.push_back(make_contender(name, subject.checkpoint, subject.inputs));
  }
  std::map<std::string, std::vector<double>> seconds;
  for (int round = 0; round < rounds; ++round) {
    for (const auto& contender : contenders) {
      const auto once = seconds_of(contender.run);  // warms the caches, too
      const int passes = std::clamp(static_cast<int>(0.1 / once), 1, 50);
      std::vector<double> times;
      for (int i = 0; i < passes; ++i) times.push_back(seconds_of(contender.run));
      seconds[contender.name].push_back(median(times));
    }
  }
  const auto reference = make_contender("cpp-explicit", subject.checkpoint, subject.inputs).run();
  const auto best_other = std::min(median(seconds["cpp-explicit"]), median(seconds["cpp-sdpa"]));
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& contender : contenders) {
    const auto time = median(seconds[contender.name]);
    rows.push_back({{"contender", contender.name},
                    {"path", contender.path},
                    {"milliseconds", time * 1e3},
                    {"times_as_fast_as_the_faster_of_explicit_and_sdpa", best_other / time},
                    {"difference_from_explicit", difference(contender.run(), reference).relative()},
                    {"part_of_sgemm_peak", contender.flops / time / peak}});
  }
  return {{"case", test.name}, {"contenders", rows}};
}

void print_text(const nlohmann::ordered_json& result) {
  fmt::print("{}\n", result["case"].get<std::string>());
  for (const auto& row : result["contenders"]) {
    fmt::print(
        "  {:<16}{:<10}{:>9.2f} ms {:>7.2f}x   difference {:.0e}   {:>3.0f}% of sgemm's speed\n",
        row["contender"].get<std::string>(), row["path"].get<std::string>(),
        row["milliseconds"].get<double>(),
        row["times_as_fast_as_the_faster_of_explicit_and_sdpa"].get<double>(),
        row["difference_from_explicit"].get<double>(),
        100 * row["part_of_sgemm_peak"].get<double>());
  }
}

void print_layer(const nlohmann::ordered_json& row) {
  fmt::print("  {:<28}{:>9.3f} ms {:>9.3f} ms {:>7.2f}x   difference {:.0e}   {}\n",
             row["case"].get<std::string>(), row["milliseconds"].get<double>(),
             row["milliseconds_of_libtorch"].get<double>(),
             row["times_as_fast_as_libtorch"].get<double>(), row["difference"].get<double>(),
             row["algorithm"].get<std::string>());
}

int tune(const BenchOptions& options, const std::vector<LayerCase>& cases) {
  if (cases.empty()) {
    throw UsageError(fmt::format("--tune: expected a --case of layers, got '{}'", options.cases));
  }
  try_out("save_plan", *options.tune);
  const auto known = followed_plan(options.plan);
  Plan measured;
  if (!options.json) fmt::print("layers: what each algorithm takes, from the fastest\n");
  for (const auto& test : cases) {
    auto one = tune_layer(test, known);
    if (!options.json) fmt::print("{}", layers_table(one));
    measured.layers.merge(one.layers);
  }
  if (options.json) fmt::print("{}\n", layers_json(measured).dump(2));
  save_plan(*options.tune, measured);
  return kDone;
}

int bench(const BenchOptions& options) {
  const torch::NoGradGuard no_grad;
  if (options.threads > 0) at::set_num_threads(options.threads);
  if (!options.worker.empty()) return serve(options);
  const auto cases = cases_with(options.cases);
  if (options.tune) return tune(options, cases.layers);
  const auto known = followed_plan(options.plan);
  const auto peak = peak_flops();
  nlohmann::ordered_json document = {{"threads", at::get_num_threads()},
                                     {"sgemm_gflops", peak / 1e9},
                                     {"cases", nlohmann::ordered_json::array()},
                                     {"layers", nlohmann::ordered_json::array()}};
  if (!options.json) {
    fmt::print(
        "{} threads, sgemm {:.0f} GFLOP/s; x: times as fast as the faster of explicit and sdpa\n",
        at::get_num_threads(), peak / 1e9);
  }
  for (const auto& test : cases.modules) {
    const auto result = measure(test, options.rounds, peak, known);
    document["cases"].push_back(result);
    if (!options.json) print_text(result);
  }
  if (!options.json && !cases.layers.empty()) {
    fmt::print("layers: ours, LibTorch's, times as fast as LibTorch's, the algorithm\n");
  }
  for (const auto& test : cases.layers) {
    document["layers"].push_back(measure_layer(test, options.rounds, known));
    if (!options.json) print_layer(document["layers"].back());
  }
  if (options.json) fmt::print("{}\n", document.dump(2));
  return kDone;
}

}  // namespace

Command add_bench(CLI::App& program) {
  auto options = std::make_shared<BenchOptions>();
  auto* command = program.add_subcommand(
      "bench",
      "Times cross attention, self attention, linear layers, GEGLU, group norms and "
      "convolutions, interleaved, as ratios on this machine.");
  auto* json = command->add_flag("--json", options->json, "print JSON");
  command->add_option("--threads", options->threads, "threads (default: as LibTorch chooses)")
      ->check(CLI::Range(1, 1024));
  auto* rounds = command->add_option("--rounds", options->rounds, "rounds to take the median of")
                     ->check(CLI::Range(1, 1000))
                     ->capture_default_str();
  auto* cases =
      command->add_option("--case", options->cases, "only cases with this in their names");
  auto* worker = command
                     ->add_option("--worker", options->worker,
                                  "serve one contender on stdin and stdout (bench/README.md)")
                     ->check(CLI::IsMember(contender_names()));
  auto* folder = command->add_option("--folder", options->folder,
                                     "a worker's weights.safetensors and input.safetensors");
  auto* plan = add_plan_option(*command, options->plan);
  auto* tune = add_tune_option(*command, options->tune,
                               "a file for a plan: measures each algorithm of the layers instead");
  worker->needs(folder)->excludes(cases)->excludes(json)->excludes(rounds);
  worker->excludes(plan)->excludes(tune);
  tune->excludes(rounds);
  folder->needs(worker);
  return [options] { return bench(*options); };
}

}  // namespace xattn::apps
