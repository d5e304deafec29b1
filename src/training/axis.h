#pragma once

#include <string>
#include <vector>

namespace xattn::training {

/// A mark of an axis.
struct Tick {
  double value = 0;
  std::string label;
};

/// A range of values that becomes a range of pixels.
class Axis {
 public:
  /// `low` < `high`, above 0 where logarithmic.
  Axis(double low, double high, bool is_logarithmic)
      : low_(low), high_(high), is_logarithmic_(is_logarithmic) {}

  /// Which part of the way from low to high a value is.
  double part_of(double value) const;

  /// About `wanted` round numbers within the range, with their texts.
  std::vector<Tick> ticks(int wanted) const;

 private:
  double low_, high_;
  bool is_logarithmic_;
};

/// "0.05", "250", "1e-5", "15k", "2M"
std::string number_label(double value);

}  // namespace xattn::training
