#pragma once

#include <array>

#include "color.h"
#include "random.h"
#include "scene.h"

namespace bada {

/// The colours of one sky and of the light that it gives; what makes a picture one.
struct Palette {
  /// From the zenith to the horizon, the corners of a cubic Bézier curve.
  std::array<Color, 4> sky;
  Color cloud_lit, cloud_shade;
  /// Of the sun, or what shines as it does.
  Color glow;
  /// Light from all sides, and from the sun or moon: a surface has its colour times their sum.
  Color ambient, direct;
  /// What far things turn to.
  Color haze;
  /// Of deep water.
  Color water;
  /// From 0, by day, to 1.
  float night = 0;

  /// The sky's colour at a height, 0 at the zenith and 1 at the horizon.
  Color sky_at(float height) const;

  /// A surface of colour `albedo`, turned to the light by `facing` (0 away, 1 towards it), and so
  /// far away that haze hides `far` of it.
  Color lit(Color albedo, float facing, float far = 0) const {
    return mix(albedo * (ambient + direct * facing), haze, far);
  }
};

/// A palette of a sky: somewhere between two of its three moods.
Palette draw_palette(Sky sky, Random& random);

}  // namespace bada
