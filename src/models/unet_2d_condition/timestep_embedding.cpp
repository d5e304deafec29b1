#include "xattn/models/unet_2d_condition/timestep_embedding.h"

#include "core/call.h"
#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kTimestepEmbedding = "TimestepEmbedding";

}  // namespace

TimestepEmbeddingImpl::TimestepEmbeddingImpl(const TimestepEmbeddingOptions& options_)
    : options(options_) {
  reset();
}

void TimestepEmbeddingImpl::reset() {
  const auto linear = [](int64_t in, int64_t out, bool bias) {
    return Linear(torch::nn::LinearOptions(in, out).bias(bias));
  };
  const auto in = options.in_channels(), inner = options.time_embed_dim();
  act_ = get_activation(options.act_fn(), kTimestepEmbedding, "act_fn");
  post_act_ = options.post_act_fn()
                  ? get_activation(*options.post_act_fn(), kTimestepEmbedding, "post_act_fn")
                  : nullptr;
  linear_1 = register_module("linear_1", linear(in, inner, options.sample_proj_bias()));
  if (options.cond_proj_dim()) {
    cond_proj = register_module("cond_proj", linear(*options.cond_proj_dim(), in, false));
  }
  const auto out = options.out_dim().value_or(inner);
  linear_2 = register_module("linear_2", linear(inner, out, options.sample_proj_bias()));
}

void TimestepEmbeddingImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::TimestepEmbedding(in_channels=" << options.in_channels()
         << ", time_embed_dim=" << options.time_embed_dim() << ")";
}

torch::Tensor TimestepEmbeddingImpl::forward(const torch::Tensor& sample,
                                             const std::optional<torch::Tensor>& condition) {
  const Call call(*this, kTimestepEmbedding);
  check_input(kTimestepEmbedding, "sample", sample, {"B", options.in_channels()},
              linear_1->inputs_like());
  auto states = sample;
  if (condition) {
    if (!cond_proj)
      throw_value_error(kTimestepEmbedding, "condition", "none without cond_proj_dim", "a tensor");
    check_input(kTimestepEmbedding, "condition", *condition,
                {sample.size(0), *options.cond_proj_dim()}, linear_1->inputs_like());
    states = states + cond_proj(*condition);
  }
  states = linear_2(act_(linear_1(states)));
  return post_act_ ? post_act_(states) : states;
}

}  // namespace xattn
