#include "ground.h"

namespace bada {

void paint_ground(const Stage& stage) {
  switch (stage.scene.ground) {
    case Ground::kSea:
      return paint_sea(stage);
    case Ground::kDesert:
      return paint_desert(stage);
    case Ground::kMeadow:
      return paint_meadow(stage);
    case Ground::kMountains:
      return paint_mountains(stage);
    case Ground::kForest:
      return paint_forest(stage);
    case Ground::kCity:
      return paint_city(stage);
  }
}

Profile rolling_profile(const Noise& noise, float row, float high, float wide) {
  Profile profile{};
  for (int x = 0; x < kSize; ++x)
    profile[x] = row + high * 1.4f * noise.fractal(static_cast<float>(x) / wide, 2);
  return profile;
}

float lower_by(const Stage& stage, const Profile& profile) {
  float lower = 0;
  if (!is_in_the_sky(stage.scene.thing)) return 0;
  for (int x = 0; x < kSize; ++x)
    lower = std::max(lower, stage.free_row(static_cast<float>(x)) - profile[x]);
  return lower;
}

void keep_free(const Stage& stage, Profile& profile) {
  const float lower = lower_by(stage, profile);
  for (auto& row : profile) row += lower;
}

Color own_color(const Stage& stage, Color albedo, float facing, float far) {
  const float own = 0.42f - 0.33f * stage.palette.night;
  const Color color =
      mix(stage.palette.lit(albedo, facing), albedo * (0.50f + 0.50f * facing), own);
  return mix(color, stage.palette.haze, far);
}

float slope_of(const Profile& profile, float x) {
  const int left = std::clamp(static_cast<int>(x) - 3, 0, kSize - 7);
  return (profile[left] - profile[left + 6]) / 6;
}

void paint_fir(const Stage& stage, const Fir& fir, Color light, Color dark) {
  const float top = fir.foot.y - fir.high, trunk = fir.high * 0.10f;
  const int tiers = fir.high > 30 ? 5 : fir.high > 16 ? 4 : 3;
  fill_box(stage.canvas,
           {fir.foot.x - fir.wide * 0.06f, fir.foot.y - trunk - 1, fir.foot.x + fir.wide * 0.06f,
            fir.foot.y},
           dark * 0.8f);
  const Area area{fir.foot.x - fir.wide / 2, top - 1, fir.foot.x + fir.wide / 2,
                  fir.foot.y - trunk + 1};
  const auto half_width = [&](float y) {
    const float at = clamp01((y - top) / (fir.high - trunk)) * static_cast<float>(tiers);
    const float tier = std::min(std::floor(at), static_cast<float>(tiers - 1));
    const float inner = 0.55f * tier, outer = tier + 1;
    return fir.wide / 2 * mix(inner, outer, at - tier) / static_cast<float>(tiers);
  };
  stage.canvas.fill(
      area,
      [&](float x, float y) {
        const float beside = std::abs(x - fir.foot.x) - half_width(y);
        return std::max({beside * 0.85f, top - y, y - fir.foot.y + trunk});
      },
      [&](float x, float y) {
        const float across = (x - fir.foot.x) * stage.layout.side / (fir.wide / 2);
        const float down = (y - top) / fir.high;
        return mix(dark, light, smooth_step(-0.25f, 0.45f, across + 0.12f - 0.25f * down));
      });
}

}  // namespace bada
