// A small run: learns, logs, saves a checkpoint every second step, and goes on from the last one
// when it is started again. resume_test.cpp kills it. `resume_program FOLDER STEPS [PART]` ends
// with FOLDER/final.safetensors; it forgets the part of a checkpoint that is named: model,
// optimizer, place or random_state.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "xattn/io/safetensors.h"
#include "xattn/io/state_dict.h"
#include "xattn/training/training_checkpoint.h"
#include "xattn/training/training_log.h"

namespace {

using torch::optim::AdamWParamState;

xattn::StateDict state_of(const torch::optim::AdamW& optimizer) {
  xattn::StateDict tensors;
  int64_t index = 0;
  for (const auto& parameter : optimizer.param_groups()[0].params()) {
    const auto name = std::to_string(index++);
    const auto found = optimizer.state().find(parameter.unsafeGetTensorImpl());
    if (found == optimizer.state().end()) continue;
    const auto& state = static_cast<const AdamWParamState&>(*found->second);
    tensors.insert(name + ".step", torch::zeros({1}, torch::kLong).fill_(state.step()));
    tensors.insert(name + ".exp_avg", state.exp_avg());
    tensors.insert(name + ".exp_avg_sq", state.exp_avg_sq());
  }
  return tensors;
}

void set_state(torch::optim::AdamW& optimizer, const xattn::StateDict& tensors) {
  int64_t index = 0;
  for (const auto& parameter : optimizer.param_groups()[0].params()) {
    const auto name = std::to_string(index++);
    auto state = std::make_unique<AdamWParamState>();
    state->step(tensors[name + ".step"].item<int64_t>());
    state->exp_avg(tensors[name + ".exp_avg"].clone());
    state->exp_avg_sq(tensors[name + ".exp_avg_sq"].clone());
    optimizer.state()[parameter.unsafeGetTensorImpl()] = std::move(state);
  }
}

void say(const char* what, int64_t step) {
  std::printf("%s %lld\n", what, static_cast<long long>(step));
  std::fflush(stdout);
}

void run(const std::string& folder, int64_t steps, const std::string& forgotten) {
  torch::manual_seed(7);
  torch::nn::Sequential model(torch::nn::Linear(8, 400), torch::nn::GELU(),
                              torch::nn::Linear(400, 400), torch::nn::GELU(),
                              torch::nn::Linear(400, 4));
  torch::optim::AdamW optimizer(model->parameters(), torch::optim::AdamWOptions(1e-3));
  xattn::BatchOrder order(13, 4, 5);
  auto generator = at::globalContext().defaultGenerator(at::kCPU);
  int64_t step = 0;
  if (const auto latest = xattn::latest_checkpoint(folder); latest.path) {
    const auto checkpoint = xattn::load_training_checkpoint(*latest.path);
    step = checkpoint.step;
    if (forgotten != "place") order.seek(checkpoint.place);
    if (forgotten != "model") xattn::load_state_dict(*model, checkpoint.tensors.at("model"));
    if (forgotten != "optimizer") set_state(optimizer, checkpoint.tensors.at("optimizer"));
    if (forgotten != "random_state") generator.set_state(checkpoint.random_state);
  }
  auto log = xattn::TrainingLog::resume(folder + "/log.jsonl", step);
  while (step < steps) {
    ++step;
    std::vector<at::Tensor> given;
    for (const auto& turn : order.next()) {
      auto own = turn.generator();
      given.push_back(torch::rand({8}, own) + static_cast<double>(turn.picture));
    }
    const auto input = torch::stack(given);
    const auto noise = torch::randn({4, 4});  // by torch's own generator
    const auto loss = torch::mse_loss(model->forward(input), input.narrow(1, 0, 4) + 0.1 * noise);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    log.append({step, loss.item<double>(), 1e-3, 0, 0});
    say("step", step);
    if (step % 2 == 0) {
      xattn::TrainingCheckpoint checkpoint;
      checkpoint.step = step;
      checkpoint.place = order.place();
      checkpoint.tensors["model"] = xattn::state_dict(*model);
      checkpoint.tensors["optimizer"] = state_of(optimizer);
      checkpoint.random_state = generator.get_state();
      log.sync();
      say("saving", step);
      xattn::save_training_checkpoint(folder, checkpoint, {.keep = 2});
    }
  }
  xattn::save_safetensors(folder + "/final.safetensors", xattn::state_dict(*model));
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3 || count > 4) return 2;
  try {
    run(arguments[1], std::atoll(arguments[2]), count == 4 ? arguments[3] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
