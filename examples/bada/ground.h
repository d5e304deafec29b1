#pragma once

#include <array>

#include "noise.h"
#include "stage.h"

namespace bada {

/// Paints the land of the stage's scene over the sky.
void paint_ground(const Stage& stage);

void paint_sea(const Stage& stage);
void paint_desert(const Stage& stage);
void paint_meadow(const Stage& stage);
void paint_mountains(const Stage& stage);
void paint_forest(const Stage& stage);
void paint_city(const Stage& stage);

/// The upper edge of a piece of land: a row a column.
using Profile = std::array<float, kSize>;

/// A rolling edge about `row`, `high` pixels up and down, with a hill every `wide` pixels or so.
Profile rolling_profile(const Noise& noise, float row, float high, float wide);

/// By how much an edge must be lowered, as a whole, for what is in the sky to stay free.
float lower_by(const Stage& stage, const Profile& profile);

/// Lowers it so.
void keep_free(const Stage& stage, Profile& profile);

/// As `Palette::lit`, but land that is told by its colour, grass and snow, keeps some of its own.
Color own_color(const Stage& stage, Color albedo, float facing, float far);

/// Fills all below an edge. `color(x, y, depth)` has the depth below the edge in pixels.
template <class Paint>
void fill_below(Canvas& canvas, const Profile& profile, Paint color) {
  const float highest = *std::min_element(profile.begin(), profile.end());
  for (int y = std::max(0, static_cast<int>(highest) - 1); y < kSize; ++y) {
    for (int x = 0; x < kSize; ++x) {
      const float depth = static_cast<float>(y) + 1 - profile[x];
      if (depth > 0) {
        const float px = static_cast<float>(x), py = static_cast<float>(y);
        canvas.blend(x, y, color(px, py, depth), depth);
      }
    }
  }
}

/// The slope of an edge in pixels a pixel, over a few columns; above zero where it rises to the
/// right.
float slope_of(const Profile& profile, float x);

/// A conifer.
struct Fir {
  Point foot;
  float high, wide;
};

/// Paints a conifer in tiers, its light half towards the light.
void paint_fir(const Stage& stage, const Fir& fir, Color light, Color dark);

}  // namespace bada
