#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>
#include <c10/util/FunctionRef.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "ops/kernel_arguments.h"

namespace xattn {

/// The place of the algorithm that a layer takes: the first, unless this thread's plan knows
/// better, or measures them all by `compute`, which may be called for each of them some times.
///
/// What `layer` says is asked only where there is a plan.
std::size_t choose_algorithm(c10::function_ref<std::string()> layer,
                             at::ArrayRef<std::string_view> algorithms,
                             c10::function_ref<at::Tensor(std::size_t)> compute);

/// The same where nothing can be measured.
std::size_t choose_algorithm(c10::function_ref<std::string()> layer,
                             at::ArrayRef<std::string_view> algorithms);

/// compute(whether by our kernels, or else by LibTorch's).
template <typename Layer, typename Compute>
at::Tensor by_ours_or_libtorchs(bool ours_are_faster, const Layer& layer, const Compute& compute) {
  constexpr std::string_view kNames[] = {"xattn", "libtorch", "xattn"};
  const auto ours = [&](std::size_t place) { return (place == 0) == ours_are_faster; };
  return compute(ours(choose_algorithm(layer, {kNames + (ours_are_faster ? 0 : 1), 2},
                                       [&](std::size_t place) { return compute(ours(place)); })));
}

/// How a plan calls the product of rows with a weight `[out, in]`: "linear 4096x320->2560".
std::string product_name(std::string_view kind, const at::Tensor& x, const at::Tensor& weight);

/// ", float16", for a weight that is stored so, or nothing.
std::string stored_name(const at::Tensor& weight);

/// Sizes as a plan says them: "1x320x64x64".
std::string sizes_name(at::IntArrayRef sizes);

}  // namespace xattn
