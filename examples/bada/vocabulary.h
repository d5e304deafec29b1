#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scene.h"

namespace bada {

using Words = std::vector<std::string_view>;

/// A name of the sky: as a phrase of its own, and with its article where the language has one.
struct SkyName {
  std::string_view bare, whole;
};

/// What one language says of scenes.
///
/// A form is a text with places to fill: {s} the sky, {S} the sky with its article, {g} the ground,
/// {t} the thing, {w} where the thing is, {a} when it is. In Korean a place may have a particle:
/// {t:이/가}.
struct Vocabulary {
  Words forms_with_thing, forms_without_thing;
  /// Forms that name less: of any scene, and of one with a thing.
  Words short_forms, short_forms_with_thing;

  std::vector<SkyName> (*sky)(Sky);
  /// When: "at night", "밤".
  Words (*when)(Sky);
  Words (*ground)(Ground);
  /// All names of a thing.
  std::vector<std::string> (*thing)(Thing);
  /// Forms of where a thing is, with {g}.
  Words (*where)(const Scene&);
};

const Vocabulary& english();
const Vocabulary& korean();

}  // namespace bada
