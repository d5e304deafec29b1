#include "training/axis.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace xattn::training {
namespace {

/// A number with at most so many digits that count, without zeros behind them.
std::string short_number(double value, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*g", digits, value);
  return text.data();
}

std::vector<Tick> linear_ticks(double low, double high, int wanted) {
  const auto rough = (high - low) / wanted;
  const auto unit = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * unit;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * unit >= 0.999 * rough) {
      step = factor * unit;
      break;
    }
  }
  std::vector<Tick> ticks;
  const auto slack = 1e-9 * (high - low);
  for (auto i = std::ceil((low - slack) / step); i * step <= high + slack; ++i) {
    ticks.push_back({i * step, number_label(i * step)});
  }
  return ticks;
}

/// Powers of ten, times each of `factors`.
template <class Factors>
std::vector<Tick> decade_ticks(double low, double high, const Factors& factors) {
  std::vector<Tick> ticks;
  for (auto power = std::floor(std::log10(low)); power <= std::ceil(std::log10(high)); ++power) {
    for (const double factor : factors) {
      const auto value = factor * std::pow(10, power);
      if (value >= low && value <= high) ticks.push_back({value, number_label(value)});
    }
  }
  return ticks;
}

}  // namespace

std::string number_label(double value) {
  const auto size = std::fabs(value);
  if (size < 1e-12) return "0";
  if (size >= 1e6 && size < 1e9) return short_number(value / 1e6, 4) + "M";
  if (size >= 1e4 && size < 1e6) return short_number(value / 1e3, 5) + "k";
  if (size >= 1e-3 && size < 1e4) return short_number(value, 5);
  // "1e-05" as "1e-5"
  auto text = short_number(value, 3);
  const auto exponent = text.find('e');
  if (exponent != std::string::npos) {
    auto digits = exponent + 2;
    while (digits + 1 < text.size() && text[digits] == '0') text.erase(digits, 1);
    if (text[exponent + 1] == '+') text.erase(exponent + 1, 1);
  }
  return text;
}

double Axis::part_of(double value) const {
  if (is_logarithmic_) return std::log(value / low_) / std::log(high_ / low_);
  return (value - low_) / (high_ - low_);
}

std::vector<Tick> Axis::ticks(int wanted) const {
  if (!is_logarithmic_) return linear_ticks(low_, high_, wanted);
  const auto decades = std::log10(high_ / low_);
  if (decades < 0.8) return linear_ticks(low_, high_, wanted);
  if (decades < 3) return decade_ticks(low_, high_, std::array{1.0, 2.0, 5.0});
  auto ticks = decade_ticks(low_, high_, std::array{1.0});
  // Of many decades every second one, or fewer.
  const auto each = static_cast<std::size_t>(std::ceil(static_cast<double>(ticks.size()) / 12));
  std::vector<Tick> kept;
  for (std::size_t i = 0; i < ticks.size(); i += each) kept.push_back(ticks[i]);
  return kept;
}

}  // namespace xattn::training
