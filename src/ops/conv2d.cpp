#include "xattn/ops/conv2d.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <c10/util/SmallVector.h>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "ops/cpu/choice.h"
#include "ops/cpu/winograd.h"
#include "ops/gradient.h"
#include "ops/group_norm.h"
#include "ops/kernel_arguments.h"
#include "ops/planned.h"
#include "xattn/ops/linear.h"
#include "xattn/ops/precision.h"

namespace xattn {
namespace {

constexpr auto kPixels = at::MemoryFormat::ChannelsLast;

/// A convolution without what it is fused with.
struct Conv2dLayer {
  const at::Tensor &x, &weight, &bias;
  int64_t stride, padding;

  bool fits(int64_t kernel) const {
    return kernels_can_take(x, weight, bias) && x.dim() == 4 && weight.dim() == 4 &&
           x.size(1) == weight.size(1) && weight.size(2) == kernel && weight.size(3) == kernel &&
           x.numel() > 0;
  }
};

/// How it is computed.
struct Conv2dAlgorithm {
  enum Kind { kWinograd, kLinear, kLibTorch } kind = kLibTorch;
  cpu::WinogradWay winograd = {};

  std::string_view name() const {
    if (kind == kLibTorch) return "libtorch";
    if (kind == kLinear) return "linear";
    if (winograd.tile == 4) {
      return winograd.by_channels ? "winograd 4x4 by channels" : "winograd 4x4 by tiles";
    }
    return winograd.by_channels ? "winograd 2x2 by channels" : "winograd 2x2 by tiles";
  }
};
using Conv2dAlgorithms = c10::SmallVector<Conv2dAlgorithm, 5>;

bool can_use_winograd(const Conv2dLayer& layer) {
  return layer.padding == 1 && (layer.stride == 1 || layer.stride == 2) && layer.fits(3) &&
         cpu::winograd_fits(layer.weight.size(1), layer.weight.size(0));
}

/// Whether a 1×1 convolution is a linear layer over pixels as they lie: none is copied.
bool can_use_linear(const Conv2dLayer& layer) {
  return layer.padding == 0 && layer.stride == 1 && layer.fits(1) &&
         layer.x.suggest_memory_format() == kPixels && layer.x.is_contiguous(kPixels);
}

bool norm_wants_gradient(const Conv2dFusion& fusion) {
  return fusion.norm && wants_gradient({fusion.norm->weight, fusion.norm->bias});
}

/// Those that can be used, from what is believed fastest.
Conv2dAlgorithms algorithms_for(const Conv2dLayer& layer, const Conv2dFusion& fusion,
                                Precision precision) {
  if (norm_wants_gradient(fusion)) return {Conv2dAlgorithm()};
  Conv2dAlgorithms found;
  const auto& x = layer.x;
  bool is_faster = false;
  if (can_use_winograd(layer)) {
    const int64_t scale = fusion.enlarges ? 2 : 1;
    for (const auto way :
         cpu::winograd_ways(x.size(0), scale * x.size(2), scale * x.size(3), precision)) {
      found.push_back({Conv2dAlgorithm::kWinograd, way});
    }
    is_faster = cpu::winograd_is_faster(x.size(0) * x.size(2) * x.size(3), layer.stride);
  } else if (can_use_linear(layer)) {
    found.push_back({Conv2dAlgorithm::kLinear});
    is_faster = cpu::linear_conv2d_is_faster(x.numel() / x.size(1));
  }
  found.insert(is_faster ? found.end() : found.begin(), Conv2dAlgorithm());
  return found;
}

std::string name_of(const Conv2dLayer& layer, const Conv2dFusion& fusion, Precision precision) {
  const auto& [x, weight, bias, stride, padding] = layer;
  auto name = fmt::format("conv2d {}x{} {}->{}", weight.size(2), weight.size(3),
                          sizes_name(x.sizes()), weight.size(0));
  if (stride != 1) name += fmt::format(" /{}", stride);
  name += stored_name(weight);
  if (fusion.norm) name += ", group_norm";
  if (fusion.enlarges) name += ", enlarged";
  if (precision == Precision::kPrecise) name += ", precise";
  return name;
}

at::Tensor linear_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  // Without gradient no view needs to know its base: the result may be written into.
  const at::AutoDispatchBelowADInplaceOrView guard;
  const auto pixels = x.permute({0, 2, 3, 1});
  // LibTorch adds a bias to rows as it multiplies, to more dimensions afterwards.
  return linear(pixels.reshape({-1, x.size(1)}), weight.flatten(1), bias)
      .view({x.size(0), x.size(2), x.size(3), -1})
      .permute({0, 3, 1, 2});
}

/// Whether a convolution by Winograd's way can take what it is fused with.
bool can_fuse(const Conv2dLayer& layer, const Conv2dFusion& fusion) {
  const auto& [x, weight, bias, stride, padding] = layer;
  const auto& [norm, enlarges, shift, residual] = fusion;
  const int64_t scale = enlarges ? 2 : 1, channels = weight.size(0);
  const auto is_of = [](const at::Tensor& tensor, at::IntArrayRef sizes) {
    return is_plain_float(tensor) && tensor.sizes() == sizes && !wants_gradient({tensor});
  };
  return stride == 1 && (!norm || group_norm_can_take(x, *norm)) &&
         (!shift.defined() || is_of(shift, {x.size(0), channels})) &&
         (!residual.defined() ||
          is_of(residual, {x.size(0), channels, scale * x.size(2), scale * x.size(3)}));
}

at::Tensor unfused_conv2d(const Conv2dLayer& layer, const Conv2dAlgorithm& algorithm) {
  const auto& [x, weight, bias, stride, padding] = layer;
  if (algorithm.kind == Conv2dAlgorithm::kWinograd) {
    auto output = cpu::winograd_conv2d(x, weight, bias, algorithm.winograd);
    if (stride == 1) return output;
    return output.slice(2, 0, std::nullopt, stride)
        .slice(3, 0, std::nullopt, stride)
        .contiguous(kPixels);
  }
  if (algorithm.kind == Conv2dAlgorithm::kLinear) return linear_conv2d(x, weight, bias);
  const auto output = at::conv2d(x, widened_for(x, weight), if_defined(bias), stride, padding);
  return kernels_can_take(x, weight, bias) && x.dim() == 4 && cpu::images_go_by_pixels()
             ? output.contiguous(kPixels)
             : output;
}

at::Tensor conv2d_by(const Conv2dAlgorithm& algorithm, const Conv2dLayer& layer,
                     Conv2dFusion fusion) {
  if (algorithm.kind == Conv2dAlgorithm::kWinograd && can_fuse(layer, fusion)) {
    return cpu::winograd_conv2d(layer.x, layer.weight, layer.bias, algorithm.winograd,
                                std::move(fusion));
  }
  auto input = fusion.norm ? group_norm(layer.x, *fusion.norm) : layer.x;
  if (fusion.enlarges) {
    input = at::upsample_nearest2d(input, {2 * input.size(2), 2 * input.size(3)});
  }
  auto output =
      unfused_conv2d({input, layer.weight, layer.bias, layer.stride, layer.padding}, algorithm);
  if (fusion.shift.defined()) output = output.add(fusion.shift.unsqueeze(-1).unsqueeze(-1));
  return fusion.residual.defined() ? fusion.residual.add(output) : output;
}

}  // namespace

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t stride, int64_t padding, Conv2dFusion fusion) {
  const Conv2dLayer layer{x, weight, bias, stride, padding};
  const auto precision = UsePrecision::current();
  const auto algorithms = algorithms_for(layer, fusion, precision);
  if (algorithms.size() == 1) return conv2d_by(algorithms[0], layer, std::move(fusion));
  c10::SmallVector<std::string_view, 5> names;
  for (const auto& algorithm : algorithms) names.push_back(algorithm.name());
  // While it is measured the residual is not ours alone, and stays as it is.
  const auto chosen = choose_algorithm(
      [&] { return name_of(layer, fusion, precision); }, names,
      [&](std::size_t place) { return conv2d_by(algorithms[place], layer, fusion); });
  return conv2d_by(algorithms[chosen], layer, std::move(fusion));
}

}  // namespace xattn
