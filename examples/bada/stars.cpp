#include "noise.h"
#include "sky.h"

namespace bada {
namespace {

constexpr Color kStarColors[] = {
    {1.0f, 1.0f, 1.0f}, {0.86f, 0.92f, 1.0f}, {1.0f, 0.95f, 0.82f}, {0.80f, 0.88f, 1.0f}};

/// A star of soft edges, and about the large ones a glow.
void paint_star(Canvas& canvas, Point at, float radius, Color color, float bright) {
  const float reach = radius * 3.2f;
  Canvas::each(around({at}, reach + 1), [&](int x, int y) {
    const Point p{static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f};
    const float away = length(p.x - at.x, p.y - at.y) / radius;
    const float core = std::exp(-away * away * 1.1f);
    const float halo = radius > 1.25f ? 0.16f * std::exp(-away * 0.9f) : 0;
    canvas.shine(x, y, color, std::min(1.0f, (core + halo) * bright));
  });
}

void paint_milky_way(const Stage& stage, Random& random) {
  const Noise noise(mix_seed(stage.seed, kStarPart));
  const float slope = random.uniform(0.5f, 1.1f) * random.sign();
  const float middle = random.uniform(0.1f, 0.9f) * kSize, wide = random.uniform(11, 18);
  const float strength = random.uniform(0.16f, 0.30f);
  const Color light = mix(stage.palette.sky[3], {0.80f, 0.78f, 0.92f}, 0.5f);
  const int bottom = static_cast<int>(std::min(stage.layout.horizon + 4, 127.0f));
  for (int y = 0; y < bottom; ++y) {
    const float fy = static_cast<float>(y);
    for (int x = 0; x < kSize; ++x) {
      const float fx = static_cast<float>(x);
      const float away = (fx - middle - (fy - 30) * slope) / (wide * std::sqrt(1 + slope * slope));
      if (away * away > 6) continue;
      const float cloud = 0.62f + 0.55f * noise.fractal(fx / 19, fy / 19, 3);
      stage.canvas.shine(x, y, light, clamp01(strength * cloud * std::exp(-away * away)));
    }
  }
}

}  // namespace

void paint_stars(const Stage& stage) {
  auto random = stage.random(kStarPart);
  paint_milky_way(stage, random);
  const int count = 26 + random.integer(18);
  for (int i = 0; i < count; ++i) {
    const Point at{random.uniform(2, kSize - 2), random.uniform(2, stage.layout.horizon - 2)};
    const float size = static_cast<float>(random.uniform());
    const float radius = 0.95f + 0.85f * size * size * size * size;
    const Color color = kStarColors[random.integer(4)];
    // None beside the moon, whose outline is to be read.
    const bool free = !is_in_the_sky(stage.scene.thing) ||
                      length(at.x - stage.layout.thing.x, at.y - stage.layout.thing.y) > 21;
    if (free) paint_star(stage.canvas, at, radius, color, 0.55f + 0.45f * size);
  }
}

}  // namespace bada
