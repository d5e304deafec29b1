#include <algorithm>
#include <vector>

#include "ground.h"

namespace bada {
namespace {

struct ForestLayer {
  float row, high, far;
};

/// A row of conifers on a hill whose foot is lost in mist.
void paint_row(const Stage& stage, const ForestLayer& layer, Random& random, int index, float hue) {
  const auto& palette = stage.palette;
  const Noise noise(mix_seed(stage.seed, 110 + index));
  const auto edge = rolling_profile(noise, layer.row, 4.5f, 40);
  const Color needle = mix({0.20f, 0.47f, 0.24f}, {0.12f, 0.40f, 0.30f}, hue);
  std::vector<Fir> firs;
  for (float x = random.uniform(-4, 2); x < kSize + 4;
       x += layer.high * random.uniform(0.20f, 0.42f)) {
    const int column = std::clamp(static_cast<int>(x), 0, kSize - 1);
    Fir fir{{x, edge[column] + random.uniform(1, 4)}, layer.high * random.uniform(0.7f, 1.3f), 0};
    const float row = layer.far > 0.3f ? stage.free_row(x) : stage.low_row(x);
    fir.high = std::min(fir.high, fir.foot.y - row);
    fir.wide = fir.high * random.uniform(0.42f, 0.54f);
    if (fir.high > 5) firs.push_back(fir);
  }
  std::sort(firs.begin(), firs.end(),
            [](const Fir& a, const Fir& b) { return a.foot.y < b.foot.y; });
  for (const auto& fir : firs) {
    const float tone = random.uniform(0.85f, 1.15f);
    paint_fir(stage, fir, palette.lit(needle * (1.25f * tone), 0.85f, layer.far),
              palette.lit(needle * (0.72f * tone), 0.1f, layer.far));
  }
  const Color floor = palette.lit(needle * 0.8f, 0.25f, layer.far);
  fill_below(stage.canvas, edge, [&](float, float, float depth) {
    return mix(floor, mix(floor, palette.haze, 0.55f), clamp01((depth - 2) / 16));
  });
}

/// Large trees at the borders, through which one looks.
void paint_frame(const Stage& stage, Random& random, float hue) {
  const Color needle = mix({0.13f, 0.35f, 0.20f}, {0.09f, 0.31f, 0.25f}, hue);
  for (const float side : {-1.0f, 1.0f}) {
    if (!random.chance(0.6)) continue;
    for (int i = 1 + random.integer(2); i >= 0; --i) {
      const float x = kSize / 2.0f + side * (kSize / 2.0f - random.uniform(-3, 12));
      const float high = random.uniform(44, 64), tone = random.uniform(0.9f, 1.1f);
      if (std::abs(x - stage.layout.thing.x) < 34 && stage.scene.thing != Thing::kNone) continue;
      paint_fir(stage, {{x, 112 + random.uniform(0, 8)}, high, high * 0.46f},
                stage.palette.lit(needle * (1.2f * tone), 0.8f),
                stage.palette.lit(needle * (0.7f * tone), 0.1f));
    }
  }
}

void paint_clearing(const Stage& stage, float hue) {
  const Noise noise(mix_seed(stage.seed, 120)), spots(mix_seed(stage.seed, kNoisePart));
  const Color grass = mix({0.30f, 0.50f, 0.22f}, {0.24f, 0.46f, 0.28f}, hue);
  fill_below(stage.canvas, rolling_profile(noise, 106, 2.5f, 50),
             [&](float x, float y, float depth) {
               float facing = 0.38f + 0.5f * std::exp(-depth / 6) - 0.25f * clamp01(depth / 20);
               facing += 0.20f * spots.fractal(x / 22, y / 8, 2);
               return stage.palette.lit(grass, clamp01(facing));
             });
}

}  // namespace

void paint_forest(const Stage& stage) {
  auto random = stage.random(kGroundPart);
  auto detail = stage.random(kDetailPart);
  const float hue = random.uniform(0, 1), horizon = stage.layout.horizon;
  const std::array<ForestLayer, 4> layers = {{{horizon + 2, 10, 0.66f},
                                              {horizon + 10, 15, 0.44f},
                                              {horizon + 20, 22, 0.22f},
                                              {horizon + 33, 30, 0.05f}}};
  // A hill behind all, so that the sky ends.
  const Noise noise(mix_seed(stage.seed, 121));
  auto hill = rolling_profile(noise, horizon - 2, 6, 34);
  keep_free(stage, hill);
  const Color blue = stage.palette.lit({0.20f, 0.40f, 0.38f}, 0.3f, 0.72f);
  fill_below(stage.canvas, hill, [&](float, float, float depth) {
    return mix(blue, stage.palette.haze, 0.5f * clamp01(depth / 14));
  });
  for (size_t i = 0; i < layers.size(); ++i)
    paint_row(stage, layers[i], random, static_cast<int>(i), hue);
  paint_clearing(stage, hue);
  paint_frame(stage, detail, hue);
}

}  // namespace bada
