#pragma once

#include "xattn/models/unet_2d_condition/unet_2d_condition_arguments.h"

#include <optional>
#include <vector>

#include "xattn/models/unet_2d_condition/unet_2d_condition_config.h"

namespace xattn::unet_2d_condition {

/// Throws `ValueError` unless a model of this config takes these inputs; `weight` is one of its.
void check_inputs(const UNet2DConditionConfig& config, const at::Tensor& sample,
                  const at::Tensor& timestep, const UNet2DConditionArguments& arguments,
                  const at::Tensor& weight);

/// Throws `ValueError` unless the mask is `[B, L]`.
void check_mask(const char* name, const std::optional<at::Tensor>& mask, int64_t batch);

/// Throws `ValueError` for masks that a prepared text would leave without effect.
void check_prepared_masks(const UNet2DConditionConfig& config,
                          const UNet2DConditionArguments& arguments);

/// The residuals of T2I-Adapter, taken one after another.
class IntrablockResiduals {
 public:
  explicit IntrablockResiduals(const std::vector<at::Tensor>& residuals) : residuals_(residuals) {}

  std::optional<at::Tensor> next();
  /// The next one, if it has these sizes.
  std::optional<at::Tensor> next_of(at::IntArrayRef sizes);
  /// Throws `ValueError` where some are left.
  void check_all_taken() const;

 private:
  const std::vector<at::Tensor>& residuals_;
  size_t next_ = 0;
};

/// Adds ControlNet's residuals to those of the way down.
void add_control(std::vector<at::Tensor>& residuals, const std::vector<at::Tensor>& additional);

}  // namespace xattn::unet_2d_condition
