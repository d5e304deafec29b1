// The time of CrossAttention and SimpleUNet on the CPU, with the text given and with the text
// prepared.

#include <benchmark/benchmark.h>
#include <torch/utils.h>

#include "xattn/models/simple_unet/simple_unet.h"
#include "xattn/nn/cross_attention.h"

namespace {

/// Arguments: B, N, T, E.
struct AttentionInputs {
  explicit AttentionInputs(const benchmark::State& state)
      : attention(state.range(3)),
        image(torch::randn({state.range(0), state.range(1), state.range(3)})),
        text(torch::randn({state.range(0), state.range(2), state.range(3)})) {}

  xattn::CrossAttention attention;
  torch::Tensor image;
  torch::Tensor text;
};

void cross_attention(benchmark::State& state) {
  const torch::NoGradGuard no_grad;
  AttentionInputs inputs(state);
  for (auto _ : state) benchmark::DoNotOptimize(inputs.attention(inputs.image, inputs.text));
}

void cross_attention_prepared(benchmark::State& state) {
  const torch::NoGradGuard no_grad;
  AttentionInputs inputs(state);
  const auto text = inputs.attention->prepare(inputs.text);
  for (auto _ : state)
    benchmark::DoNotOptimize(inputs.attention->forward_prepared(inputs.image, text));
}

void cross_attention_backward(benchmark::State& state) {
  AttentionInputs inputs(state);
  for (auto _ : state) inputs.attention(inputs.image, inputs.text).sum().backward();
}

/// Arguments: B, image size, T, E.
struct UNetInputs {
  explicit UNetInputs(const benchmark::State& state)
      : unet(state.range(3)),
        images(torch::randn({state.range(0), 3, state.range(1), state.range(1)})),
        text(torch::randn({state.range(0), state.range(2), state.range(3)})) {}

  xattn::SimpleUNet unet;
  torch::Tensor images;
  torch::Tensor text;
};

void simple_unet(benchmark::State& state) {
  const torch::NoGradGuard no_grad;
  UNetInputs inputs(state);
  for (auto _ : state) benchmark::DoNotOptimize(inputs.unet(inputs.images, inputs.text));
}

void simple_unet_prepared(benchmark::State& state) {
  const torch::NoGradGuard no_grad;
  UNetInputs inputs(state);
  const auto text = inputs.unet->prepare(inputs.text);
  for (auto _ : state) benchmark::DoNotOptimize(inputs.unet->forward_prepared(inputs.images, text));
}

void attention_shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"B", "N", "T", "E"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const int64_t n : {1024, 4096}) {
    for (const int64_t t : {10, 77}) benchmark->Args({4, n, t, 256});
  }
}

void unet_shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"B", "size", "T", "E"})->Unit(benchmark::kMillisecond)->UseRealTime();
  benchmark->Args({4, 64, 10, 256})->Args({1, 512, 77, 256});
}

BENCHMARK(cross_attention)->Apply(attention_shapes);
BENCHMARK(cross_attention_prepared)->Apply(attention_shapes);
BENCHMARK(cross_attention_backward)->Apply(attention_shapes);
BENCHMARK(simple_unet)->Apply(unet_shapes);
BENCHMARK(simple_unet_prepared)->Apply(unet_shapes);

}  // namespace
