#include "noise.h"
#include "thing.h"

namespace bada {
namespace {

void paint_halo(const Stage& stage, Point at, float radius, Color light, float strength) {
  Canvas::each(around({at}, radius * 4), [&](int x, int y) {
    const float away =
        length(static_cast<float>(x) + 0.5f - at.x, static_cast<float>(y) + 0.5f - at.y) / radius;
    const float fade = smooth_step(4, 1, away);
    stage.canvas.blend(x, y, light, strength * fade * fade / (0.7f + 0.3f * away * away));
  });
}

void paint_sun(const Stage& stage, Random& random, bool with_disc) {
  const bool blue = stage.scene.sky == Sky::kBlue, sunset = stage.scene.sky == Sky::kSunset;
  const Point at = stage.layout.thing;
  const float radius = (blue ? 10.5f : 12.5f) * stage.layout.scale * random.uniform(0.95f, 1.05f);
  const Color middle = blue     ? Color{1.0f, 0.90f, 0.36f}
                       : sunset ? Color{1.0f, 0.95f, 0.62f}
                                : Color{1.0f, 0.90f, 0.50f};
  const Color border = blue     ? Color{1.0f, 0.78f, 0.16f}
                       : sunset ? Color{1.0f, 0.84f, 0.30f}
                                : Color{1.0f, 0.76f, 0.30f};
  const Color halo = blue ? Color{1.0f, 0.95f, 0.72f} : stage.palette.glow;
  paint_halo(stage, at, radius, halo, blue ? 0.75f : 0.6f);
  if (!with_disc) return;
  stage.canvas.fill(
      around({at}, radius + 1),
      [&](float x, float y) {
        return disc({x, y}, at, radius);
      },
      [&](float x, float y) {
        return mix(middle, border, smooth_step(0.3f, 1.0f, disc({x, y}, at, 0) / radius));
      });
}

void paint_moon(const Stage& stage, Random& random, bool with_disc) {
  const Point at = stage.layout.thing;
  const bool night = stage.scene.sky == Sky::kNight;
  const float radius = 11.0f * stage.layout.scale * random.uniform(0.95f, 1.08f);
  // Full only at night: at dusk a full disc is the sun.
  const bool full = night && random.chance(0.35);
  const float phase = random.uniform(0.38f, 0.75f), tilt = random.uniform(-0.7f, 0.5f);
  const float turn = random.sign();
  const Noise noise(mix_seed(stage.seed, kThingPart));
  const Color bright{0.99f, 0.97f, 0.88f}, dull{0.82f, 0.82f, 0.78f};
  paint_halo(stage, at, radius, {0.86f, 0.90f, 0.98f}, night ? 0.34f : 0.0f);
  if (!with_disc) return;
  const Point shadow{at.x + turn * radius * phase * std::cos(tilt),
                     at.y + radius * phase * std::sin(tilt)};
  stage.canvas.fill(
      around({at}, radius + 1),
      [&](float x, float y) {
        const float whole = disc({x, y}, at, radius);
        return full ? whole : std::max(whole, -disc({x, y}, shadow, radius * 0.92f));
      },
      [&](float x, float y) {
        // Seas and craters.
        const float dark = smooth_step(0.05f, 0.45f, noise.fractal(x / 7, y / 7, 2));
        return mix(bright, dull, dark * (night ? 0.8f : 0.35f));
      });
}

}  // namespace

void paint_disc(const Stage& stage, bool with_disc) {
  auto random = stage.random(kThingPart);
  if (stage.scene.thing == Thing::kSun) paint_sun(stage, random, with_disc);
  if (stage.scene.thing == Thing::kMoon) paint_moon(stage, random, with_disc);
}

}  // namespace bada
