#include "xattn/models/unet_2d_condition/prepared_texts.h"

#include <torch/nn/module.h>

#include "core/check.h"
#include "xattn/models/unet_2d_condition/basic_transformer_block.h"
#include "xattn/models/unet_2d_condition/text_context.h"

namespace xattn {
namespace {

constexpr auto kPreparedTexts = "PreparedTexts";

/// The text of each layer, changed by a function.
template <typename Change>
PreparedTexts map_layers(const PreparedTexts& texts, const Change& change) {
  PreparedTexts::Layers layers;
  for (const auto& [name, text] : texts.layers()) layers.emplace(name, change(name, text));
  return PreparedTexts(std::move(layers));
}

}  // namespace

PreparedTexts::PreparedTexts(Layers layers) : layers_(std::move(layers)) {
  for (const auto& [name, text] : layers_)
    name_of_.emplace(text.weights.parameters.at(0).unsafeGetTensorImpl(), name);
}

const PreparedText& PreparedTexts::at(const std::string& name) const {
  const auto found = layers_.find(name);
  if (found == layers_.end())
    throw_value_error(kPreparedTexts, "name", "a layer's that reads the text", name);
  return found->second;
}

const PreparedText* PreparedTexts::find(const at::Tensor& query_weight) const {
  const auto found = name_of_.find(query_weight.unsafeGetTensorImpl());
  return found == name_of_.end() ? nullptr : &layers_.at(found->second);
}

int64_t PreparedTexts::batch_size() const {
  return layers_.empty() ? 0 : layers_.begin()->second.batch_size();
}

PreparedTexts PreparedTexts::select(const std::vector<int64_t>& texts) const {
  return map_layers(
      *this, [&](const std::string&, const PreparedText& text) { return text.select(texts); });
}

PreparedTexts PreparedTexts::repeat_interleave(int64_t repeats) const {
  return map_layers(*this, [&](const std::string&, const PreparedText& text) {
    return text.repeat_interleave(repeats);
  });
}

PreparedTexts PreparedTexts::cat(const std::vector<PreparedTexts>& texts) {
  if (texts.empty()) throw_value_error(kPreparedTexts, "cat", "one text or more", "none");
  for (const auto& each : texts) {
    if (each.layers_.size() != texts.front().layers_.size())
      throw_value_error(kPreparedTexts, "cat", "texts of one model", "another's");
  }
  return map_layers(texts.front(), [&](const std::string& name, const PreparedText&) {
    std::vector<PreparedText> of_layer;
    for (const auto& each : texts) of_layer.push_back(each.at(name));
    return PreparedText::cat(of_layer);
  });
}

PreparedTexts prepare_texts(const torch::nn::Module& module, const TextContext& text,
                            AttentionPath path) {
  PreparedTexts::Layers layers;
  const auto walk = [&](const auto& self, const torch::nn::Module& in,
                        const std::string& prefix) -> void {
    if (const auto* block = in.as<BasicTransformerBlockImpl>()) {
      for (auto& [name, attention, mask] : block->cross_attentions(text))
        layers.emplace(prefix + name, attention->prepare(text.encoder_hidden_states(), mask, path));
    }
    for (const auto& child : in.named_children())
      self(self, *child.value(), prefix + child.key() + ".");
  };
  walk(walk, module, "");
  return PreparedTexts(std::move(layers));
}

}  // namespace xattn
