#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// How a run divides the noise into steps: a number of steps, or timesteps or sigmas of one's own
/// where the scheduler takes them.
struct ScheduleOptions {
  std::optional<int64_t> num_inference_steps = std::nullopt;
  /// In descending order; whole numbers, but for models of flow matching.
  std::vector<double> timesteps = {};
  /// In descending order; the last one ends the run and has no step of its own, but for models of
  /// flow matching.
  std::vector<double> sigmas = {};
  /// Of models that were distilled (LCM, TCD): the steps of their distillation, in place of the
  /// config's.
  std::optional<int64_t> original_inference_steps = std::nullopt;
  /// Of the same: the part of the way that image-to-image goes, 0 to 1, from a picture with as much
  /// noise.
  std::optional<double> strength = std::nullopt;
  /// Of models of flow matching: by how much the run is shifted, where the config leaves it open.
  std::optional<double> mu = std::nullopt;
  at::Device device = at::kCPU;
};

/// The timesteps and noise levels of a run. Nothing of it changes, so it serves many runs at once.
struct Schedule {
  /// What the model is called with at each step: `[S]`, int64 or float32 as the original's.
  at::Tensor timesteps;
  /// The noise at each step and at the end: `[S + 1]`, float32 on the CPU. Undefined where the
  /// scheduler computes with ᾱ.
  at::Tensor sigmas;
  /// Of the schedulers by DPM-Solver-2: the noise half a step on, and what an ancestral step adds
  /// and goes down to, each `[S + 1]` as the sigmas.
  at::Tensor sigmas_interpol, sigmas_up, sigmas_down;
  /// What standard normal noise is multiplied with to begin: a float32 scalar.
  at::Tensor init_noise_sigma;
  /// The steps that were asked for; S may be more, where a step calls the model twice.
  int64_t num_inference_steps = 0;

  /// Calls of the model.
  int64_t size() const { return timesteps.size(0); }
};

/// What a scheduler remembers from step to step of one run. A new run begins with a new one.
struct SchedulerState {
  /// The steps that were taken last and first: a run may begin at any one, as image-to-image does.
  std::optional<int64_t> last_step;
  int64_t first_step = 0;
  /// The last model outputs, or what the scheduler makes of them, in the scheduler's own order.
  std::vector<at::Tensor> outputs;
  /// How many of them the last step used.
  int64_t order = 0;
  /// A sample to go back to, and a sum of outputs.
  at::Tensor sample, sum;
};

/// What one step may be told. An option that a scheduler does not know is refused.
struct StepOptions {
  /// Where noise is drawn: nothing for the default generator, one for all, or one for each picture.
  std::vector<at::Generator> generators = {};
  /// How much noise DDIM and TCD add, from 0 (none) to 1 (DDPM's).
  std::optional<double> eta = std::nullopt;
  /// How much noise Euler's method adds before its steps, in all of a run; 0 for none. arXiv
  /// 2206.00364, algorithm 2.
  std::optional<double> s_churn = std::nullopt;
  /// It does so where the noise is from `s_tmin` (0) to `s_tmax` (infinite), and multiplies what it
  /// draws with `s_noise` (1).
  std::optional<double> s_tmin = std::nullopt, s_tmax = std::nullopt, s_noise = std::nullopt;
};

/// What a scheduler takes of `ScheduleOptions`, beside a number of steps, and of `StepOptions`.
/// What it does not take it refuses, but for generators: those that draw no noise take them too.
///
/// diffusers' pipelines look it up in the signatures of `set_timesteps` and `step`.
struct TakenOptions {
  bool timesteps = false;
  bool sigmas = false;
  /// And `strength`.
  bool original_inference_steps = false;
  bool mu = false;
  bool eta = false;
  /// `s_churn`, `s_tmin`, `s_tmax` and `s_noise`.
  bool churn = false;
  bool generators = false;
};

struct SchedulerOutput {
  /// The sample with less noise: `[B, C, H, W]`.
  at::Tensor prev_sample;
  /// What the picture would be without any noise, as far as is known now; undefined where the
  /// original does not say.
  at::Tensor pred_original_sample;
};

/// A way from noise to a picture, in steps.
///
/// A scheduler knows its config and no run: the table of a run is a `Schedule`, what happens in it
/// is in a `SchedulerState`. So one scheduler serves many threads.
///
///     const auto schedule = scheduler.schedule({.num_inference_steps = 20});
///     SchedulerState state;
///     auto sample = noise * schedule.init_noise_sigma;
///     for (int64_t i = 0; i < schedule.size(); ++i) {
///       const auto input = scheduler.scale_model_input(schedule, sample, i);
///       const auto output = model(input, schedule.timesteps[i]);
///       sample = scheduler.step(schedule, output, i, sample, state).prev_sample;
///     }
///
/// Reference: diffusers 0.42.1, schedulers/.
class XATTN_API Scheduler {
 public:
  virtual ~Scheduler() = default;

  /// The original's class: "DDIMScheduler".
  virtual std::string class_name() const = 0;

  /// How many entries of the schedule a step is made of: 2 where it calls the model twice. A run
  /// begins at a multiple of it.
  virtual int64_t order() const { return 1; }

  /// The timesteps of the training, from 0.
  virtual int64_t num_train_timesteps() const = 0;

  /// Which options it takes.
  virtual TakenOptions takes() const { return {}; }

  /// The table of a run: the original's `set_timesteps`.
  ///
  /// Throws: `ValueError` unless exactly one of steps, timesteps and sigmas is given (of flow
  /// matching, as many of each), for more steps than the model was trained with, for options that
  /// the scheduler does not take, and for timesteps or sigmas that do not descend.
  virtual Schedule schedule(const ScheduleOptions& options) const = 0;

  /// What the model is given for a sample at step `i`: of the same shape and dtype.
  virtual at::Tensor scale_model_input(const Schedule& schedule, const at::Tensor& sample,
                                       int64_t i) const;

  /// One step: from the sample at step `i` and what the model made of it to the sample at `i + 1`.
  ///
  /// Throws: `ValueError` for an `i` that is not `state`'s next or not in the schedule, shapes that
  /// differ, and options that the scheduler does not know.
  virtual SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                               const at::Tensor& sample, SchedulerState& state,
                               const StepOptions& options = {}) const = 0;

  /// Adds the noise of timesteps `[B]` to samples `[B, …]`.
  virtual at::Tensor add_noise(const Schedule& schedule, const at::Tensor& original_samples,
                               const at::Tensor& noise, const at::Tensor& timesteps) const = 0;

  /// Adds the noise of the schedule's step `i` to all samples `[B, …]`: what image-to-image begins
  /// step `i` with. Two steps may have one timestep, which `add_noise` cannot tell apart.
  ///
  /// Throws: `ValueError` for an `i` that is not in the schedule.
  virtual at::Tensor add_noise_at(const Schedule& schedule, const at::Tensor& original_samples,
                                  const at::Tensor& noise, int64_t i) const = 0;

  /// What a model of `v_prediction` learns: v = √ᾱ · noise − √(1 − ᾱ) · sample, for timesteps
  /// `[B]`.
  virtual at::Tensor get_velocity(const at::Tensor& sample, const at::Tensor& noise,
                                  const at::Tensor& timesteps) const;
};

}  // namespace xattn
