#pragma once

#include "stage.h"

namespace bada {

/// Paints the whole canvas as sky: the gradient, the glow of the light, stars and clouds.
void paint_sky(const Stage& stage);

/// Paints clouds of the kind that the sky has.
void paint_clouds(const Stage& stage);

/// Paints stars of several sizes and a faint band of the Milky Way.
void paint_stars(const Stage& stage);

}  // namespace bada
