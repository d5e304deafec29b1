#include "xattn/training/run_training.h"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/util/Exception.h>

#include <chrono>

#include "core/check.h"
#include "io/file.h"
#include "io/json.h"
#include "training/sample_sheets.h"
#include "xattn/images/png.h"
#include "xattn/training/loss_curve.h"

namespace xattn {
namespace {

constexpr auto kRunTraining = "run_training";

std::string log_path(const std::string& folder) {
  return folder + "/log.jsonl";
}

void check_run_options(const TrainingRunOptions& options) {
  check_at_least(kRunTraining, "max_train_steps", options.max_train_steps, 1);
  check_at_least(kRunTraining, "checkpointing_steps", options.checkpointing_steps, 1);
  check_at_least(kRunTraining, "checkpoints_total_limit", options.checkpoints_total_limit, 1);
  if (options.validation_steps)
    check_at_least(kRunTraining, "validation_steps", *options.validation_steps, 1);
}

/// How the options differ from those that the run began with, each named.
void check_same_options(const std::string& path, const std::string& began,
                        const std::string& wanted) {
  const io::Subject subject{kRunTraining, path};
  const auto before = io::read_json_object(subject, began);
  const auto now = io::read_json_object(subject, wanted);
  std::string problems;
  const auto compare = [&](const std::string& name) {
    const auto text = [&](const nlohmann::json& all) {
      const auto found = all.find(name);
      return found == all.end() ? std::string("nothing") : io::shown(*found);
    };
    if (text(before) == text(now)) return;
    problems += cat(problems.empty() ? "" : "; ", name, ": expected ", text(before),
                    ", as the run began, got ", text(now));
  };
  for (const auto& item : before.items()) compare(item.key());
  for (const auto& item : now.items()) {
    if (!before.contains(item.key())) compare(item.key());
  }
  if (!problems.empty()) throw ValueError(cat("[", kRunTraining, "] ", problems));
}

/// A run between its first and its last step.
class Run {
 public:
  Run(Training& training, const TrainingRunOptions& options)
      : training_(training), options_(options), sheets_(options.output_dir) {
    const auto path = log_path(options.output_dir);
    if (options.resume_from_checkpoint) {
      go_on();
      // A run that was killed before its first checkpoint has a log, too.
      log_.emplace(TrainingLog::resume(path, result_.step));
    } else {
      log_.emplace(TrainingLog::begin(path));
    }
    seconds_before_ = log_->seconds();
    begin_ = Clock::now();
  }

  TrainingRunResult operator()() {
    while (result_.step < options_.max_train_steps && !result_.stopped) {
      step();
      result_.stopped = options_.stop.stop_requested() && result_.step < options_.max_train_steps;
      const auto is_last = result_.step == options_.max_train_steps;
      const auto is_due = [&](int64_t every) { return is_last || result_.step % every == 0; };
      if (options_.validation_steps && is_due(*options_.validation_steps))
        sheets_.add(result_.step, training_.samples());
      if (result_.stopped || is_due(options_.checkpointing_steps)) save();
    }
    if (!result_.stopped) finish();
    return result_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void go_on() {
    const auto latest = latest_checkpoint(options_.output_dir);
    for (const auto& line : latest.unusable) TORCH_WARN("[", kRunTraining, "] passed over ", line);
    if (!latest.path) return;
    const auto checkpoint = load_training_checkpoint(*latest.path);
    check_same_options(*latest.path, checkpoint.options, options_.options);
    training_.load(checkpoint);
    generator_.set_state(checkpoint.random_state);
    result_.step = result_.resumed_from = checkpoint.step;
  }

  void step() {
    const auto begin = Clock::now();
    const auto done = training_.step();
    const auto end = Clock::now();
    const auto took = std::chrono::duration<double>(end - begin).count();
    TrainingLogEntry entry;
    entry.step = ++result_.step;
    entry.loss = done.loss;
    entry.learning_rate = done.learning_rate;
    entry.pictures_per_second = static_cast<double>(done.pictures) / std::max(took, 1e-9);
    entry.seconds = seconds_before_ + std::chrono::duration<double>(end - begin_).count();
    entry.more = done.more;
    log_->append(entry);
    if (options_.on_step) options_.on_step(entry);
  }

  void save() {
    TrainingCheckpoint checkpoint;
    training_.save(checkpoint);
    checkpoint.step = result_.step;
    checkpoint.random_state = generator_.get_state();
    checkpoint.options = options_.options;
    log_->sync();
    save_training_checkpoint(options_.output_dir, checkpoint,
                             {.keep = options_.checkpoints_total_limit});
  }

  void finish() {
    training_.save_pretrained(options_.output_dir);
    const auto entries = read_training_log(log_path(options_.output_dir));
    save_png(options_.output_dir + "/loss.png", draw_loss_curve(entries));
    if (options_.validation_steps) sheets_.save_all(training_.originals());
  }

  Training& training_;
  const TrainingRunOptions& options_;
  SampleSheets sheets_;
  at::Generator generator_ = at::detail::getDefaultCPUGenerator();
  std::optional<TrainingLog> log_;
  TrainingRunResult result_;
  double seconds_before_ = 0;
  Clock::time_point begin_;
};

}  // namespace

void check_training_folder(const TrainingRunOptions& options) {
  check_run_options(options);
  io::make_folder({kRunTraining, options.output_dir});
  if (options.resume_from_checkpoint) return;
  const auto has_run = io::exists({kRunTraining, log_path(options.output_dir)}) ||
                       latest_checkpoint(options.output_dir).path.has_value();
  if (!has_run) return;
  throw ValueError(cat("[", kRunTraining, "] output_dir: expected a folder without a run, or ",
                       "resume_from_checkpoint, got ", options.output_dir));
}

TrainingRunResult run_training(Training& training, const TrainingRunOptions& options) {
  check_training_folder(options);
  return Run(training, options)();
}

}  // namespace xattn
