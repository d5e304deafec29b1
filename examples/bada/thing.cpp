#include "thing.h"

namespace bada {

void paint_thing(const Stage& stage) {
  const Thing thing = stage.scene.thing;
  if (is_balloon(thing)) return paint_balloon(stage);
  if (is_house(thing)) return paint_house(stage);
  if (thing == Thing::kBoat) return paint_boat(stage);
  if (thing == Thing::kLighthouse) return paint_lighthouse(stage);
  if (thing == Thing::kTree) return paint_tree(stage);
}

Color thing_color(const Stage& stage, Color albedo, float facing) {
  const float own = stage.scene.sky == Sky::kBlue ? 0.30f : 0.42f + 0.20f * stage.palette.night;
  return mix(stage.palette.lit(albedo, facing), albedo * (0.68f + 0.37f * facing), own);
}

Color paint_color(Thing thing) {
  switch (thing) {
    case Thing::kRedBalloon:
    case Thing::kRedHouse:
      return {0.93f, 0.13f, 0.14f};
    case Thing::kYellowBalloon:
    case Thing::kYellowHouse:
      return {1.0f, 0.86f, 0.10f};
    case Thing::kBlueBalloon:
    case Thing::kBlueHouse:
      return {0.10f, 0.27f, 0.88f};
    case Thing::kGreenBalloon:
      return {0.12f, 0.68f, 0.24f};
    default:
      return {1, 1, 1};
  }
}

Color shade_color(Thing thing) {
  switch (thing) {
    case Thing::kRedBalloon:
    case Thing::kRedHouse:
      return {0.74f, 0.06f, 0.12f};
    // A yellow that is merely darker would be olive.
    case Thing::kYellowBalloon:
    case Thing::kYellowHouse:
      return {0.98f, 0.66f, 0.03f};
    case Thing::kBlueBalloon:
    case Thing::kBlueHouse:
      return {0.06f, 0.18f, 0.70f};
    case Thing::kGreenBalloon:
      return {0.06f, 0.52f, 0.22f};
    default:
      return {0.8f, 0.8f, 0.8f};
  }
}

void paint_shadow(const Stage& stage, Point foot, float wide, float high) {
  const Point middle{foot.x - stage.layout.side * wide * 0.25f, foot.y};
  const Color dark = stage.palette.ambient * 0.35f;
  Canvas::each({middle.x - wide, middle.y - high, middle.x + wide, middle.y + high}, [&](int x,
                                                                                         int y) {
    const float dx = (static_cast<float>(x) + 0.5f - middle.x) / wide;
    const float dy = (static_cast<float>(y) + 0.5f - middle.y) / high;
    stage.canvas.blend(x, y, dark, 0.55f * smooth_step(1.0f, 0.25f, std::sqrt(dx * dx + dy * dy)));
  });
}

}  // namespace bada
