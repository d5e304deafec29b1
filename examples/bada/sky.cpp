#include "sky.h"

namespace bada {

void paint_sky(const Stage& stage) {
  const auto& light = stage.layout.light;
  const bool has_disc = stage.thing_shines();
  // How far the light reaches: wide along the horizon, round about a disc.
  const bool low = stage.scene.sky == Sky::kSunset || stage.scene.sky == Sky::kDawn;
  const float wide = low ? 62.0f : 46.0f, high = has_disc ? 40.0f : 24.0f;
  const float strength = stage.scene.sky == Sky::kNight  ? (has_disc ? 0.30f : 0)
                         : stage.scene.sky == Sky::kGrey ? 0
                         : has_disc                      ? 0.50f
                                                         : 0.42f;
  for (int y = 0; y < kSize; ++y) {
    const Color row = stage.palette.sky_at(static_cast<float>(y) / stage.layout.horizon);
    for (int x = 0; x < kSize; ++x) {
      const float dx = (static_cast<float>(x) - light.x) / wide;
      const float dy = (static_cast<float>(y) - light.y) / high;
      const float near = strength / (1 + 2.2f * (dx * dx + dy * dy));
      stage.canvas.at(x, y) = mix(row, stage.palette.glow, near * (1 - 0.25f * near));
    }
  }
  if (stage.scene.sky == Sky::kNight) paint_stars(stage);
  paint_clouds(stage);
}

}  // namespace bada
