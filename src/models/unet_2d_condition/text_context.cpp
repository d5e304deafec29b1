#include "xattn/models/unet_2d_condition/text_context.h"

#include <ATen/ops/rsub.h>

#include <utility>

#include "core/call.h"
#include "core/check.h"

namespace xattn {
namespace {

std::optional<at::Tensor> bias_of(const char* name, const std::optional<at::Tensor>& mask,
                                  const at::Tensor& states) {
  if (!mask || !mask->defined()) return std::nullopt;
  if (mask->dim() == 3) {
    // Added to the scores, where true would be 1.
    if (!mask->is_floating_point()) {
      throw_value_error("TextContext", name, "a floating-point dtype for a mask [B, 1, L]",
                        dtype_text(mask->scalar_type()));
    }
    return mask;
  }
  if (mask->dim() != 2)
    throw_value_error("TextContext", name, "[B, L] or [B, 1, L]", shape_text(mask->sizes()));
  auto number = *mask;
  if (states.defined()) {
    number = number.to(states.scalar_type());
  } else if (!number.is_floating_point()) {
    number = number.to(at::kFloat);
  }
  return (at::rsub(number, 1) * -10000.0).unsqueeze(1);
}

}  // namespace

TextContext::TextContext(at::Tensor encoder_hidden_states,
                         const std::optional<at::Tensor>& encoder_attention_mask,
                         const std::optional<at::Tensor>& attention_mask)
    : encoder_hidden_states_(std::move(encoder_hidden_states)),
      encoder_attention_mask_(
          bias_of("encoder_attention_mask", encoder_attention_mask, encoder_hidden_states_)),
      attention_mask_(bias_of("attention_mask", attention_mask, encoder_hidden_states_)) {}

TextContext::TextContext(const PreparedTexts* prepared,
                         const std::optional<at::Tensor>& attention_mask)
    : attention_mask_(bias_of("attention_mask", attention_mask, {})), prepared_(prepared) {}

at::Tensor TextContext::attend(AttentionImpl& attention, const at::Tensor& hidden_states,
                               const std::optional<at::Tensor>& mask) const {
  if (!prepared_) return attention.forward(hidden_states, encoder_hidden_states_, mask);
  if (const auto* text = prepared_->find(attention.to_q->weight))
    return attention.forward_prepared(hidden_states, *text);
  const Call call(attention, "Attention");
  throw_value_error("Attention", "text (prepared)", "one that this layer prepared",
                    prepared_->layers().empty() ? "none" : "another's");
}

}  // namespace xattn
