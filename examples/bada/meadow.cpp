#include "ground.h"

namespace bada {
namespace {

constexpr Color kFlowerColors[] = {
    {1.0f, 1.0f, 0.96f}, {1.0f, 0.86f, 0.25f}, {0.98f, 0.55f, 0.62f}, {0.72f, 0.52f, 0.92f}};

/// Bushes along the edge of a far hill.
void paint_hedge(const Stage& stage, const Profile& edge, Random& random, float far) {
  const Color dark = own_color(stage, {0.20f, 0.48f, 0.22f}, 0.45f, far);
  const Color light = own_color(stage, {0.33f, 0.63f, 0.26f}, 0.85f, far);
  float x = random.uniform(0, kSize);
  for (int i = 4 + random.integer(8); i > 0; --i) {
    x += random.uniform(2.5f, 6);
    if (x > kSize) x -= kSize;
    const float radius = random.uniform(1.8f, 3.4f);
    const Point at{x, edge[std::min(static_cast<int>(x), kSize - 1)] - radius * 0.3f};
    fill_disc(stage.canvas, at, radius, dark, 0.65f);
    fill_disc(stage.canvas, {at.x + stage.layout.side * radius * 0.3f, at.y - radius * 0.3f},
              radius * 0.6f, light, 0.6f);
  }
}

/// Flowers in patches, larger towards the viewer.
void paint_flowers(const Stage& stage, const Profile& edge, Random& random) {
  const Color first = kFlowerColors[random.integer(4)], second = kFlowerColors[random.integer(4)];
  for (int patch = 2 + random.integer(4); patch > 0; --patch) {
    const Point middle{random.uniform(0, kSize), random.uniform(94, 126)};
    for (int i = 5 + random.integer(6); i > 0; --i) {
      const Point at{middle.x + random.uniform(-15, 15), middle.y + random.uniform(-5, 5)};
      const float radius = 0.8f + 1.1f * clamp01((at.y - 90) / 38);
      const Color color = random.chance(0.7) ? first : second;
      const int column = std::clamp(static_cast<int>(at.x), 0, kSize - 1);
      if (at.y < edge[column] + 4) continue;
      fill_disc(stage.canvas, at, radius, stage.palette.lit(color, 0.75f), 0.92f);
    }
  }
}

void paint_grass(const Stage& stage, const Profile& edge, Color grass, float far) {
  const Noise noise(mix_seed(stage.seed, kNoisePart));
  const float side = stage.layout.side;
  fill_below(stage.canvas, edge, [&](float x, float y, float depth) {
    // Slopes towards the light are bright, crests catch some of it, and clouds throw shadows.
    const float slope = -slope_of(edge, x) * side * std::exp(-depth / 40);
    float facing =
        0.56f + 1.1f * slope + 0.34f * std::exp(-depth / 7) - 0.28f * clamp01(depth / 34);
    facing += 0.24f * noise.fractal(x / 34, y / 11 + far * 40, 2);
    const Color color = own_color(stage, grass, clamp01(facing), far);
    return mix(color, stage.palette.haze, 0.22f * far * clamp01(depth / 16));
  });
}

}  // namespace

void paint_meadow(const Stage& stage) {
  auto random = stage.random(kGroundPart);
  auto detail = stage.random(kDetailPart);
  const float horizon = stage.layout.horizon, hue = random.uniform(0, 1);
  const Color near = mix({0.46f, 0.76f, 0.20f}, {0.34f, 0.70f, 0.26f}, hue);
  const Color distant = mix({0.36f, 0.62f, 0.34f}, {0.28f, 0.58f, 0.40f}, hue);
  constexpr int kHills = 5;
  constexpr float kFar[kHills] = {0.56f, 0.33f, 0.14f, 0.03f, 0};
  constexpr float kDown[kHills] = {-3, 5, 15, 28, 44};
  constexpr float kHigh[kHills] = {6, 6, 7.5f, 8, 7};
  constexpr float kWide[kHills] = {24, 34, 46, 60, 72};
  Profile edge{};
  for (int hill = 0; hill < kHills; ++hill) {
    const Noise noise(mix_seed(stage.seed, 100 + hill));
    edge = rolling_profile(noise, horizon + kDown[hill] + random.uniform(-2, 2), kHigh[hill],
                           kWide[hill]);
    keep_free(stage, edge);
    const float t = static_cast<float>(hill) / (kHills - 1);
    paint_grass(stage, edge, mix(distant, near, t), kFar[hill]);
    if (hill == 1 || hill == 2) paint_hedge(stage, edge, detail, kFar[hill]);
  }
  if (detail.chance(0.75)) paint_flowers(stage, edge, detail);
}

}  // namespace bada
