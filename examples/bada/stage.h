#pragma once

#include <cstdint>

#include "canvas.h"
#include "palette.h"
#include "random.h"
#include "scene.h"
#include "shapes.h"

namespace bada {

/// Where things stand in one picture; pixels.
struct Layout {
  /// The row where sky and land would meet on a plain.
  float horizon;
  /// The middle of what is in the sky, or the middle of the foot of what stands on the ground.
  Point thing;
  /// 1 is a thing of middle size.
  float scale;
  /// Where the light comes from, at the horizon or in the sky.
  Point light;
  /// 1 where it comes from the right, else -1.
  float side;
};

/// What the painters of one picture share.
struct Stage {
  Canvas& canvas;
  const Palette& palette;
  const Layout& layout;
  Scene scene;
  uint64_t seed;

  /// The random numbers of one part.
  Random random(uint64_t part) const { return Random(seed, part); }

  /// The highest row that land may reach in a column, so that what is in the sky stays free.
  float free_row(float x) const;

  /// The highest row that near trees and buildings may reach in a column, so that what stands on
  /// the ground is seen before far ones; and what is in the sky is free.
  float low_row(float x) const;

  /// Whether the thing lights the land: the sun, and at night the moon.
  bool thing_shines() const;
};

/// The parts that have random numbers of their own.
enum Part : uint64_t {
  kPalettePart = 1,
  kLayoutPart,
  kCloudPart,
  kStarPart,
  kGroundPart,
  kDetailPart,
  kThingPart,
  kNoisePart,
};

/// Draws the places of a scene.
Layout draw_layout(const Scene& scene, Random& random);

}  // namespace bada
