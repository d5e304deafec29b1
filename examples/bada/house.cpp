#include "thing.h"

namespace bada {

void paint_house(const Stage& stage) {
  auto random = stage.random(kThingPart);
  auto& canvas = stage.canvas;
  const float scale = stage.layout.scale, side = stage.layout.side;
  const Point foot = stage.layout.thing;
  const float front = 18 * scale, flank = 13 * scale * random.uniform(0.9f, 1.15f);
  const float wall = 16 * scale * random.uniform(0.92f, 1.1f), gable = 10.5f * scale;
  // The gable's side and the flank: the flank is turned from the light, or to it.
  const float turn = random.sign();
  const float left = foot.x - (front + flank) / 2, top = foot.y - wall;
  const float seam = turn > 0 ? left + front : left + flank;
  const float right = left + front + flank;
  const Area front_area = turn > 0 ? Area{left, top, seam, foot.y} : Area{seam, top, right, foot.y};
  const Area flank_area = turn > 0 ? Area{seam, top, right, foot.y} : Area{left, top, seam, foot.y};
  const Color paint = paint_color(stage.scene.thing);
  const float to_light = turn * side;
  const Color front_color = thing_color(stage, paint, to_light < 0 ? 0.95f : 0.72f);
  const Color flank_color =
      thing_color(stage, shade_color(stage.scene.thing), to_light < 0 ? 0.45f : 0.85f);
  const Color slate = mix({0.33f, 0.30f, 0.34f}, {0.42f, 0.30f, 0.26f}, random.uniform(0, 1));
  const Color roof = thing_color(stage, slate, 0.6f);
  const bool lit = stage.scene.sky != Sky::kBlue;
  const Color window = lit ? Color{1.0f, 0.88f, 0.52f} : Color{0.80f, 0.90f, 0.96f};
  const Color frame = thing_color(stage, {0.97f, 0.95f, 0.90f}, 0.8f);

  paint_shadow(stage, foot, (front + flank) * 0.85f, 4.5f);
  fill_box(canvas, front_area, front_color);
  fill_box(canvas, flank_area, flank_color);

  const Point apex{(front_area.left + front_area.right) / 2, top - gable};
  const float eave = 2 * scale, far_x = turn > 0 ? right : left;
  // The roof's surface over the flank, then the gable with its edges.
  const Point ridge{apex.x + turn * (flank + front / 2 - eave * 0.6f), apex.y};
  const float gable_edge = turn > 0 ? front_area.right : front_area.left;
  fill_polygon(canvas,
               {apex,
                ridge,
                {far_x + turn * eave, top + 1.5f * scale},
                {gable_edge + turn * eave * 0.6f, top + 1.5f * scale}},
               roof);
  const float chimney = apex.x + turn * (flank * 0.55f + front * 0.3f);
  fill_box(canvas,
           {chimney - 1.8f * scale, apex.y - 4 * scale, chimney + 1.8f * scale, apex.y + 3 * scale},
           thing_color(stage, {0.62f, 0.42f, 0.36f}, 0.5f));
  fill_polygon(canvas, {{front_area.left, top + 0.5f}, apex, {front_area.right, top + 0.5f}},
               front_color);
  const Color edge = roof * 0.86f;
  draw_line(canvas, {front_area.left - eave, top + 1.5f * scale}, apex, 2.6f * scale, edge);
  draw_line(canvas, {front_area.right + eave, top + 1.5f * scale}, apex, 2.6f * scale, edge);

  // A door, a window in the gable's wall, and one or two in the flank.
  const float middle = apex.x;
  fill_box(canvas, {middle - 5.6f * scale, foot.y - 8.5f * scale, middle - 0.8f * scale, foot.y},
           thing_color(stage, {0.36f, 0.22f, 0.15f}, 0.5f));
  const auto paint_window = [&](float x, float y, float wide) {
    fill_box(canvas, {x - wide / 2 - 0.8f, y - 3.3f * scale, x + wide / 2 + 0.8f, y + 2.9f * scale},
             frame);
    fill_box(canvas, {x - wide / 2, y - 2.5f * scale, x + wide / 2, y + 2.1f * scale}, window);
  };
  paint_window(middle + 4.0f * scale, foot.y - 8.5f * scale, 4.2f * scale);
  paint_window((flank_area.left + flank_area.right) / 2, foot.y - 8.5f * scale, 4.6f * scale);
  fill_disc(canvas, {middle, top - 2 * scale}, 1.9f * scale, window);
}

}  // namespace bada
