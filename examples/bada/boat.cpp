#include "noise.h"
#include "thing.h"

namespace bada {
namespace {

constexpr Color kHulls[] = {{0.46f, 0.25f, 0.13f}, {0.16f, 0.22f, 0.40f}, {0.62f, 0.16f, 0.14f}};

}  // namespace

void paint_boat(const Stage& stage) {
  auto random = stage.random(kThingPart);
  auto& canvas = stage.canvas;
  const float scale = stage.layout.scale, side = stage.layout.side;
  const Point at = stage.layout.thing;
  const float turn = random.sign();
  const Color hull_color = kHulls[random.integer(3)];
  const float length = 30 * scale, high = 6.4f * scale,
              mast = 33 * scale * random.uniform(0.92f, 1.08f);
  const auto x = [&](float along) { return at.x + turn * along * length; };

  // The hull and the white sails, and both again upside down in the water.
  const Color hull = thing_color(stage, hull_color, 0.55f),
              rim = thing_color(stage, {0.95f, 0.92f, 0.86f}, 0.7f);
  const Color bright = thing_color(stage, {1.0f, 0.99f, 0.96f}, 1.0f);
  const Color dull = thing_color(stage, {0.86f, 0.88f, 0.94f}, turn * side > 0 ? 0.75f : 0.45f);
  const std::vector<Point> body = {{x(-0.46f), at.y - high},
                                   {x(0.52f), at.y - high * 1.12f},
                                   {x(0.34f), at.y},
                                   {x(-0.38f), at.y}};
  const std::vector<Point> main_sail = {{x(-0.02f), at.y - mast},
                                        {x(-0.02f), at.y - high - 2.5f * scale},
                                        {x(-0.44f), at.y - high - 2.5f * scale}};
  const std::vector<Point> jib = {{x(0.04f), at.y - mast * 0.90f},
                                  {x(0.04f), at.y - high - 2.0f * scale},
                                  {x(0.44f), at.y - high - 1.6f * scale}};

  // As high as the picture has room for; broken by ripples, and paler with the depth.
  const Noise noise(mix_seed(stage.seed, kThingPart));
  const auto reflect = [&](const std::vector<Point>& corners, Color color) {
    std::vector<Point> mirrored;
    for (const auto& corner : corners)
      mirrored.push_back({corner.x, at.y + (at.y - corner.y) * 0.62f});
    Canvas::each(around(mirrored, 3), [&](int px, int py) {
      const float fy = static_cast<float>(py) + 0.5f, depth = fy - at.y;
      if (depth < 0) return;
      const float shift = (0.6f + depth * 0.11f) * noise.at(fy / 1.9f, 3);
      const float cover =
          clamp01(0.5f - polygon({static_cast<float>(px) + 0.5f + shift, fy}, mirrored));
      canvas.blend(px, py, mix(color, stage.palette.water, 0.35f),
                   cover * 0.55f * smooth_step(24, 2, depth));
    });
  };
  reflect(main_sail, bright);
  reflect(jib, dull);
  reflect(body, hull);

  draw_line(canvas, {x(0.01f), at.y - mast - 1.5f * scale}, {x(0.01f), at.y - high}, 1.5f,
            thing_color(stage, {0.42f, 0.28f, 0.18f}, 0.5f));
  fill_polygon(canvas, main_sail, bright);
  fill_polygon(canvas, jib, dull);
  fill_polygon(canvas, body, hull);
  draw_line(canvas, body[0], body[1], 1.6f * scale, rim);
}

}  // namespace bada
