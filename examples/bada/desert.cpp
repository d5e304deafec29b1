#include <vector>

#include "ground.h"

namespace bada {
namespace {

/// A dune: gentle on one side, steep on the other.
struct Dune {
  float x, high, wide;
  /// Which side is steep, 1 for the right; how its crest runs down towards the viewer.
  float steep, sway, phase;
};

/// The height of a dune's edge at x, and the share of the dune there, from 0 to 1.
float rise(const Dune& dune, float x) {
  const float away = (x - dune.x) * dune.steep / dune.wide;
  const float t = away < 0 ? -away / 1.25f : away / 0.75f;
  if (t >= 1) return 0;
  // Pointed on top, flat at the foot.
  return (1 - t) * (1 - t) * (1 + 0.9f * t);
}

std::vector<Dune> draw_dunes(Random& random, float wide, float high) {
  std::vector<Dune> dunes;
  for (float x = random.uniform(-wide, 0); x < kSize + wide; x += wide * random.uniform(0.75f, 1.35f)) {
    dunes.push_back({x, high * random.uniform(0.55f, 1.25f), wide * random.uniform(0.95f, 1.35f),
                     random.sign(), random.uniform(-0.9f, 0.9f), random.uniform(0, 6)});
  }
  return dunes;
}

void paint_dunes(const Stage& stage, const std::vector<Dune>& dunes, float row, Color sand, float far) {
  const auto& palette = stage.palette;
  const Noise noise(mix_seed(stage.seed, kNoisePart));
  Profile edge{};
  std::array<int, kSize> owner{};
  for (int x = 0; x < kSize; ++x) {
    const float fx = static_cast<float>(x) + 0.5f;
    float most = -1;
    for (size_t i = 0; i < dunes.size(); ++i) {
      const float height = dunes[i].high * rise(dunes[i], fx);
      if (height <= most) continue;
      most = height;
      owner[x] = static_cast<int>(i);
    }
    edge[x] = row - most + 1.2f * noise.at(fx / 31 + row);
  }
  keep_free(stage, edge);
  const float lowered = edge[0] - (row - dunes[owner[0]].high * rise(dunes[owner[0]], 0.5f));
  const float ripple = mix(0.9f, 1.6f, 1 - far);
  fill_below(stage.canvas, edge, [&](float x, float y, float depth) {
    const auto& dune = dunes[owner[static_cast<int>(x)]];
    const float top = row + lowered - dune.high, down = std::max(0.0f, y - top);
    // The crest winds down from the top; one side of it is lit.
    const float crest = dune.x + dune.sway * down + 3.5f * std::sin(down / 8 + dune.phase) * clamp01(down / 12);
    const float toward = (x - crest) * stage.layout.side;
    const float soft = 0.8f + down * 0.10f;
    const float face = smooth_step(-soft, soft, toward);
    // Both sides come together at the foot.
    const float foot = smooth_step(dune.high * 2.1f + 14, dune.high * 0.5f, down);
    const float valley = smooth_step(0, 0.25f, rise(dune, x));
    float facing = mix(0.62f, mix(0.10f, 0.98f, face), foot * valley);
    facing += 0.10f * noise.fractal(x / 26 + row, y / 9, 2);
    facing += 0.045f * std::sin((y * 1.0f + 2.2f * noise.at(x / 17, y / 21) + x * 0.12f) * ripple) * (1 - far) *
              clamp01(depth / 5);
    const Color color = palette.lit(sand, clamp01(facing), far);
    return mix(color, palette.haze, 0.16f * clamp01(depth / 40) * far);
  });
}

}  // namespace

void paint_desert(const Stage& stage) {
  auto random = stage.random(kGroundPart);
  const Color tone = mix({0.98f, 0.76f, 0.44f}, {0.94f, 0.64f, 0.36f}, random.uniform(0, 1));
  const float horizon = stage.layout.horizon;
  constexpr int kLayers = 4;
  constexpr float kFar[kLayers] = {0.50f, 0.24f, 0.08f, 0};
  constexpr float kDown[kLayers] = {2, 14, 30, 49};
  constexpr float kHigh[kLayers] = {9, 13, 15, 13};
  constexpr float kWide[kLayers] = {30, 46, 62, 84};
  for (int layer = 0; layer < kLayers; ++layer) {
    const auto dunes = draw_dunes(random, kWide[layer], kHigh[layer]);
    const float row = horizon + kDown[layer] + random.uniform(-2, 2);
    paint_dunes(stage, dunes, row, tone, kFar[layer]);
  }
}

}  // namespace bada
