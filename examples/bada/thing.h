#pragma once

#include "stage.h"

namespace bada {

/// Paints sun or moon, before the land; without the disc, only the light about it.
void paint_disc(const Stage& stage, bool with_disc);

/// Paints what hangs or stands before the land.
void paint_thing(const Stage& stage);

void paint_balloon(const Stage& stage);
void paint_house(const Stage& stage);
void paint_boat(const Stage& stage);
void paint_lighthouse(const Stage& stage);
void paint_tree(const Stage& stage);

/// The colour of a near thing's surface. Things keep more of their own colour than the land does,
/// for one must be able to say which it is at night too.
Color thing_color(const Stage& stage, Color albedo, float facing);

/// The colour of balloons and houses, and the darker one of their stripes and walls in the shade.
Color paint_color(Thing thing);
Color shade_color(Thing thing);

/// A soft shadow on the ground about a thing's foot, away from the light.
void paint_shadow(const Stage& stage, Point foot, float wide, float high);

}  // namespace bada
