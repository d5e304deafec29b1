#include "noise.h"
#include "thing.h"

namespace bada {
namespace {

/// Beams of the lamp to both sides, at dusk and at night.
void paint_beams(const Stage& stage, Point lamp, Random& random) {
  const float strength = stage.palette.night > 0.5f        ? 0.42f
                         : stage.scene.sky == Sky::kSunset ? 0.22f
                                                           : 0;
  const float slope = random.uniform(-0.16f, 0.10f);
  if (strength == 0) return;
  const Color light{1.0f, 0.94f, 0.68f};
  Canvas::each({0, 0, kSize, kSize}, [&](int x, int y) {
    const float dx = static_cast<float>(x) + 0.5f - lamp.x,
                dy = static_cast<float>(y) + 0.5f - lamp.y;
    const float along = std::abs(dx), off = dy - (dx > 0 ? slope : -slope) * dx;
    const float wide = 1.8f + 0.13f * along;
    const float across = off / wide;
    stage.canvas.shine(
        x, y, light,
        strength * std::exp(-across * across) * std::exp(-along / 58) * clamp01(along / 4));
  });
}

/// The rock that it stands on in the sea, with foam about it.
void paint_rock(const Stage& stage, Point foot, float scale) {
  const Noise noise(mix_seed(stage.seed, kThingPart));
  const Color foam = thing_color(stage, {0.94f, 0.97f, 0.98f}, 0.6f);
  const auto rock = [&](float x, float y, float grow) {
    const float rough = 2.2f * noise.fractal(x / 6, y / 6, 2);
    return ellipse({x, y}, {foot.x, foot.y + 3 * scale}, (17 + grow) * scale,
                   (7 + grow * 0.4f) * scale) +
           rough;
  };
  const Area area{foot.x - 25 * scale, foot.y - 8 * scale, foot.x + 25 * scale,
                  foot.y + 16 * scale};
  Canvas::each(area, [&](int x, int y) {
    const float fx = static_cast<float>(x) + 0.5f, fy = static_cast<float>(y) + 0.5f;
    if (fy > foot.y + 3)
      stage.canvas.blend(x, y, foam, 0.7f * clamp01(0.5f - rock(fx, fy, 3.5f) * 0.4f));
  });
  stage.canvas.fill(
      area, [&](float x, float y) { return rock(x, y, 0); },
      [&](float x, float y) {
        const float toward = (x - foot.x) / (17 * scale) * stage.layout.side -
                             (y - foot.y - 3 * scale) / (9 * scale);
        const float facing =
            clamp01(0.45f + 0.5f * toward + 0.35f * noise.fractal(x / 4, y / 3, 2));
        return thing_color(stage, {0.42f, 0.40f, 0.42f}, facing);
      });
}

}  // namespace

void paint_lighthouse(const Stage& stage) {
  auto random = stage.random(kThingPart);
  auto& canvas = stage.canvas;
  const float scale = stage.layout.scale * 0.98f, side = stage.layout.side;
  const Point foot = stage.layout.thing;
  const float high = 38 * scale, low_half = 7.4f * scale, high_half = 4.9f * scale;
  const float top = foot.y - high;
  const Point lamp{foot.x, top - 4.2f * scale};
  paint_beams(stage, lamp, random);
  if (stage.scene.ground == Ground::kSea) {
    paint_rock(stage, foot, scale);
  } else {
    paint_shadow(stage, foot, 17 * scale, 3.8f);
  }

  // White with red bands, round: it turns away from the light.
  const float shift = random.uniform(-0.04f, 0.04f);
  canvas.fill(
      {foot.x - low_half - 1, top - 1, foot.x + low_half + 1, foot.y + 1},
      [&](float x, float y) {
        const float half = mix(high_half, low_half, clamp01((y - top) / high));
        return std::max({std::abs(x - foot.x) - half, top - y,
                         y - foot.y - 0.8f * (1 - (x - foot.x) * (x - foot.x) / (half * half))});
      },
      [&](float x, float y) {
        const float down = (y - top) / high, half = mix(high_half, low_half, clamp01(down));
        const float across = (x - foot.x) / half;
        const float bend = 0.02f * (1 - across * across);
        const float band = std::abs(down - bend - (down < 0.5f ? 0.24f : 0.66f) - shift);
        const Color albedo =
            mix({0.99f, 0.98f, 0.96f}, {0.90f, 0.14f, 0.13f}, smooth_step(0.125f, 0.10f, band));
        return thing_color(stage, albedo, clamp01(0.62f + 0.52f * across * side));
      });

  // The gallery, the lamp's room and its cap.
  const Color iron = thing_color(stage, {0.24f, 0.24f, 0.28f}, 0.5f);
  const bool burns = stage.scene.sky != Sky::kBlue;
  const Color glass = burns ? Color{1.0f, 0.93f, 0.58f} : Color{0.98f, 0.88f, 0.48f};
  fill_box(canvas,
           {foot.x - high_half - 1.8f * scale, top - 1.6f * scale,
            foot.x + high_half + 1.8f * scale, top + 0.6f * scale},
           iron);
  fill_box(canvas,
           {foot.x - 3.4f * scale, top - 7.4f * scale, foot.x + 3.4f * scale, top - 1.6f * scale},
           glass);
  const Color cap = thing_color(stage, {0.88f, 0.15f, 0.14f}, 0.7f);
  fill_polygon(canvas,
               {{foot.x - 5 * scale, top - 7.2f * scale},
                {foot.x, top - 12.4f * scale},
                {foot.x + 5 * scale, top - 7.2f * scale}},
               cap);
  fill_box(canvas, {foot.x - 1.7f * scale, foot.y - 6 * scale, foot.x + 1.7f * scale, foot.y},
           thing_color(stage, {0.30f, 0.24f, 0.24f}, 0.5f));
  if (burns) {
    const float strength = stage.palette.night > 0.3f ? 0.75f : 0.35f;
    Canvas::each(around({lamp}, 14 * scale), [&](int x, int y) {
      const float away =
          length(static_cast<float>(x) + 0.5f - lamp.x, static_cast<float>(y) + 0.5f - lamp.y) /
          scale;
      canvas.shine(x, y, {1.0f, 0.90f, 0.55f}, strength * std::exp(-away * away / 38));
    });
  }
}

}  // namespace bada
