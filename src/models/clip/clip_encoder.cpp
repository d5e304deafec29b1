#include "xattn/models/clip/clip_encoder.h"

#include "core/call.h"
#include "core/check.h"
#include "xattn/nn/gradient_checkpoint.h"

namespace xattn {
namespace {

torch::Tensor checkpointed(const std::shared_ptr<CLIPEncoderLayerImpl>& layer,
                           const torch::Tensor& state,
                           const std::optional<torch::Tensor>& attention_mask) {
  // The mask is boolean: it needs no gradient.
  return gradient_checkpoint(
      layer,
      [layer = layer.get(), attention_mask](const std::vector<torch::Tensor>& inputs) {
        return layer->forward(inputs[0], attention_mask);
      },
      {state});
}

}  // namespace

CLIPEncoderImpl::CLIPEncoderImpl(const CLIPEncoderOptions& options_) : options(options_) {
  reset();
}

void CLIPEncoderImpl::reset() {
  check_at_least("CLIPEncoder", "num_hidden_layers", options.num_hidden_layers(), 0);
  layers = register_module("layers", torch::nn::ModuleList());
  for (int64_t i = 0; i < options.num_hidden_layers(); ++i)
    layers->push_back(CLIPEncoderLayer(options.layer()));
}

void CLIPEncoderImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CLIPEncoder(num_hidden_layers=" << options.num_hidden_layers() << ")";
}

torch::Tensor CLIPEncoderImpl::forward(const torch::Tensor& inputs_embeds,
                                       const std::optional<torch::Tensor>& attention_mask,
                                       std::vector<torch::Tensor>* hidden_states) {
  const Call call(*this, "CLIPEncoder");
  if (!layers->is_empty()) {
    check_input("CLIPEncoder", "inputs_embeds", inputs_embeds,
                {"B", "T", options.layer().hidden_size()},
                layers->at<CLIPEncoderLayerImpl>(0).self_attn->q_proj->inputs_like());
  }
  auto state = inputs_embeds;
  if (hidden_states) hidden_states->assign(1, state);
  // Typed members beside the list would be left behind by clone(), which replaces the list's
  // modules.
  for (size_t i = 0; i < layers->size(); ++i) {
    const auto layer = layers->ptr<CLIPEncoderLayerImpl>(i);
    state = gradient_checkpointing && is_training() && c10::GradMode::is_enabled()
                ? checkpointed(layer, state, attention_mask)
                : layer->forward(state, attention_mask);
    if (hidden_states) hidden_states->push_back(state);
  }
  return state;
}

}  // namespace xattn
