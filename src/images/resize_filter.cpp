#include "images/resize_filter.h"

#include <algorithm>
#include <cmath>

// Each operation is in the order of the original's, in double: results are equal to the last bit.

namespace xattn::images {
namespace {

constexpr double kPi = 3.14159265358979323846;

double box(double x) {
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

double triangle(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x = x * kPi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

struct Kernel {
  double (*weight)(double);
  double radius;
};

Kernel kernel_of(Resampling resampling) {
  switch (resampling) {
    case Resampling::kBox:
      return {box, 0.5};
    case Resampling::kBilinear:
      return {triangle, 1.0};
    case Resampling::kBicubic:
      return {cubic, 2.0};
    default:
      return {lanczos, 3.0};
  }
}

/// Below −½ not the nearest, as in the original; such a number counts as 0.
int64_t rounded(double x) {
  return static_cast<int64_t>(std::trunc(x + 0.5));
}

int32_t fixed_point(double weight) {
  const double scaled = weight * (int32_t{1} << ResizeFilter::kPrecision);
  return static_cast<int32_t>(weight < 0 ? -0.5 + scaled : 0.5 + scaled);
}

}  // namespace

ResizeFilter make_resize_filter(Resampling resampling, int64_t from, int64_t to) {
  const auto kernel = kernel_of(resampling);
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double filter_scale = std::max(scale, 1.0);
  const double radius = kernel.radius * filter_scale;
  const double step = 1.0 / filter_scale;

  ResizeFilter filter;
  filter.stride = static_cast<int64_t>(std::ceil(radius)) * 2 + 1;
  filter.windows.resize(static_cast<size_t>(to));
  filter.weights.resize(static_cast<size_t>(to * filter.stride));
  std::vector<double> weights(static_cast<size_t>(filter.stride));
  for (int64_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<int64_t>(0, rounded(center - radius));
    const auto end = std::min(from, rounded(center + radius));
    const auto count = end - first;
    double sum = 0.0;
    for (int64_t x = 0; x < count; ++x) {
      const double weight = kernel.weight((static_cast<double>(x + first) - center + 0.5) * step);
      weights[static_cast<size_t>(x)] = weight;
      sum += weight;
    }
    auto* fixed = filter.weights.data() + i * filter.stride;
    for (int64_t x = 0; x < count; ++x) {
      const double weight = weights[static_cast<size_t>(x)];
      fixed[x] = fixed_point(sum != 0.0 ? weight / sum : weight);
    }
    filter.windows[static_cast<size_t>(i)] = {first, count};
  }
  return filter;
}

std::vector<int64_t> nearest_pixels(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<int64_t> pixels(static_cast<size_t>(to));
  double at = scale * 0.5;
  for (auto& pixel : pixels) {
    pixel = at < static_cast<double>(from) ? static_cast<int64_t>(at) : -1;
    at += scale;  // as the original, whose rounding errors add up
  }
  return pixels;
}

}  // namespace xattn::images
