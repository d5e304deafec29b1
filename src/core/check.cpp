#include "core/check.h"

#include <ATen/autocast_mode.h>
#include <ATen/ops/aminmax.h>
#include <c10/core/ScalarType.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/call.h"
#include "core/scalar_type.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

std::string expected_text(std::initializer_list<ExpectedDim> shape) {
  std::vector<std::string> dims;
  for (const auto& dim : shape) dims.push_back(dim.size < 0 ? dim.name : std::to_string(dim.size));
  return fmt::format("[{}]", fmt::join(dims, ", "));
}

bool matches(at::IntArrayRef sizes, std::initializer_list<ExpectedDim> shape) {
  if (sizes.size() != shape.size()) return false;
  auto size = sizes.begin();
  for (const auto& dim : shape) {
    if (dim.size >= 0 && dim.size != *size) return false;
    ++size;
  }
  return true;
}

}  // namespace

void throw_value_error(std::string_view place, std::string_view name, std::string_view expected,
                       std::string_view got) {
  throw ValueError(
      fmt::format("{}{}: expected {}, got {}", Call::error_start(place), name, expected, got));
}

void check_at_least(std::string_view place, std::string_view name, int64_t value, int64_t least) {
  if (value < least)
    throw_value_error(place, name, fmt::format("{} or more", least), std::to_string(value));
}

std::string dtype_text(at::ScalarType dtype) {
  const auto known = to_dtype(dtype);
  return std::string(known ? name(*known) : c10::toString(dtype));
}

void check_shape(std::string_view place, std::string_view name, const at::Tensor& tensor,
                 std::initializer_list<ExpectedDim> shape) {
  if (!tensor.defined())
    throw_value_error(place, name, expected_text(shape), "an undefined tensor");
  if (!matches(tensor.sizes(), shape)) {
    throw_value_error(place, name, expected_text(shape), shape_text(tensor.sizes()));
  }
}

void check_input(std::string_view place, std::string_view name, const at::Tensor& tensor,
                 std::initializer_list<ExpectedDim> shape, const at::Tensor& weight) {
  check_shape(place, name, tensor, shape);
  if (Call::is_inner()) return;
  const bool is_cast = is_autocast(weight.device().type()) && tensor.is_floating_point();
  if (tensor.scalar_type() != weight.scalar_type() && !is_cast) {
    throw_value_error(place, name, dtype_text(weight.scalar_type()) + " as the weights",
                      dtype_text(tensor.scalar_type()));
  }
  check_device(place, name, tensor, weight);
}

at::Tensor check_text_mask(std::string_view place, const at::Tensor& mask, const at::Tensor& text) {
  const auto batch = text.size(0), tokens = text.size(1);
  if (mask.defined() && mask.scalar_type() == at::kBool) {
    check_shape(place, "text_mask", mask, {batch, tokens});
    check_device(place, "text_mask", mask, text);
  } else {
    check_input(place, "text_mask", mask, {batch, tokens}, text);
  }
  return mask.reshape({batch, 1, 1, tokens});
}

void check_indices(std::string_view place, std::string_view name, const at::Tensor& ids,
                   int64_t count, const at::Tensor& weight) {
  if (ids.scalar_type() != at::kLong && ids.scalar_type() != at::kInt) {
    throw_value_error(place, name, "dtype int64 or int32", dtype_text(ids.scalar_type()));
  }
  check_device(place, name, ids, weight);
  if (ids.numel() == 0) return;
  const auto [smallest, largest] = at::aminmax(ids);
  const auto lowest = smallest.item<int64_t>(), highest = largest.item<int64_t>();
  if (lowest < 0 || highest >= count) {
    throw_value_error(place, name, fmt::format("ids from 0 to {}", count - 1),
                      std::to_string(lowest < 0 ? lowest : highest));
  }
}

bool is_autocast(at::DeviceType device) {
  return at::autocast::is_autocast_available(device) && at::autocast::is_autocast_enabled(device);
}

void check_device(std::string_view place, std::string_view name, const at::Tensor& tensor,
                  const at::Tensor& weight) {
  if (tensor.device() != weight.device()) {
    throw_value_error(place, name, "a tensor on " + weight.device().str() + " as the weights",
                      tensor.device().str());
  }
}

}  // namespace xattn
