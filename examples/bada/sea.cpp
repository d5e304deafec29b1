#include "ground.h"

namespace bada {
namespace {

/// Far land above the horizon, more air than rock.
void paint_far_coast(const Stage& stage, Random& random) {
  const float middle = random.uniform(0, kSize), wide = random.uniform(26, 60);
  const float high = random.uniform(4, 9);
  const Noise noise(mix_seed(stage.seed, kDetailPart));
  const Color near = stage.palette.lit({0.30f, 0.42f, 0.46f}, 0.3f, 0.55f);
  Profile coast{};
  for (int x = 0; x < kSize; ++x) {
    const float at = (static_cast<float>(x) - middle) / wide;
    const float hump = std::max(0.0f, 1 - at * at);
    coast[x] = stage.layout.horizon + 1 -
               high * hump * (1 + 0.6f * noise.fractal(static_cast<float>(x) / 13, 3));
  }
  fill_below(stage.canvas, coast, [&](float, float, float depth) {
    return mix(near, stage.palette.haze, clamp01(depth / 12) * 0.5f);
  });
}

}  // namespace

void paint_sea(const Stage& stage) {
  const auto& palette = stage.palette;
  const auto& layout = stage.layout;
  auto random = stage.random(kGroundPart);
  const bool has_coast = random.chance(0.4);
  auto detail = stage.random(kDetailPart);
  if (has_coast) paint_far_coast(stage, detail);

  const Noise waves(mix_seed(stage.seed, kGroundPart)), glints(mix_seed(stage.seed, kNoisePart));
  const float rough = random.uniform(0.6f, 1.3f), horizon = std::floor(layout.horizon);
  const float below = static_cast<float>(kSize) - horizon;
  const bool has_disc = stage.thing_shines();
  const bool low = stage.scene.sky == Sky::kSunset || stage.scene.sky == Sky::kDawn;
  const float shine = has_disc ? 0.95f : low ? 0.55f : 0;
  const Color deep = mix(palette.water, palette.sky_at(0.2f), 0.12f);
  const Color crest = mix(palette.sky_at(0.85f), palette.glow, 0.25f);

  for (int y = static_cast<int>(horizon); y < kSize; ++y) {
    const float depth = (static_cast<float>(y) + 0.5f - horizon) / below;
    // The sky, mirrored; the steeper the view, the less.
    const float mirror = mix(0.66f, 0.16f, std::sqrt(depth));
    const Color row = mix(deep, palette.sky_at(1 - depth), mirror);
    const float high = 1.7f + 5.2f * depth, wide = 7 + 30 * depth;
    const float across = below / 5.2f * std::log(high / 1.7f);
    for (int x = 0; x < kSize; ++x) {
      const float fx = static_cast<float>(x) + 0.5f;
      const float u = (fx - 64) / wide + 20;
      const float wave = waves.at(u, across) * 0.7f + waves.at(u * 2.3f, across * 1.7f + 9) * 0.4f;
      const float swell = waves.at(fx / 50 + 7, depth * 4);
      const float strong = rough * (0.35f + 0.65f * depth);
      Color color = mix(row, crest, clamp01(smooth_step(0.12f, 0.75f, wave) * 0.42f * strong));
      color = mix(color, deep * 0.72f, clamp01(smooth_step(-0.05f, -0.8f, wave) * 0.5f * strong));
      color = color * (1 + 0.06f * swell);
      // The path of light below sun and moon, broken by the waves.
      if (shine > 0) {
        const float path = (fx - layout.light.x) / (5 + (low && !has_disc ? 34 : 17) * depth);
        const float glint = glints.at(u * 1.4f, across * 1.15f);
        const float lit =
            std::exp(-path * path) * smooth_step(-0.42f, 0.30f, glint + 0.25f - 0.3f * depth);
        color = mix(color, palette.glow, clamp01(lit * shine * (1 - 0.35f * depth)));
      }
      // Air over the far water, and a clear line where it ends.
      color = mix(color, palette.haze, 0.40f * std::exp(-depth * 9));
      stage.canvas.at(x, y) = y == static_cast<int>(horizon) ? color * 0.94f : color;
    }
  }
}

}  // namespace bada
