#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "random.h"
#include "scene.h"

namespace bada {

enum class Language { kEnglish, kKorean };

/// A caption that names all of a scene: sky, land, and the thing where there is one. UTF-8, small
/// letters, no full stop.
///
/// Throws: `xattn::ValueError` for a scene that makes no sense.
std::string caption(const Scene& scene, Language language, Random& random);

/// A caption that leaves something out: "바다", "a city at night". What it does not name is free.
///
/// Throws: as `caption`.
std::string short_caption(const Scene& scene, Language language, Random& random);

/// Captions for training: English and Korean in turn, one in eight of them short.
///
/// Throws: as `caption`; `xattn::ValueError` where `count` is below 1.
std::vector<std::string> captions(const Scene& scene, int count, uint64_t seed);

/// Whether a Korean word's last syllable ends in a consonant, on which particles depend.
bool ends_in_consonant(std::string_view word);

/// A Korean word with its particle; `particle` is the pair for a consonant and for a vowel:
/// `with_particle("바다", "과/와")` is "바다와".
std::string with_particle(std::string_view word, std::string_view particle);

}  // namespace bada
