#include "xattn/training/loss_curve.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/text.h"
#include "training/axis.h"
#include "training/canvas.h"

namespace xattn {
namespace {

using training::Align;
using training::Axis;
using training::Box;
using training::Canvas;
using training::Color;
using training::Point;

constexpr auto kCurve = "draw_loss_curve";

constexpr Color kPaper{255, 255, 255}, kPlot{248, 250, 252}, kGrid{226, 232, 240}, kInk{30, 41, 59},
    kLabel{100, 116, 139}, kLine{37, 99, 235}, kBad{220, 38, 38};
constexpr int kScale = 2;  // dots of the font, in pixels

/// The mean of each value's neighbours, which count the less the farther they are: by `keep` for
/// each step away, on both sides, so that the mean does not lag behind.
std::vector<double> smoothed(const std::vector<double>& values, double keep) {
  std::vector<double> sums(values.size()), weights(values.size());
  const auto go = [&](size_t first, size_t steps, bool forward) {
    double sum = 0, weight = 0;
    for (size_t i = 0; i < steps; ++i) {
      const auto at = forward ? first + i : first - i;
      sums[at] += keep * sum;
      weights[at] += keep * weight;
      sum = keep * sum + values[at];
      weight = keep * weight + 1;
    }
  };
  if (values.empty()) return {};
  go(0, values.size(), true);
  go(values.size() - 1, values.size(), false);
  for (size_t i = 0; i < values.size(); ++i) sums[i] = (sums[i] + values[i]) / (weights[i] + 1);
  return sums;
}

/// The losses that can be drawn, and the steps of those that cannot.
struct Losses {
  explicit Losses(const std::vector<TrainingLogEntry>& entries, double smoothing) {
    for (const auto& entry : entries) {
      const auto step = static_cast<double>(entry.step);
      std::isfinite(entry.loss) ? raw.push_back({step, entry.loss}) : bad_steps.push_back(step);
    }
    first_step = static_cast<double>(entries.front().step);
    last_step = static_cast<double>(entries.back().step);
    is_logarithmic = std::all_of(raw.begin(), raw.end(), [](Point point) { return point.y > 0; });
    std::vector<double> values;
    for (const auto& point : raw) values.push_back(is_logarithmic ? std::log(point.y) : point.y);
    const auto memory = smoothing * static_cast<double>(raw.size()) / 2;
    mean = raw;
    const auto means = smoothed(values, memory > 0 ? std::exp(-1 / memory) : 0);
    for (size_t i = 0; i < mean.size(); ++i) {
      mean[i].y = is_logarithmic ? std::exp(means[i]) : means[i];
    }
  }

  std::vector<Point> raw, mean;
  std::vector<double> bad_steps;
  double first_step = 0, last_step = 0;
  bool is_logarithmic = false;
};

/// The range of the axis of losses.
Axis loss_axis(const Losses& losses) {
  if (losses.raw.empty()) return {0, 1, false};
  std::vector<double> values;
  for (const auto& point : losses.raw) values.push_back(point.y);
  std::sort(values.begin(), values.end());
  const auto cut = values.size() / 500;
  const auto low = values[cut], high = values[values.size() - 1 - cut];
  constexpr double kMargin = 0.06;
  if (losses.is_logarithmic) {
    const auto factor = std::max(std::pow(high / low, kMargin), 1.05);
    return {low / factor, high * factor, true};
  }
  const auto margin = std::max((high - low) * kMargin, 0.05 * std::max(std::fabs(high), 1e-6));
  return {low - margin, high + margin, false};
}

/// Of the points that fall on one column of pixels, the first, the lowest, the highest and the
/// last: the line through them looks as that through all.
std::vector<Point> thinned(const std::vector<Point>& points) {
  std::vector<Point> kept;
  for (size_t i = 0; i < points.size();) {
    const auto column = std::floor(points[i].x);
    auto low = i, high = i, end = i;
    for (; end < points.size() && std::floor(points[end].x) == column; ++end) {
      if (points[end].y < points[low].y) low = end;
      if (points[end].y > points[high].y) high = end;
    }
    auto previous = points.size();
    for (const auto index : {i, std::min(low, high), std::max(low, high), end - 1}) {
      if (index != previous) kept.push_back(points[index]);
      previous = index;
    }
    i = end;
  }
  return kept;
}

class LossCurve {
 public:
  LossCurve(const Losses& losses, const LossCurveOptions& options)
      : losses_(losses),
        options_(options),
        canvas_(options.height, options.width, kPaper),
        plot_{100, 70, static_cast<double>(options.width) - 36,
              static_cast<double>(options.height) - 76},
        // One step alone is in the middle.
        steps_(losses.first_step == losses.last_step ? losses.first_step - 1 : losses.first_step,
               losses.first_step == losses.last_step ? losses.last_step + 1 : losses.last_step,
               false),
        values_(loss_axis(losses)) {}

  at::Tensor draw() {
    canvas_.fill(plot_, kPlot);
    draw_ticks();
    draw_lines();
    draw_words();
    return canvas_.pixels();
  }

 private:
  double x_of(double step) const {
    return plot_.left + steps_.part_of(step) * (plot_.right - plot_.left);
  }
  double y_of(double loss) const {
    return plot_.bottom - values_.part_of(loss) * (plot_.bottom - plot_.top);
  }

  void draw_ticks() {
    const auto wide = static_cast<int>((plot_.bottom - plot_.top) / 70) + 1;
    auto last_label = 2 * plot_.bottom;
    for (const auto& tick : values_.ticks(wide)) {
      const auto y = std::round(y_of(tick.value));
      canvas_.fill({plot_.left, y - 0.5, plot_.right, y + 0.5}, kGrid);
      if (last_label - y < 10 * kScale) continue;  // its label would touch the one below
      last_label = y;
      canvas_.text({plot_.left - 14, y - 3.5 * kScale}, tick.label, kScale, kLabel, Align::kRight);
    }
    const auto across = static_cast<int>((plot_.right - plot_.left) / 130) + 1;
    for (const auto& tick : steps_.ticks(across)) {
      if (tick.value != std::floor(tick.value)) continue;  // there are no half steps
      const auto x = std::round(x_of(tick.value));
      canvas_.fill({x - 0.5, plot_.top, x + 0.5, plot_.bottom}, kGrid);
      canvas_.fill({x - 0.5, plot_.bottom, x + 0.5, plot_.bottom + 6}, kLabel);
      canvas_.text({x, plot_.bottom + 14}, tick.label, kScale, kLabel, Align::kCenter);
    }
    canvas_.fill({plot_.left - 1, plot_.top, plot_.left + 1, plot_.bottom}, kLabel);
    canvas_.fill({plot_.left - 1, plot_.bottom - 1, plot_.right, plot_.bottom + 1}, kLabel);
  }

  std::vector<Point> placed(const std::vector<Point>& points) const {
    std::vector<Point> result;
    result.reserve(points.size());
    // Far outside is as good as outside, and a line there costs nothing.
    const auto height = static_cast<double>(options_.height);
    for (const auto& point : points) {
      result.push_back({x_of(point.x), std::clamp(y_of(point.y), -height, 2 * height)});
    }
    return thinned(result);
  }

  void draw_lines() {
    const Box inside{plot_.left + 1, plot_.top, plot_.right, plot_.bottom - 1};
    canvas_.line(placed(losses_.raw), 1.2, kLine, 0.28, inside);
    const auto mean = placed(losses_.mean);
    canvas_.line(mean, 5.5, kPaper, 0.6, inside);  // so that it stands out from the faint one
    canvas_.line(mean, 3, kLine, 1, inside);
    for (const auto step : losses_.bad_steps) {
      const auto x = x_of(step);
      canvas_.line({{x, plot_.bottom - 12}, {x, plot_.bottom - 3}}, 2, kBad, 1, inside);
    }
    if (mean.empty()) return;
    const Point end{mean.back().x, std::clamp(mean.back().y, plot_.top, plot_.bottom)};
    canvas_.dot(end, 6, kPaper);
    canvas_.dot(end, 4.5, kLine);
  }

  void draw_words() {
    canvas_.text({plot_.left, 26}, options_.title, kScale + 1, kInk);
    canvas_.text({(plot_.left + plot_.right) / 2, plot_.bottom + 44}, "step", kScale, kLabel,
                 Align::kCenter);
    auto text = losses_.mean.empty()
                    ? std::string("no finite loss")
                    : cat(training::number_label(rounded(losses_.mean.back().y)), " at step ",
                          static_cast<int64_t>(losses_.mean.back().x));
    const auto words = Canvas::text_width(options_.title, kScale + 1) +
                       Canvas::text_width(text, kScale) + 20 * kScale;
    if (static_cast<double>(words) <= plot_.right - plot_.left) {  // a long title comes first
      canvas_.text({plot_.right, 30}, text, kScale, kLabel, Align::kRight);
    }
    if (losses_.bad_steps.empty()) return;
    canvas_.text({plot_.right, 50}, cat(losses_.bad_steps.size(), " not finite"), kScale, kBad,
                 Align::kRight);
  }

  /// To three digits that count.
  static double rounded(double value) {
    if (value == 0) return 0;
    const auto unit = std::pow(10, std::floor(std::log10(std::fabs(value))) - 2);
    return std::round(value / unit) * unit;
  }

  const Losses& losses_;
  const LossCurveOptions& options_;
  Canvas canvas_;
  Box plot_;
  Axis steps_, values_;
};

}  // namespace

at::Tensor draw_loss_curve(const std::vector<TrainingLogEntry>& entries,
                           const LossCurveOptions& options) {
  constexpr int64_t kLargest = 16384;
  if (entries.empty()) throw_value_error(kCurve, "entries", "entries", "none");
  if (options.width < 480 || options.width > kLargest || options.height < 320 ||
      options.height > kLargest) {
    throw_value_error(kCurve, "width and height", "480 x 320 to 16384 x 16384",
                      cat(options.width, " x ", options.height));
  }
  if (!(options.smoothing >= 0 && options.smoothing <= 1)) {
    throw_value_error(kCurve, "smoothing", "0 to 1", std::to_string(options.smoothing));
  }
  const Losses losses(entries, options.smoothing);
  return LossCurve(losses, options).draw();
}

}  // namespace xattn
