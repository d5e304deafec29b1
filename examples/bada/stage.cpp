#include "stage.h"

#include <utility>

namespace bada {
namespace {

/// Where sky and land meet, highest and lowest.
std::pair<float, float> horizon_range(Ground ground) {
  switch (ground) {
    case Ground::kSea:
      return {58, 74};
    case Ground::kDesert:
      return {62, 76};
    case Ground::kMeadow:
      return {62, 76};
    case Ground::kMountains:
      return {84, 92};
    case Ground::kForest:
      return {66, 76};
    case Ground::kCity:
      return {96, 104};
  }
  return {64, 64};
}

/// The row of the middle of what hangs in the sky, highest and lowest.
std::pair<float, float> height_range(const Scene& scene, float horizon) {
  const bool high_land = scene.ground == Ground::kMountains || scene.ground == Ground::kCity ||
                         scene.ground == Ground::kForest;
  if (is_balloon(scene.thing)) return {22, high_land ? 27.0f : 32.0f};
  if (scene.thing == Thing::kSun && scene.sky != Sky::kBlue && !high_land)
    return {horizon - 36, horizon - 20};
  return {17, high_land ? 25.0f : 34.0f};
}

/// The row of the foot of what stands on the ground.
std::pair<float, float> foot_range(const Scene& scene, float horizon) {
  if (scene.thing == Thing::kBoat) return {horizon + 20, horizon + 34};
  if (scene.ground == Ground::kSea) return {horizon + 22, horizon + 34};
  return {106, 117};
}

}  // namespace

Layout draw_layout(const Scene& scene, Random& random) {
  // Always as many numbers, so that a scene with another thing has the same land.
  const float at = random.uniform(0, 1), height = random.uniform(0, 1);
  Layout layout{};
  const auto horizon = horizon_range(scene.ground);
  layout.horizon = mix(horizon.first, horizon.second, random.uniform(0, 1));
  layout.scale = random.uniform(0.9f, 1.15f);
  const float light_x = random.uniform(10, kSize - 10);
  layout.side = random.sign();

  const auto rows = is_in_the_sky(scene.thing) ? height_range(scene, layout.horizon)
                                               : foot_range(scene, layout.horizon);
  layout.thing = {mix(26, kSize - 26, at), mix(rows.first, rows.second, height)};
  if (scene.thing == Thing::kSun || (scene.thing == Thing::kMoon && scene.sky == Sky::kNight)) {
    layout.light = layout.thing;
    layout.side = layout.thing.x < kSize / 2.0f ? -1.0f : 1.0f;
  } else {
    // Low at dusk and dawn, and high, out of the picture, by day.
    const bool low = scene.sky == Sky::kSunset || scene.sky == Sky::kDawn;
    layout.light = {low ? light_x : (layout.side < 0 ? -10.0f : kSize + 10.0f),
                    low ? layout.horizon - 4 : -10.0f};
    if (low) layout.side = light_x < kSize / 2.0f ? -1.0f : 1.0f;
  }
  return layout;
}

float Stage::free_row(float x) const {
  if (!is_in_the_sky(scene.thing)) return 0;
  const float away = std::abs(x - layout.thing.x);
  const float below = is_balloon(scene.thing) ? 16.0f : 19.0f;
  return layout.thing.y + below - std::max(0.0f, away - 15) * 1.3f;
}

float Stage::low_row(float x) const {
  if (is_in_the_sky(scene.thing) || scene.thing == Thing::kNone) return free_row(x);
  const float wide = is_house(scene.thing) ? 24.0f : 19.0f;
  return layout.thing.y - 20 - std::max(0.0f, std::abs(x - layout.thing.x) - wide) * 1.8f;
}

bool Stage::thing_shines() const {
  return scene.thing == Thing::kSun || (scene.thing == Thing::kMoon && scene.sky == Sky::kNight);
}

}  // namespace bada
