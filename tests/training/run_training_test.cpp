// A run of a model that does no more than draw numbers and add them up.
#include "xattn/training/run_training.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include "io/support/temporary_folder.h"
#include "support/errors.h"
#include "xattn/images/load_image.h"

namespace xattn::testing {
namespace {

namespace fs = std::filesystem;

/// Its weight is the sum of all that was drawn, so that a step that is lacking shows.
class DrawnSums : public Training {
 public:
  explicit DrawnSums(int64_t fails_at = 0) : fails_at_(fails_at) { torch::manual_seed(5); }

  TrainingStep step() override {
    ++steps;
    ++place_.index;
    if (place_.index == fails_at_)
      throw NotFiniteError("[DrawnSums] loss: expected a finite number");
    const auto drawn = at::rand({1});
    weight_ += drawn;
    return {drawn.item<double>(), 0.5, 3, {{"weight", weight_.item<double>()}}};
  }
  void save(TrainingCheckpoint& checkpoint) const override {
    checkpoint.tensors["sums"].insert("weight", weight_.clone());
    checkpoint.place = place_;
  }
  void load(const TrainingCheckpoint& checkpoint) override {
    weight_ = checkpoint.tensors.at("sums")["weight"].clone();
    place_ = checkpoint.place;
  }
  std::vector<at::Tensor> samples() override {
    ++sampled;
    return {picture(100 + place_.index), picture(200)};
  }
  std::vector<at::Tensor> originals() override { return {picture(50), picture(60)}; }
  void save_pretrained(const std::string& folder) override {
    write_bytes(folder + "/weight.txt", std::to_string(weight_.item<double>()));
  }

  int steps = 0, sampled = 0;

 private:
  static at::Tensor picture(int64_t value) { return at::full({6, 8, 3}, value, at::kByte); }

  int64_t fails_at_;
  at::Tensor weight_ = at::zeros({1});
  DataPlace place_;
};

TrainingRunOptions options_of(const TemporaryFolder& folder, int64_t steps) {
  return {.output_dir = folder / "run", .max_train_steps = steps, .checkpointing_steps = 2};
}

TrainingRunResult run(const TrainingRunOptions& options) {
  DrawnSums training;
  return run_training(training, options);
}

std::string weight_in(const TemporaryFolder& folder) {
  return read_bytes(folder / "run/weight.txt");
}

bool is_in(const TemporaryFolder& folder, const std::string& name) {
  return fs::exists(folder.path() / "run" / name);
}

/// What an undisturbed run of seven steps ends with.
const std::string& expected_weight() {
  static const auto weight = [] {
    const TemporaryFolder folder;
    run(options_of(folder, 7));
    return weight_in(folder);
  }();
  return weight;
}

/// Keeps what TORCH_WARN says.
class KeptWarnings : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override { lines.push_back(warning.msg()); }
  std::vector<std::string> lines;
};

TEST(RunTraining, TellsEachStepAndLogsIt) {
  const TemporaryFolder folder;
  auto options = options_of(folder, 5);
  std::vector<TrainingLogEntry> told;
  options.on_step = [&](const TrainingLogEntry& entry) { told.push_back(entry); };
  const auto result = run(options);
  EXPECT_EQ(result.step, 5);
  EXPECT_EQ(result.resumed_from, 0);
  EXPECT_FALSE(result.stopped);
  const auto logged = read_training_log(folder / "run/log.jsonl");
  ASSERT_EQ(told.size(), 5U);
  ASSERT_EQ(logged.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(told[i].step, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(logged[i].step, told[i].step);
    EXPECT_EQ(logged[i].loss, told[i].loss);
    EXPECT_EQ(logged[i].learning_rate, 0.5);
    EXPECT_EQ(logged[i].more.at("weight"), told[i].more.at("weight"));
    EXPECT_GT(told[i].pictures_per_second, 0);
    EXPECT_GE(told[i].seconds, i == 0 ? 0 : told[i - 1].seconds);
  }
  for (const auto* name : {"checkpoint-000002", "checkpoint-000004", "checkpoint-000005"})
    EXPECT_TRUE(is_in(folder, name)) << name;
  EXPECT_GT(load_image(folder / "run/loss.png").numel(), 0);
  EXPECT_FALSE(is_in(folder, "samples"));
  EXPECT_FALSE(is_in(folder, "samples.png"));
}

TEST(RunTraining, KeepsTheLastCheckpoints) {
  const TemporaryFolder folder;
  auto options = options_of(folder, 7);
  options.checkpoints_total_limit = 1;
  run(options);
  EXPECT_TRUE(is_in(folder, "checkpoint-000007"));
  EXPECT_FALSE(is_in(folder, "checkpoint-000006"));
}

TEST(RunTraining, StopsAfterAStepAndGoesOnToTheSameBits) {
  for (const int64_t last : {1, 2, 5}) {
    const TemporaryFolder folder;
    auto options = options_of(folder, 7);
    const StopSource source;
    options.stop = source.token();
    options.on_step = [&](const TrainingLogEntry& entry) {
      if (entry.step == last) source.request_stop();
    };
    const auto stopped = run(options);
    EXPECT_TRUE(stopped.stopped);
    EXPECT_EQ(stopped.step, last);
    EXPECT_FALSE(is_in(folder, "weight.txt"));

    auto rest = options_of(folder, 7);
    rest.resume_from_checkpoint = true;
    const auto result = run(rest);
    EXPECT_FALSE(result.stopped);
    EXPECT_EQ(result.resumed_from, last);
    EXPECT_EQ(result.step, 7);
    EXPECT_EQ(weight_in(folder), expected_weight());
    EXPECT_EQ(read_training_log(folder / "run/log.jsonl").size(), 7U);
  }
}

TEST(RunTraining, ARunThatIsToldToStopAfterItsLastStepIsDone) {
  const TemporaryFolder folder;
  auto options = options_of(folder, 3);
  const StopSource source;
  options.stop = source.token();
  options.on_step = [&](const TrainingLogEntry& entry) {
    if (entry.step == 3) source.request_stop();
  };
  EXPECT_FALSE(run(options).stopped);
  EXPECT_TRUE(is_in(folder, "weight.txt"));
}

TEST(RunTraining, AFailedRunGoesOnFromItsCheckpoint) {
  const TemporaryFolder folder;
  auto options = options_of(folder, 7);
  DrawnSums failing(6);
  EXPECT_THROW(run_training(failing, options), NotFiniteError);
  EXPECT_FALSE(is_in(folder, "weight.txt"));
  EXPECT_EQ(read_training_log(folder / "run/log.jsonl").size(), 5U);
  options.resume_from_checkpoint = true;
  EXPECT_EQ(run(options).resumed_from, 4);
  EXPECT_EQ(weight_in(folder), expected_weight());
  EXPECT_EQ(read_training_log(folder / "run/log.jsonl").size(), 7U);
}

TEST(RunTraining, ARunThatFailedBeforeItsFirstCheckpointBeginsAnew) {
  const TemporaryFolder folder;
  auto options = options_of(folder, 7);
  DrawnSums failing(2);
  EXPECT_THROW(run_training(failing, options), NotFiniteError);
  expect_value_error_with([&] { run(options); }, "expected a folder without a run");
  options.resume_from_checkpoint = true;
  EXPECT_EQ(run(options).resumed_from, 0);
  EXPECT_EQ(weight_in(folder), expected_weight());
}

TEST(RunTraining, AFinishedRunIsLeftAsItIs) {
  const TemporaryFolder folder;
  auto options = options_of(folder, 7);
  run(options);
  expect_value_error_with([&] { check_training_folder(options); },
                          "or resume_from_checkpoint, got " + options.output_dir);
  options.resume_from_checkpoint = true;
  DrawnSums training;
  const auto result = run_training(training, options);
  EXPECT_EQ(training.steps, 0);
  EXPECT_EQ(result.resumed_from, 7);
  EXPECT_EQ(weight_in(folder), expected_weight());
}

TEST(RunTraining, GoesOnWithTheSameOptionsOnly) {
  const TemporaryFolder folder;
  auto options = options_of(folder, 2);
  options.options = R"({"rate":"1","seed":"4"})";
  run(options);
  options.resume_from_checkpoint = true;
  options.max_train_steps = 4;
  options.options = R"({"rate":"2","ema":"true"})";
  expect_value_error([&] { run(options); },
                     R"([run_training] rate: expected "1", as the run began, got "2"; )"
                     R"(seed: expected "4", as the run began, got nothing; )"
                     R"(ema: expected nothing, as the run began, got "true")");
  options.options = R"({"seed":"4","rate":"1"})";
  EXPECT_EQ(run(options).step, 4);
}

TEST(RunTraining, WarnsOfCheckpointsThatItPassesOver) {
  const TemporaryFolder folder;
  auto options = options_of(folder, 4);
  run(options);
  write_bytes(folder / "run/checkpoint-000004/sums.safetensors", "no tensors");
  options.max_train_steps = 7;
  options.resume_from_checkpoint = true;
  KeptWarnings warnings;
  {
    const c10::WarningUtils::WarningHandlerGuard guard(&warnings);
    EXPECT_EQ(run(options).resumed_from, 2);
  }
  ASSERT_EQ(warnings.lines.size(), 1U);
  EXPECT_NE(warnings.lines[0].find("[run_training] passed over checkpoint-000004: "),
            std::string::npos)
      << warnings.lines[0];
  EXPECT_EQ(weight_in(folder), expected_weight());
}

TEST(RunTraining, DrawsSamplesOverTime) {
  const TemporaryFolder folder;
  auto options = options_of(folder, 5);
  options.validation_steps = 2;
  DrawnSums training;
  run_training(training, options);
  EXPECT_EQ(training.sampled, 3);
  for (const auto* name : {"step-000002.png", "step-000004.png", "step-000005.png"}) {
    const auto sheet = load_image(folder / ("run/samples/" + std::string(name)));
    EXPECT_GE(sheet.size(1), 2 * 8);
    EXPECT_TRUE((sheet == 200).any().item<bool>());
  }
  const auto all = load_image(folder / "run/samples.png");
  EXPECT_GE(all.size(0), 4 * 6);  // the originals and three steps
  for (const auto value : {50, 60, 102, 104, 105, 200})
    EXPECT_TRUE((all == value).all(2).any().item<bool>()) << value;
}

TEST(RunTraining, RefusesOptionsOutOfRange) {
  const TemporaryFolder folder;
  for (const auto member :
       {&TrainingRunOptions::max_train_steps, &TrainingRunOptions::checkpointing_steps,
        &TrainingRunOptions::checkpoints_total_limit}) {
    auto options = options_of(folder, 2);
    options.*member = 0;
    EXPECT_THROW(check_training_folder(options), ValueError);
  }
  auto options = options_of(folder, 2);
  options.validation_steps = 0;
  EXPECT_THROW(run(options), ValueError);
  EXPECT_FALSE(is_in(folder, "log.jsonl"));
  options = options_of(folder, 2);
  options.output_dir = write_bytes(folder / "file", "") + "/run";
  EXPECT_THROW(check_training_folder(options), FileError);
}

}  // namespace
}  // namespace xattn::testing
