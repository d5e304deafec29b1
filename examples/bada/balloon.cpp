#include "thing.h"

namespace bada {
namespace {

/// Half the width of the envelope at a height, -1 at the crown and 1 at the mouth, in radii.
float half_width(float height) {
  if (height < 0) return std::sqrt(std::max(0.0f, 1 - height * height));
  // A ball above, a cone with a soft waist below.
  return mix(std::sqrt(std::max(0.0f, 1 - height * height * 0.72f)), 1 - 0.72f * height,
             0.62f * height + 0.2f * height * height);
}

}  // namespace

void paint_balloon(const Stage& stage) {
  auto random = stage.random(kThingPart);
  const auto& layout = stage.layout;
  const float radius = 14.2f * layout.scale, length = radius * 1.18f;
  const Point at = layout.thing;
  const float night = stage.palette.night > 0.5f ? 1.0f : 0.0f;
  // Lit from within at night, for a blue one on a dark sky would be lost.
  const float pale = stage.scene.thing == Thing::kBlueBalloon ? 0.32f * night : 0;
  const Color base = mix(paint_color(stage.scene.thing), {0.55f, 0.72f, 1.0f}, pale);
  const Color dark = mix(shade_color(stage.scene.thing), {0.45f, 0.62f, 1.0f}, pale);
  const int gores = 3 + random.integer(2);
  const bool has_band = random.chance(0.45);
  const float mouth = at.y + length;

  // The basket and its ropes.
  const float basket = 3.1f * layout.scale, hang = 6.5f * layout.scale;
  const Color wicker = thing_color(stage, {0.50f, 0.31f, 0.16f}, 0.5f);
  const Color rope = wicker * 0.75f;
  const float waist = radius * half_width(1);
  draw_line(stage.canvas, {at.x - waist, mouth - 1}, {at.x - basket, mouth + hang}, 1, rope);
  draw_line(stage.canvas, {at.x + waist, mouth - 1}, {at.x + basket, mouth + hang}, 1, rope);
  fill_box(stage.canvas,
           {at.x - basket, mouth + hang - 1, at.x + basket, mouth + hang + 4.6f * layout.scale},
           wicker);
  fill_box(stage.canvas,
           {at.x - basket - 0.5f, mouth + hang - 1.5f, at.x + basket + 0.5f, mouth + hang},
           wicker * 1.3f);

  const Area area{at.x - radius - 1, at.y - radius - 1, at.x + radius + 1, mouth + 1};
  const auto height_of = [&](float y) {
    return y < at.y ? (y - at.y) / radius : (y - at.y) / length;
  };
  stage.canvas.fill(
      area,
      [&](float x, float y) {
        const float height = height_of(y);
        const float beside =
            std::abs(x - at.x) - radius * half_width(std::clamp(height, -1.0f, 1.0f));
        return std::max({height < -0.6f ? disc({x, y}, at, radius) : beside * 0.9f, y - mouth});
      },
      [&](float x, float y) {
        const float height = height_of(y),
                    half = std::max(0.05f, half_width(std::clamp(height, -1.0f, 1.0f)));
        const float across = std::clamp((x - at.x) / (radius * half), -1.0f, 1.0f);
        // Gores are even on the envelope, which turns away at its borders.
        const float angle = std::asin(across) / 3.14159f + 0.5f;
        const float stripe = std::sin(angle * 3.14159f * static_cast<float>(gores) * 2);
        Color color = mix(dark, base, smooth_step(-0.25f, 0.25f, stripe));
        if (has_band)
          color =
              mix(color, {1.0f, 0.97f, 0.90f}, smooth_step(0.10f, 0.06f, std::abs(height - 0.18f)));
        const float toward = across * layout.side * 0.62f - height * 0.55f;
        color = thing_color(stage, color, clamp01(0.55f + 0.62f * toward));
        // A glint by day; the burner's light from within at night.
        const Point glint{at.x + layout.side * radius * 0.42f, at.y - radius * 0.42f};
        const float gx = (x - glint.x) / radius, gy = (y - glint.y) / radius;
        color = mix(color, {1, 1, 1}, (1 - night) * 0.42f * std::exp(-(gx * gx + gy * gy) * 11));
        const float burner =
            night * std::exp(-((height - 0.75f) * (height - 0.75f)) * 3.2f) * (1 - across * across);
        return mix(color, mix(base, {1.0f, 0.95f, 0.80f}, 0.35f), 0.55f * burner);
      });
}

}  // namespace bada
