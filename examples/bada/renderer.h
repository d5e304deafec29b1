#pragma once

#include <cstdint>

#include "picture.h"
#include "scene.h"

namespace bada {

/// Paints a scene. The seed draws all that the scene leaves open: places, sizes, shapes, colours of
/// the light.
///
/// The same scene and seed give the same bytes on one machine. With one seed, another sky leaves
/// the land's shapes as they are, and another thing the sky's.
///
/// Throws: `xattn::ValueError` for a scene that makes no sense.
Picture render(const Scene& scene, uint64_t seed);

/// The same picture without its thing, in the light that it has with it: the difference is the
/// thing.
///
/// Throws: as `render`.
Picture render_without_thing(const Scene& scene, uint64_t seed);

}  // namespace bada
