#include <array>

#include "noise.h"
#include "thing.h"

namespace bada {
namespace {

struct Ball {
  Point at;
  float radius;
};

}  // namespace

void paint_tree(const Stage& stage) {
  auto random = stage.random(kThingPart);
  auto& canvas = stage.canvas;
  const float scale = stage.layout.scale, side = stage.layout.side;
  const Point foot = stage.layout.thing;
  const float high = 41 * scale * random.uniform(0.92f, 1.05f), lean = random.uniform(-2.5f, 2.5f);
  const Point crown{foot.x + lean, foot.y - high * 0.66f};

  paint_shadow(stage, foot, 22 * scale, 4.5f);
  const Color bark = thing_color(stage, {0.40f, 0.25f, 0.15f}, 0.35f),
              bark_light = thing_color(stage, {0.54f, 0.36f, 0.22f}, 0.75f);
  const float half = 2.3f * scale;
  fill_polygon(canvas,
               {{crown.x - half * 0.55f, crown.y},
                {crown.x + half * 0.55f, crown.y},
                {foot.x + half, foot.y - 2},
                {foot.x + half * 1.7f, foot.y + 0.8f},
                {foot.x - half * 1.7f, foot.y + 0.8f},
                {foot.x - half, foot.y - 2}},
               bark);
  draw_line(canvas, {foot.x + side * half * 0.45f, foot.y - 2}, {crown.x + side * 0.4f, crown.y},
            1.2f * scale, bark_light);
  const Point fork{foot.x + lean * 0.45f, foot.y - high * 0.36f};
  for (const float turn : {-1.0f, 1.0f})
    draw_line(canvas, fork, {crown.x + turn * 9 * scale, crown.y + 2 * scale}, 1.8f * scale, bark);

  // A crown of balls, back to front: low ones in the shade, high ones in the light.
  std::array<Ball, 9> balls{};
  constexpr float kTurn = 6.28318f / 7;
  const float start = random.uniform(0, kTurn);
  for (size_t i = 0; i < balls.size(); ++i) {
    const float angle = start + kTurn * static_cast<float>(i), reach = i < 7 ? 8.6f : 2.5f;
    balls[i] = {{crown.x + scale * reach * 1.18f * std::cos(angle),
                 crown.y + scale * reach * 0.88f * std::sin(angle)},
                scale * random.uniform(6.6f, 8.6f)};
  }
  std::sort(balls.begin(), balls.end(),
            [](const Ball& a, const Ball& b) { return a.at.y > b.at.y; });
  const Noise noise(mix_seed(stage.seed, kThingPart));
  const float hue = random.uniform(0, 1);
  const Color leaf = mix({0.20f, 0.55f, 0.16f}, {0.12f, 0.46f, 0.22f}, hue);
  for (const auto& ball : balls) {
    canvas.fill(
        around({ball.at}, ball.radius + 2),
        [&](float x, float y) {
          return disc({x, y}, ball.at, ball.radius) + 1.1f * noise.at(x / 3.2f, y / 3.2f);
        },
        [&](float x, float y) {
          const float dx = (x - ball.at.x) / ball.radius, dy = (y - ball.at.y) / ball.radius;
          const float height = (crown.y - y) / (15 * scale);
          const float facing = 0.48f + 0.30f * (dx * side - dy) * 0.8f + 0.36f * height +
                               0.14f * (x - crown.x) * side / (14 * scale);
          const float t = smooth_step(0.05f, 0.95f, facing);
          return thing_color(stage, mix(leaf * 0.55f, leaf * 1.45f, t), t);
        });
  }
}

}  // namespace bada
