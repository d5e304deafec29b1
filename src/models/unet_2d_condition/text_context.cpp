#include "xattn/models/unet_2d_condition/text_context.h"

#include <ATen/ops/rsub.h>

#include <utility>

#include "core/check.h"

namespace xattn {
namespace {

std::optional<at::Tensor> bias_of(const std::optional<at::Tensor>& mask, const at::Tensor& states) {
  if (!mask || !mask->defined()) return std::nullopt;
  if (mask->dim() == 3) return mask;
  const auto number = states.defined() ? mask->to(states.scalar_type()) : *mask;
  return (at::rsub(number, 1) * -10000.0).unsqueeze(1);
}

}  // namespace

TextContext::TextContext(at::Tensor encoder_hidden_states,
                         const std::optional<at::Tensor>& encoder_attention_mask,
                         const std::optional<at::Tensor>& attention_mask)
    : encoder_hidden_states_(std::move(encoder_hidden_states)),
      encoder_attention_mask_(bias_of(encoder_attention_mask, encoder_hidden_states_)),
      attention_mask_(bias_of(attention_mask, encoder_hidden_states_)) {}

TextContext::TextContext(const std::vector<PreparedText>* prepared,
                         const std::optional<at::Tensor>& attention_mask)
    : attention_mask_(bias_of(attention_mask, {})), prepared_(prepared) {}

at::Tensor TextContext::attend(AttentionImpl& attention, const at::Tensor& hidden_states,
                               const std::optional<at::Tensor>& mask) {
  if (!prepared_) return attention.forward(hidden_states, encoder_hidden_states_, mask);
  if (next_ == prepared_->size()) {
    throw_value_error("TextContext", "prepared", "a text for each cross attention layer",
                      "only " + std::to_string(next_));
  }
  return attention.forward_prepared(hidden_states, (*prepared_)[next_++]);
}

}  // namespace xattn
