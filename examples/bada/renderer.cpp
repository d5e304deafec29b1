#include "renderer.h"

#include "check_scene.h"
#include "ground.h"
#include "sky.h"
#include "thing.h"

namespace bada {
namespace {

Picture paint(const Scene& scene, uint64_t seed, bool with_thing) {
  check_scene(scene);
  Canvas canvas;
  Random palette_random(seed, kPalettePart), layout_random(seed, kLayoutPart);
  const auto palette = draw_palette(scene.sky, palette_random);
  const auto layout = draw_layout(scene, layout_random);
  const Stage stage{canvas, palette, layout, scene, seed};
  paint_sky(stage);
  paint_disc(stage, with_thing);
  paint_ground(stage);
  if (with_thing) paint_thing(stage);
  return canvas.picture();
}

}  // namespace

Picture render(const Scene& scene, uint64_t seed) {
  return paint(scene, seed, true);
}

Picture render_without_thing(const Scene& scene, uint64_t seed) {
  return paint(scene, seed, false);
}

}  // namespace bada
