#pragma once

#include <memory>
#include <string>
#include <vector>

#include "xattn/core/error.h"
#include "xattn/training/adamw.h"
#include "xattn/training/optimizer_step.h"
#include "xattn/training/training.h"
#include "xattn/training/training_options.h"

namespace torch::nn {
class Module;
}

namespace xattn {

/// A model that is trained, by the name of its part in checkpoints: "unet".
struct TrainedModel {
  std::string name;
  std::shared_ptr<torch::nn::Module> module;
};

/// Models in training with what moves them: AdamW, the steps and the averages.
///
/// Only parameters that require gradients are optimized.
class ModelOptimizer {
 public:
  /// Moves the models to the options' device and memory format, and makes them train.
  ModelOptimizer(std::vector<TrainedModel> models, const TrainingOptions& options);
  ModelOptimizer(const ModelOptimizer&) = delete;
  ModelOptimizer& operator=(const ModelOptimizer&) = delete;

  OptimizerStep& step() { return *step_; }

  /// "unet", "ema_unet" and "optimizer".
  void save(TrainingCheckpoint& checkpoint) const;
  void load(const TrainingCheckpoint& checkpoint);

  /// While it lives the models have the averages' values, if there are any, and infer.
  class Inference {
   public:
    explicit Inference(ModelOptimizer& optimizer);
    ~Inference();
    Inference(const Inference&) = delete;
    Inference& operator=(const Inference&) = delete;

   private:
    ModelOptimizer& optimizer_;
  };

 private:
  struct Trained {
    TrainedModel model;
    std::unique_ptr<EMAModel> ema;
  };

  std::vector<Trained> trained_;
  /// All parameters that are optimized, by part and name: "unet.conv_in.weight".
  StateDict parameters_;
  std::unique_ptr<AdamW> optimizer_;
  std::unique_ptr<OptimizerStep> step_;
};

/// Adds what came of one of `losses` that are averaged for a step of `pictures` each; returns
/// whether the optimizer made its step.
bool add_result(TrainingStep& step, const OptimizerStepResult& result, std::size_t pictures,
                int64_t losses);

/// "; its pictures: 'a.png', 'b.png'"
std::string named_pictures(const std::vector<std::string>& pictures);

/// Calls `learn`, and adds the pictures to what it says of numbers that are not finite.
///
/// Throws: `Error` "[OptimizerStep] loss: expected a finite number at step 7, got nan; its
/// pictures: 'a.png', 'b.png'".
template <typename Learn>
auto naming_pictures(const std::vector<std::string>& pictures, const Learn& learn) {
  try {
    return learn();
  } catch (const NotFiniteError& error) {
    throw NotFiniteError(error.what() + named_pictures(pictures));
  }
}

}  // namespace xattn
