// A hundred steps of training beside PyTorch's, from the same weights, batches and seed.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <algorithm>

#include "support/model_golden.h"
#include "support/parity.h"
#include "support/worst_errors.h"
#include "training/small_models.h"
#include "xattn/pretrained/from_pretrained.h"
#include "xattn/training/adamw.h"
#include "xattn/training/autoencoder_step.h"
#include "xattn/training/text_to_image_step.h"

namespace xattn::testing {
namespace {

/// Of losses, of rates, and of weights as a part of their scale.
constexpr double kBound = 1e-4;

OptimizerStepOptions step_options(const nlohmann::json& arguments) {
  OptimizerStepOptions options;
  options.gradient_accumulation_steps = arguments["gradient_accumulation_steps"].get<int64_t>();
  options.max_grad_norm = arguments["max_grad_norm"].get<double>();
  options.lr_scheduler.type = lr_scheduler_type(arguments["lr_scheduler"].get<std::string>());
  options.lr_scheduler.num_warmup_steps = arguments["num_warmup_steps"].get<int64_t>();
  options.lr_scheduler.num_training_steps = arguments["num_training_steps"].get<int64_t>();
  return options;
}

EMAModelConfig averages_config(const nlohmann::json& arguments) {
  EMAModelConfig config;
  const auto& given = arguments["ema"];
  config.decay = given.value("decay", config.decay);
  config.use_ema_warmup = given.value("use_ema_warmup", config.use_ema_warmup);
  config.power = given.value("power", config.power);
  config.update_after_step = given.value("update_after_step", config.update_after_step);
  return config;
}

torch::optim::AdamWOptions adamw_of(const nlohmann::json& arguments) {
  return torch::optim::AdamWOptions(arguments["lr"].get<double>())
      .weight_decay(arguments["weight_decay"].get<double>());
}

/// What a run gave: losses, rates and norms, and the weights by the names in Python's output.
struct TrainingRun {
  std::vector<double> losses, rates, norms;
  StateDict weights;

  void add(const OptimizerStepResult& result) {
    losses.push_back(result.loss);
    if (!result.stepped) return;
    rates.push_back(result.learning_rate);
    norms.push_back(*result.grad_norm);
  }
  void add(const std::string& prefix, const StateDict& tensors) {
    for (const auto& item : tensors) weights.insert(prefix + item.key(), item.value().detach());
  }
};

/// How far a run is from Python's.
struct Distance {
  double losses = 0, rates = 0, norms = 0, weights = 0;
  std::string worst_weight;
};

double farthest(const std::vector<double>& actual, const at::Tensor& expected) {
  EXPECT_EQ(static_cast<int64_t>(actual.size()), expected.size(0));
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const auto value = expected[static_cast<int64_t>(i)].item<double>();
    worst = std::max(worst, std::abs(actual[i] - value) / std::max(1.0, std::abs(value)));
  }
  return worst;
}

/// A key's bias adds one number to all scores of a query, which a softmax does not see: its
/// gradient is rounding alone, of which AdamW makes steps as long as any.
bool has_no_gradient(const std::string& weight) {
  return weight.ends_with("to_k.bias") || weight.ends_with("k_proj.bias");
}

/// Other sums' rounding shows in weights without a gradient; they are left out where it may differ.
enum class Rounding { kPythons, kOther };

Distance distance(const TrainingRun& run, const ModelGolden& golden,
                  Rounding rounding = Rounding::kPythons) {
  Distance found;
  found.losses = farthest(run.losses, golden.outputs.at("losses"));
  found.rates = farthest(run.rates, golden.outputs.at("rates"));
  found.norms = farthest(run.norms, golden.outputs.at("norms"));
  size_t compared = 3;
  for (const auto& item : run.weights) {
    const auto error = difference(item.value(), golden.outputs.at(item.key())).relative();
    const bool counts = rounding == Rounding::kPythons || !has_no_gradient(item.key());
    if (counts && error > found.weights) {
      found.weights = error;
      found.worst_weight = item.key();
    }
    ++compared;
  }
  EXPECT_EQ(compared, golden.outputs.size()) << "Python has other weights";
  return found;
}

void expect_near(const ModelCase& model_case, const TrainingRun& run,
                 Rounding rounding = Rounding::kPythons) {
  const auto found = distance(run, load_golden(model_case), rounding);
  EXPECT_LE(found.losses, kBound);
  EXPECT_LE(found.rates, 1e-12);
  EXPECT_LE(found.norms, kBound);
  EXPECT_LE(found.weights, kBound) << found.worst_weight;
  const auto title =
      "training " + model_case.name + (rounding == Rounding::kOther ? ", again" : "");
  WorstErrors::record(title + " losses", found.losses);
  WorstErrors::record(title + " weights", found.weights);
}

/// What a twin changes.
struct Change {
  uint64_t seed = 0;
  double lr = 1;
  bool checkpointing = false;
};

TrainingRun train_text_to_image(const ModelCase& model_case, const Change& change = {}) {
  const auto golden = load_golden(model_case);
  const auto& arguments = model_case.arguments;
  const auto folder = model_case.directory.string();
  const auto scheduler = training_scheduler(folder + "/scheduler");
  const TextToImageModels models{from_pretrained<UNet2DConditionModel>(folder + "/unet"),
                                 from_pretrained<CLIPTextModel>(folder + "/text_encoder"),
                                 *scheduler};
  models.unet.ptr()->train();
  models.text_encoder.ptr()->train();
  if (change.checkpointing) {
    models.unet.ptr()->enable_gradient_checkpointing();
    models.text_encoder.ptr()->enable_gradient_checkpointing();
  }
  auto parameters = models.unet->parameters();
  const bool with_text = arguments["train_text_encoder"].get<bool>();
  for (auto& parameter : models.text_encoder->parameters()) {
    parameter.requires_grad_(with_text);
    if (with_text) parameters.push_back(parameter);
  }

  auto options = adamw_of(arguments);
  options.lr(options.lr() * change.lr);
  AdamW optimizer(parameters, options);
  EMAModel ema(*models.unet, averages_config(arguments));
  OptimizerStep step(optimizer, step_options(arguments));
  step.track(ema, *models.unet);

  TextToImageOptions training{
      .noise = {.noise_offset = arguments["noise_offset"].get<double>(),
                .input_perturbation = arguments["input_perturbation"].get<double>()},
      .loss = {.prediction_type = prediction_type(arguments["prediction_type"].get<std::string>())},
      .caption_dropout = arguments["caption_dropout"].get<double>(),
      .empty_caption = golden.inputs.at("empty"),
      .generator = generator_of(arguments["seed"].get<uint64_t>() + change.seed)};
  if (!arguments["snr_gamma"].is_null())
    training.loss.snr_gamma = arguments["snr_gamma"].get<double>();
  TrainingRun run;
  for (const auto& rows : golden.inputs.at("rows").unbind(0)) {
    const TextToImageBatch batch{.latents = golden.inputs.at("latents").index_select(0, rows),
                                 .captions = golden.inputs.at("ids").index_select(0, rows)};
    run.add(text_to_image_step(step, models, batch, training));
  }
  run.add("unet.", models.unet->named_parameters());
  // Python's keys lack the prefix that those of the hub have.
  run.add("text_encoder.", models.text_encoder->text_model->named_parameters());
  run.add("ema.", ema.shadow_params());
  return run;
}

TrainingRun train_autoencoder(const ModelCase& model_case, const Change& change = {}) {
  const auto golden = load_golden(model_case);
  const auto& arguments = model_case.arguments;
  auto model = from_pretrained<AutoencoderKL>((model_case.directory / "vae").string());
  model->train();
  if (change.checkpointing) model->enable_gradient_checkpointing();
  auto options = adamw_of(arguments);
  options.lr(options.lr() * change.lr);
  AdamW optimizer(model->parameters(), options);
  EMAModel ema(*model, averages_config(arguments));
  OptimizerStep step(optimizer, step_options(arguments));
  step.track(ema, *model);
  const AutoencoderOptions training{
      .loss = {.reconstruction = arguments["reconstruction"] == "l1" ? ReconstructionLoss::kL1
                                                                     : ReconstructionLoss::kL2,
               .edge_weight = arguments["edge_weight"].get<double>(),
               .kl_weight = arguments["kl_weight"].get<double>()},
      .generator = generator_of(arguments["seed"].get<uint64_t>() + change.seed)};
  TrainingRun run;
  for (const auto& rows : golden.inputs.at("rows").unbind(0)) {
    const auto images = golden.inputs.at("images").index_select(0, rows);
    run.add(autoencoder_step(step, model, images, training).step);
  }
  run.add("vae.", model->named_parameters());
  run.add("ema.", ema.shadow_params());
  return run;
}

std::vector<ModelCase> runs() {
  auto cases = model_cases("training", "text_to_image");
  for (auto& each : model_cases("training", "autoencoder")) cases.push_back(each);
  return cases;
}

class TrainingParity : public ::testing::TestWithParam<ModelCase> {
 protected:
  static TrainingRun train(const Change& change = {}) {
    return GetParam().module == "autoencoder" ? train_autoencoder(GetParam(), change)
                                              : train_text_to_image(GetParam(), change);
  }
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TrainingParity);
INSTANTIATE_TEST_SUITE_P(Torch, TrainingParity, ::testing::ValuesIn(runs()), model_case_name);

TEST_P(TrainingParity, AHundredStepsAreThoseOfPython) {
  expect_near(GetParam(), train());
}

TEST_P(TrainingParity, WithGradientCheckpointingTheyAreToo) {
  expect_near(GetParam(), train({.checkpointing = true}), Rounding::kOther);
}

TEST_P(TrainingParity, TheSameSeedGivesTheSameBits) {
  const auto first = train(), second = train();
  EXPECT_EQ(first.losses, second.losses);
  for (const auto& item : first.weights)
    EXPECT_TRUE(is_same(item.key(), second.weights[item.key()], item.value()));
}

TEST_P(TrainingParity, AnotherSeedOrRateIsAnotherTraining) {
  const auto golden = load_golden(GetParam());
  const auto other = distance(train({.seed = 1}), golden);
  EXPECT_GT(other.losses, kBound);
  EXPECT_GT(other.weights, kBound);
  const auto faster = distance(train({.lr = 1.01}), golden);
  EXPECT_GT(faster.weights, kBound);
  EXPECT_GT(faster.rates, 1e-12);
}

}  // namespace
}  // namespace xattn::testing
