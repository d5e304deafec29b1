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
      const Color color =
          mix(palette.cloud_shade, palette.cloud_lit, clamp01(under * 0.75f + near * 0.35f));
      stage.canvas.blend(x, y, color, alpha);
    }
  }
}

/// A closed cover in decks: each has a billowing underside, dark, and grows lighter upwards until
/// the next, nearer one hides it.
void paint_cover(const Stage& stage, Random& random) {
  const auto& palette = stage.palette;
  constexpr int kDecks = 5;
  constexpr float kRow[kDecks] = {0.84f, 0.66f, 0.47f, 0.29f, 0.10f};
  constexpr float kBulge[kDecks] = {3.0f, 4.5f, 6.5f, 8.5f, 10.0f};
  const float horizon = std::min(stage.layout.horizon, 88.0f);
  for (int deck = 0; deck < kDecks; ++deck) {
    const Noise noise(mix_seed(stage.seed, 130 + deck));
    const float bulge = kBulge[deck], wide = 4.2f * bulge + 6, soft = 1.5f + 0.30f * bulge;
    const float row = horizon * (kRow[deck] + random.uniform(-0.03f, 0.03f));
    const float thick = horizon * 0.19f + bulge, near = static_cast<float>(deck) / (kDecks - 1);
    const Color sky = palette.sky_at(kRow[deck]);
    const Color dark = mix(sky, palette.cloud_shade, 0.45f + 0.35f * near);
    const Color light = mix(sky, palette.cloud_lit, 0.65f - 0.15f * near);
    std::array<float, kSize> edge{};
    for (int x = 0; x < kSize; ++x) {
      // Noise folded about zero, softly: round below, with creases between.
      const float fx = static_cast<float>(x) / wide;
      const float large = noise.at(fx), small = noise.at(2.3f * fx + 50);
      edge[x] = row + bulge * (1.9f * std::sqrt(large * large + 0.07f) +
                               0.6f * std::sqrt(small * small + 0.08f) - 1.0f);
    }
    for (int y = 0; y < static_cast<int>(row + 2.5f * bulge) && y < kSize; ++y) {
      const float fy = static_cast<float>(y);
      for (int x = 0; x < kSize; ++x) {
        const float above = edge[x] - fy;
        if (above < -soft) continue;
        // Higher up, the underside's shape is lost in that of the whole.
        const float level = mix(above, row - fy, smooth_step(0, thick * 0.7f, above)) / thick;
        const float wave =
            0.40f * noise.fractal(static_cast<float>(x) / wide * 0.9f, fy / wide * 2, 3);
        const Color color = mix(dark, light, smooth_step(-0.15f, 1.05f, level + wave));
        stage.canvas.blend(x, y, color, 0.92f * smooth_step(-soft, soft, above));
      }
    }
  }
}

}  // namespace

void paint_clouds(const Stage& stage) {
  auto random = stage.random(kCloudPart);
  switch (stage.scene.sky) {
    case Sky::kBlue:
      return paint_fair_weather(stage, random);
    case Sky::kSunset:
      return paint_streaks(stage, random, random.uniform(-0.02f, 0.22f), 0.85f);
    case Sky::kDawn:
      return paint_streaks(stage, random, random.uniform(-0.02f, 0.25f), 0.75f);
    case Sky::kGrey:
      return paint_cover(stage, random);
    case Sky::kNight:
      return;
  }
}

}  // namespace bada
