#include <array>

#include "noise.h"
#include "sky.h"

namespace bada {
namespace {

/// A cumulus: soft balls on a flat base, lit from above and from the light's side.
struct Cumulus {
  static constexpr int kBalls = 7;
  std::array<Point, kBalls> centres;
  std::array<float, kBalls> radii;
  Point middle;
  float wide, high;
};

Cumulus draw_cumulus(Point middle, float wide, Random& random) {
  Cumulus cloud{};
  cloud.middle = middle;
  cloud.wide = wide;
  cloud.high = wide * random.uniform(0.30f, 0.42f);
  for (int i = 0; i < Cumulus::kBalls; ++i) {
    const float along = (static_cast<float>(i) + random.uniform(0.2f, 0.8f)) / Cumulus::kBalls;
    // A hump, higher in its middle.
    const float hump = std::sin(along * 3.14159f);
    cloud.radii[i] = wide * (0.11f + 0.15f * hump * random.uniform(0.7f, 1.2f));
    cloud.centres[i] = {middle.x + wide * (along - 0.5f),
                        middle.y - cloud.radii[i] * random.uniform(0.35f, 0.8f)};
  }
  return cloud;
}

void paint_cumulus(const Stage& stage, const Cumulus& cloud, const Noise& noise, float far) {
  const auto& palette = stage.palette;
  const Color lit = mix(palette.cloud_lit, palette.haze, far);
  const Color shade = mix(palette.cloud_shade, palette.haze, far);
  const Area area{cloud.middle.x - cloud.wide * 0.8f, cloud.middle.y - cloud.wide * 0.75f,
                  cloud.middle.x + cloud.wide * 0.8f, cloud.middle.y + cloud.wide * 0.25f};
  Canvas::each(area, [&](int x, int y) {
    const float fx = static_cast<float>(x) + 0.5f, fy = static_cast<float>(y) + 0.5f;
    const float rough = cloud.wide / 14;
    const float px = fx + rough * noise.fractal(fx / 9, fy / 9, 3);
    const float py = fy + rough * noise.fractal(fx / 9 + 40, fy / 9, 3);
    float density = 0, light = 0;
    for (int i = 0; i < Cumulus::kBalls; ++i) {
      const float dx = (px - cloud.centres[i].x) / cloud.radii[i];
      const float dy = (py - cloud.centres[i].y) / cloud.radii[i];
      const float d = dx * dx + dy * dy;
      if (d >= 1.7f) continue;
      const float weight = (1.7f - d) * (1.7f - d);
      density += weight;
      light += weight * (0.55f - 0.42f * dy + 0.30f * dx * stage.layout.side);
    }
    if (density < 0.05f) return;
    // Flat below, with a soft edge.
    const float base = smooth_step(cloud.middle.y + 2.5f, cloud.middle.y - 3, py);
    const float alpha = smooth_step(0.18f, 0.95f, density) * base;
    const float height = clamp01((cloud.middle.y - fy) / cloud.high);
    const float bright = clamp01(0.62f * light / density + 0.48f * height);
    stage.canvas.blend(x, y, mix(shade, lit, smooth_step(0.12f, 0.80f, bright)), alpha * 0.96f);
  });
}

void paint_fair_weather(const Stage& stage, Random& random) {
  const Noise noise(mix_seed(stage.seed, kCloudPart));
  const float horizon = stage.layout.horizon;
  // Far ones first, small and near the horizon.
  for (int i = 1 + random.integer(4); i > 0; --i) {
    const Point at{random.uniform(0, kSize), std::min(horizon, 78.0f) - random.uniform(6, 14)};
    paint_cumulus(stage, draw_cumulus(at, random.uniform(18, 30), random), noise, 0.45f);
  }
  for (int i = random.integer(3); i > 0; --i) {
    const Point at{random.uniform(0, kSize), random.uniform(34, 46)};
    paint_cumulus(stage, draw_cumulus(at, random.uniform(28, 44), random), noise, 0.15f);
  }
  for (int i = random.integer(3); i > 0; --i) {
    const Point at{random.uniform(-5, kSize + 5), random.uniform(14, 30)};
    paint_cumulus(stage, draw_cumulus(at, random.uniform(44, 72), random), noise, 0);
  }
}

/// Long clouds, lit from below by a low sun.
void paint_streaks(const Stage& stage, Random& random, float cover, float most) {
  const Noise noise(mix_seed(stage.seed, kCloudPart));
  const auto& palette = stage.palette;
  const float slant = random.uniform(-0.10f, 0.10f), shift = random.uniform(0, 50);
  const int bottom = static_cast<int>(std::min(stage.layout.horizon, 120.0f));
  const auto density = [&](float x, float y) {
    const float row = y + slant * (x - 64);
    const float warp = 0.35f * noise.at(x / 30 + 9, row / 30);
    return noise.fractal(x / 46 + shift, row / 9.5f + warp, 4);
  };
  std::array<float, kSize> below{};
  for (int y = bottom; y >= 0; --y) {
    const float fy = static_cast<float>(y);
    const float height = fy / stage.layout.horizon;
    // None at the zenith, and none to hide the horizon.
    const float place = smooth_step(0, 0.25f, height) * smooth_step(1.02f, 0.72f, height);
    for (int x = 0; x < kSize; ++x) {
      const float fx = static_cast<float>(x);
      const float here = density(fx, fy);
      const float alpha = smooth_step(cover, cover + 0.34f, here) * place * most;
      // The underside, and what is nearer the light, is bright.
      const float under = clamp01(0.5f + 2.6f * (here - below[x]));
      below[x] = mix(below[x], here, 0.45f);
      const float dx = (fx - stage.layout.light.x) / 70, dy = (fy - stage.layout.light.y) / 45;
      const float near = 1 / (1 + dx * dx + dy * dy);
      const Color color = mix(palette.cloud_shade, palette.cloud_lit, clamp01(under * 0.75f + near * 0.35f));
      stage.canvas.blend(x, y, color, alpha);
    }
  }
}

/// A closed cover in rolls, darker and larger overhead.
void paint_cover(const Stage& stage, Random& random) {
  const Noise noise(mix_seed(stage.seed, kCloudPart));
  const auto& palette = stage.palette;
  const float shift = random.uniform(0, 50);
  const int bottom = static_cast<int>(std::min(stage.layout.horizon, 126.0f));
  std::array<float, kSize> above{};
  for (int y = 0; y < bottom; ++y) {
    const float fy = static_cast<float>(y), height = fy / stage.layout.horizon;
    // Rolls grow flatter towards the horizon.
    const float row = 6.2f * height + 2.1f * height * height;
    for (int x = 0; x < kSize; ++x) {
      const float fx = static_cast<float>(x);
      const float warp = noise.at(fx / 27 + 3, row * 0.9f) * 0.75f;
      const float here = noise.fractal(fx / mix(44, 26, height) + shift + 0.3f * warp, row + warp, 4);
      const float light = clamp01(0.46f + 2.4f * (here - above[x]) + 0.55f * here);
      above[x] = mix(above[x], here, 0.30f);
      const float alpha = 0.72f * smooth_step(1.0f, 0.55f, height);
      stage.canvas.blend(x, y, mix(palette.cloud_shade, palette.cloud_lit, light), alpha);
    }
  }
}

}  // namespace

void paint_clouds(const Stage& stage) {
  auto random = stage.random(kCloudPart);
  switch (stage.scene.sky) {
    case Sky::kBlue: return paint_fair_weather(stage, random);
    case Sky::kSunset: return paint_streaks(stage, random, random.uniform(-0.02f, 0.22f), 0.85f);
    case Sky::kDawn: return paint_streaks(stage, random, random.uniform(-0.02f, 0.25f), 0.75f);
    case Sky::kGrey: return paint_cover(stage, random);
    case Sky::kNight: return;
  }
}

}  // namespace bada
