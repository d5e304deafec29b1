#include <algorithm>
#include <vector>

#include "ground.h"

namespace bada {
namespace {

constexpr Color kSnow{0.97f, 0.98f, 1.0f};

struct Peak {
  Point top;
  /// How steep it falls to the left and to the right.
  float left, right;
  /// How its ridge leans as it comes down towards the viewer.
  float lean;
};

Profile peak_edge(const Peak& peak, const Noise& noise, float rough) {
  Profile edge{};
  for (int x = 0; x < kSize; ++x) {
    const float fx = static_cast<float>(x) + 0.5f, away = fx - peak.top.x;
    const float down = std::abs(away) * (away < 0 ? peak.left : peak.right);
    edge[x] = peak.top.y + down + rough * clamp01(down / 6) * noise.fractal(fx / 9 + peak.top.y, 3);
  }
  return edge;
}

void paint_peak(const Stage& stage, const Peak& peak, const Profile& edge, const Noise& noise,
                float snow, float far) {
  const auto& palette = stage.palette;
  const float side = stage.layout.side, foot = stage.layout.horizon;
  fill_below(stage.canvas, edge, [&](float x, float y, float) {
    if (y > foot + 10) return palette.haze;  // hidden by what comes before it
    const float down = std::max(0.0f, y - peak.top.y);
    const float ridge = peak.top.x + peak.lean * down +
                        std::min(7.0f, down * 0.30f) * noise.at(down / 6 + peak.top.x);
    // Spurs: folds that run down on both sides of the ridge.
    const float beside = x - ridge, fold = beside > 0 ? 1.0f : -1.0f;
    const float spur = noise.fractal(beside / 8.5f - fold * down / 13, down / 24 + peak.top.x, 3);
    const float toward = beside * side + std::min(11.0f, down * 0.45f) * spur;
    const float face = smooth_step(-1.6f, 1.6f, toward);
    const float facing = mix(0.02f, 1.0f, face) + 0.10f * spur;
    // Rock comes through where it is low, sooner on the dark side.
    const float bare =
        smooth_step(-3, 4, down - snow - 7 * face + 13 * noise.fractal(x / 7, y / 12 + 30, 3));
    const Color rock = mix({0.40f, 0.40f, 0.47f}, {0.50f, 0.47f, 0.48f}, face);
    const Color color = mix(palette.lit(mix(kSnow, rock, bare), clamp01(facing)),
                            own_color(stage, mix(kSnow, rock, bare), clamp01(facing), 0), 0.5f);
    return mix(mix(color, palette.haze, far), palette.haze,
               0.60f * smooth_step(foot - 26, foot + 4, y));
  });
}

/// Paints a range, the high and far peaks first.
void paint_range(const Stage& stage, std::vector<Peak> peaks, const Noise& noise, float snow,
                 float far) {
  std::sort(peaks.begin(), peaks.end(),
            [](const Peak& a, const Peak& b) { return a.top.y < b.top.y; });
  const float rough = mix(4.5f, 2.0f, far);
  float lower = 0;
  for (const auto& peak : peaks)
    lower = std::max(lower, lower_by(stage, peak_edge(peak, noise, rough)));
  for (auto& peak : peaks) {
    peak.top.y += lower;
    paint_peak(stage, peak, peak_edge(peak, noise, rough), noise, snow, far);
  }
}

std::vector<Peak> draw_peaks(Random& random, int count, float top, float vary, float steep) {
  std::vector<Peak> peaks;
  const float step = static_cast<float>(kSize) / static_cast<float>(count);
  const int highest = random.integer(count);
  for (int i = 0; i < count; ++i) {
    const float x = (static_cast<float>(i) + random.uniform(0.15f, 0.85f)) * step;
    const float y = top + (i == highest ? 0 : random.uniform(0.25f, 1) * vary);
    peaks.push_back({{x, y},
                     steep * random.uniform(0.75f, 1.25f),
                     steep * random.uniform(0.75f, 1.25f),
                     random.uniform(-0.35f, 0.35f)});
  }
  return peaks;
}

/// Snow fields in front, with blue hollows.
void paint_snow(const Stage& stage, const Profile& edge, float far) {
  const Noise noise(mix_seed(stage.seed, kNoisePart));
  fill_below(stage.canvas, edge, [&](float x, float y, float depth) {
    const float slope = -slope_of(edge, x) * stage.layout.side * std::exp(-depth / 30);
    float facing =
        0.55f + 1.5f * slope + 0.45f * std::exp(-depth / 6) - 0.30f * clamp01(depth / 30);
    facing += 0.30f * noise.fractal(x / 38, y / 12 + far * 30, 2);
    return own_color(stage, kSnow, clamp01(facing), far);
  });
}

void paint_grove(const Stage& stage, const Profile& edge, Random& random) {
  const Color light = stage.palette.lit({0.26f, 0.42f, 0.38f}, 0.7f, 0.22f);
  const Color dark = stage.palette.lit({0.13f, 0.25f, 0.26f}, 0.2f, 0.18f);
  for (int grove = 1 + random.integer(3); grove > 0; --grove) {
    const float middle = random.uniform(0, kSize);
    for (int i = 3 + random.integer(5); i > 0; --i) {
      const float x = middle + random.uniform(-13, 13);
      if (x < 1 || x > kSize - 1) continue;
      const float high = random.uniform(6, 12);
      paint_fir(stage,
                {{x, edge[static_cast<int>(x)] + random.uniform(0.5f, 2.5f)}, high, high * 0.56f},
                light, dark);
    }
  }
}

}  // namespace

void paint_mountains(const Stage& stage) {
  auto random = stage.random(kGroundPart);
  auto detail = stage.random(kDetailPart);
  const Noise noise(mix_seed(stage.seed, kGroundPart));
  const float horizon = stage.layout.horizon;
  auto far_peaks = draw_peaks(random, 5, horizon - 40, 14, 0.75f);
  auto peaks = draw_peaks(random, 3 + random.integer(2), random.uniform(30, 42), 20, 1.0f);
  paint_range(stage, std::move(far_peaks), noise, 26, 0.55f);
  paint_range(stage, std::move(peaks), noise, random.uniform(20, 34), 0.06f);

  const Noise field(mix_seed(stage.seed, 101)), front(mix_seed(stage.seed, 102));
  const auto middle_edge = rolling_profile(field, horizon + 3, 4, 44);
  paint_snow(stage, middle_edge, 0.12f);
  if (detail.chance(0.7)) paint_grove(stage, middle_edge, detail);
  paint_snow(stage, rolling_profile(front, horizon + 17, 5, 60), 0);
}

}  // namespace bada
