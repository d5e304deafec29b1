#include "models/unet_2d_condition/unet_2d_condition_arguments.h"

#include <algorithm>
#include <string>

#include "core/check.h"

namespace xattn::unet_2d_condition {
namespace {

constexpr auto kUNetArguments = "UNet2DConditionModel";

void check_given(const char* name, bool is_given, bool is_wanted, const char* field) {
  if (is_given == is_wanted) return;
  throw_value_error(kUNetArguments, name,
                    std::string(is_wanted ? "a tensor with " : "none without ") + field,
                    is_given ? "a tensor" : "none");
}

}  // namespace

void check_mask(const char* name, const std::optional<at::Tensor>& mask, int64_t batch) {
  if (mask) check_shape(kUNetArguments, name, *mask, {batch, "L"});
}

void check_inputs(const UNet2DConditionConfig& config, const at::Tensor& sample,
                  const at::Tensor& timestep, const UNet2DConditionArguments& arguments,
                  const at::Tensor& weight) {
  check_input(kUNetArguments, "sample", sample, {"B", config.in_channels, "H", "W"}, weight);
  if (!timestep.defined() || timestep.dim() > 1 ||
      (timestep.numel() != 1 && timestep.numel() != sample.size(0))) {
    throw_value_error(kUNetArguments, "timestep", "[] or [" + std::to_string(sample.size(0)) + "]",
                      timestep.defined() ? shape_text(timestep.sizes()) : "none");
  }
  check_mask("attention_mask", arguments.attention_mask, sample.size(0));
  check_mask("encoder_attention_mask", arguments.encoder_attention_mask, sample.size(0));
  check_given("class_labels", arguments.class_labels.has_value(),
              config.class_embed_type || config.num_class_embeds,
              "class_embed_type or num_class_embeds");
  if (arguments.timestep_cond)
    check_given("timestep_cond", true, config.time_cond_proj_dim.has_value(), "time_cond_proj_dim");
  const bool has_size = config.addition_embed_type.has_value();
  check_given("text_embeds", arguments.text_embeds.has_value(), has_size, "addition_embed_type");
  check_given("time_ids", arguments.time_ids.has_value(), has_size, "addition_embed_type");
  const auto down = arguments.down_block_additional_residuals.size();
  if ((down > 0) != arguments.mid_block_additional_residual.has_value()) {
    throw_value_error(
        kUNetArguments,
        down > 0 ? "mid_block_additional_residual" : "down_block_additional_residuals",
        "given, as its counterpart is", "none");
  }
}

void check_prepared_masks(const UNet2DConditionConfig& config,
                          const UNet2DConditionArguments& arguments) {
  if (arguments.encoder_attention_mask) {
    throw_value_error(kUNetArguments, "encoder_attention_mask",
                      "none, as the text was prepared with its own", "a tensor");
  }
  const auto& only_cross = config.only_cross_attention;
  if (arguments.attention_mask &&
      std::find(only_cross.begin(), only_cross.end(), true) != only_cross.end()) {
    throw_value_error(kUNetArguments, "attention_mask",
                      "none with a prepared text and only_cross_attention", "a tensor");
  }
}

std::optional<at::Tensor> IntrablockResiduals::next() {
  if (next_ == residuals_.size()) return std::nullopt;
  return residuals_[next_++];
}

std::optional<at::Tensor> IntrablockResiduals::next_of(at::IntArrayRef sizes) {
  if (next_ == residuals_.size() || residuals_[next_].sizes() != sizes) return std::nullopt;
  return next();
}

void IntrablockResiduals::check_all_taken() const {
  if (next_ == residuals_.size()) return;
  throw_value_error(kUNetArguments, "down_intrablock_additional_residuals",
                    std::to_string(next_) + " tensors, and one of the middle's shape at most",
                    std::to_string(residuals_.size()));
}

void add_control(std::vector<at::Tensor>& residuals, const std::vector<at::Tensor>& additional) {
  if (additional.empty()) return;
  if (additional.size() != residuals.size()) {
    throw_value_error(kUNetArguments, "down_block_additional_residuals",
                      std::to_string(residuals.size()) + " tensors",
                      std::to_string(additional.size()));
  }
  for (size_t i = 0; i < residuals.size(); ++i) {
    const auto sizes = residuals[i].sizes();
    check_input(kUNetArguments, "down_block_additional_residuals", additional[i],
                {sizes[0], sizes[1], sizes[2], sizes[3]}, residuals[i]);
    residuals[i] = residuals[i] + additional[i];
  }
}

}  // namespace xattn::unet_2d_condition
