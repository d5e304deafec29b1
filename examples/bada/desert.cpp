#include <algorithm>
#include <vector>

#include "ground.h"

namespace bada {
namespace {

/// A dune: gentle on one side, steep on the other.
struct Dune {
  Point top;
  float high, wide;
  /// Which side is steep, 1 for the right.
  float steep;
  /// How its crest runs down towards the viewer.
  float sway, phase;
};

/// The share of a dune's height at x, from 0 to 1: round on one side, a slope from a sharp crest on
/// the other.
float rise(const Dune& dune, float x) {
  const float away = (x - dune.top.x) * dune.steep / dune.wide;
  const float t = away < 0 ? -away / 1.3f : away / 0.85f;
  if (t >= 1) return 0;
  return away < 0 ? 0.5f + 0.5f * std::cos(3.14159f * t) : (1 - t) * (1 - t) * (1 + 0.9f * t);
}

std::vector<Dune> draw_dunes(Random& random, float row, float wide, float high) {
  std::vector<Dune> dunes;
  for (float x = random.uniform(-wide / 2, wide / 2); x < kSize + wide / 2;
       x += wide * random.uniform(0.75f, 1.3f)) {
    const float tall = high * random.uniform(0.6f, 1.3f);
    dunes.push_back({{x, row - tall},
                     tall,
                     wide * random.uniform(0.9f, 1.3f),
                     random.sign(),
                     random.uniform(-1, 1),
                     random.uniform(0, 6)});
  }
  return dunes;
}

/// How much light sand takes: a neutral share, and about that waves and ripples of the wind.
float sand_light(const Noise& noise, float x, float y, float far) {
  const float wave = 0.10f * noise.fractal(x / 26, y / 9, 2);
  const float bent = y * 1.05f + 2.6f * noise.at(x / 19, y / 23) + x * 0.10f;
  return 0.60f + wave + 0.04f * std::sin(bent * mix(1.5f, 1.0f, far)) * (1 - 2 * far);
}

Profile dune_edge(const Dune& dune) {
  Profile edge{};
  for (int x = 0; x < kSize; ++x) {
    const float share = rise(dune, static_cast<float>(x) + 0.5f);
    // Where there is nothing of it, below the picture.
    edge[x] = share > 0 ? dune.top.y + dune.high * (1 - share) : 2.0f * kSize;
  }
  return edge;
}

void paint_dune(const Stage& stage, const Dune& dune, Color sand, float far) {
  const Noise noise(mix_seed(stage.seed, kNoisePart));
  const auto edge = dune_edge(dune);
  fill_below(stage.canvas, edge, [&](float x, float y, float) {
    const float down = std::max(0.0f, y - dune.top.y);
    // The crest winds down from the top; one side of it is lit.
    const float reach = dune.wide * 0.45f;
    const float crest = dune.top.x + dune.sway * reach * (1 - std::exp(-down / reach * 1.6f)) +
                        4.5f * std::sin(down / 10 + dune.phase) * clamp01(down / 16);
    const float toward = (x + 0.5f - crest) * stage.layout.side, soft = 0.8f + down * 0.20f;
    const float face = mix(0.16f, 1.0f, smooth_step(-soft, soft, toward));
    // Both sides end in the plain, and the dune beside it is not cut off.
    const float share = rise(dune, x + 0.5f);
    const float foot = smooth_step(dune.high * 1.4f + 16, dune.high * 0.4f, down);
    const float strong = foot * smooth_step(0, 0.30f, share);
    const float plain = sand_light(noise, x, y, far);
    const float facing = mix(plain, face + 0.5f * (plain - 0.6f), strong);
    const Color color = stage.palette.lit(sand, clamp01(facing), far);
    const auto& before = stage.canvas.at(static_cast<int>(x), static_cast<int>(y));
    return mix(before, color, smooth_step(0, 0.25f, share));
  });
}

void paint_plain(const Stage& stage, const Profile& edge, Color sand, float far) {
  const Noise noise(mix_seed(stage.seed, kNoisePart));
  fill_below(stage.canvas, edge, [&](float x, float y, float) {
    return stage.palette.lit(sand, clamp01(sand_light(noise, x, y, far)), far);
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
  constexpr float kHigh[kLayers] = {8, 13, 16, 13};
  constexpr float kWide[kLayers] = {46, 72, 96, 120};
  for (int layer = 0; layer < kLayers; ++layer) {
    const float row = horizon + kDown[layer] + random.uniform(-2, 2);
    auto dunes = draw_dunes(random, row, kWide[layer], kHigh[layer]);
    // High ones stand behind low ones.
    std::sort(dunes.begin(), dunes.end(),
              [](const Dune& a, const Dune& b) { return a.top.y < b.top.y; });
    const Noise noise(mix_seed(stage.seed, 140 + layer));
    auto plain = rolling_profile(noise, row + 0.5f, 1.8f, 40);
    float lower = lower_by(stage, plain);
    for (const auto& dune : dunes) lower = std::max(lower, lower_by(stage, dune_edge(dune)));
    for (auto& edge : plain) edge += lower;
    paint_plain(stage, plain, tone, kFar[layer]);
    for (auto& dune : dunes) {
      dune.top.y += lower;
      paint_dune(stage, dune, tone, kFar[layer]);
    }
  }
}

}  // namespace bada
