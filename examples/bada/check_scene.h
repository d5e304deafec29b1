#pragma once

#include <string>

#include "scene.h"
#include "xattn/core/error.h"

namespace bada {

/// Throws `xattn::ValueError` for a scene that makes no sense.
inline void check_scene(const Scene& scene) {
  if (makes_sense(scene)) return;
  throw xattn::ValueError("[bada] scene: expected one that makes sense, got sky '" +
                          std::string(name(scene.sky)) + "', ground '" +
                          std::string(name(scene.ground)) + "', thing '" +
                          std::string(name(scene.thing)) + "'");
}

}  // namespace bada
