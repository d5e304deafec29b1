#include "captions.h"

#include "check_scene.h"
#include "vocabulary.h"

namespace bada {
namespace {

template <class Value>
const Value& pick(const std::vector<Value>& values, Random& random) {
  return values[random.integer(static_cast<int>(values.size()))];
}

/// Fills the places of a form; see `Vocabulary`.
class Filler {
 public:
  Filler(const Vocabulary& words, const Scene& scene, Random& random)
      : sky_(pick(words.sky(scene.sky), random)),
        when_(pick(words.when(scene.sky), random)),
        ground_(pick(words.ground(scene.ground), random)) {
    if (scene.thing == Thing::kNone) return;
    thing_ = pick(words.thing(scene.thing), random);
    where_ = fill(pick(words.where(scene), random));
  }

  std::string fill(std::string_view form) const {
    std::string text;
    for (size_t at = 0; at < form.size();) {
      const auto open = form.find('{', at);
      text += form.substr(at, open - at);
      if (open == std::string_view::npos) break;
      const auto close = form.find('}', open);
      const auto place = form.substr(open + 1, close - open - 1);
      const auto word = word_of(place[0]);
      text += place.size() > 1 ? with_particle(word, place.substr(2)) : word;
      at = close + 1;
    }
    return text;
  }

 private:
  std::string word_of(char place) const {
    switch (place) {
      case 's':
        return std::string(sky_.bare);
      case 'S':
        return std::string(sky_.whole);
      case 'g':
        return std::string(ground_);
      case 'a':
        return std::string(when_);
      case 't':
        return thing_;
      default:
        return where_;
    }
  }

  SkyName sky_;
  std::string_view when_, ground_;
  std::string thing_, where_;
};

const Vocabulary& vocabulary_of(Language language) {
  return language == Language::kEnglish ? english() : korean();
}

}  // namespace

std::string caption(const Scene& scene, Language language, Random& random) {
  check_scene(scene);
  const auto& words = vocabulary_of(language);
  const auto& forms =
      scene.thing == Thing::kNone ? words.forms_without_thing : words.forms_with_thing;
  const auto form = pick(forms, random);
  return Filler(words, scene, random).fill(form);
}

std::string short_caption(const Scene& scene, Language language, Random& random) {
  check_scene(scene);
  const auto& words = vocabulary_of(language);
  const bool names_thing = scene.thing != Thing::kNone && random.chance(0.5);
  const auto form = pick(names_thing ? words.short_forms_with_thing : words.short_forms, random);
  return Filler(words, scene, random).fill(form);
}

std::vector<std::string> captions(const Scene& scene, int count, uint64_t seed) {
  if (count < 1)
    throw xattn::ValueError("[bada] captions: expected 1 or more, got " + std::to_string(count));
  Random random(seed, 0xca9);
  const int first = random.integer(2);
  std::vector<std::string> made;
  for (int i = 0; i < count; ++i) {
    const auto language = (first + i) % 2 == 0 ? Language::kEnglish : Language::kKorean;
    const bool is_short = random.chance(0.125);
    made.push_back(is_short ? short_caption(scene, language, random)
                            : caption(scene, language, random));
  }
  return made;
}

bool ends_in_consonant(std::string_view word) {
  // The last letter as UTF-8: a syllable has three bytes, U+AC00 … U+D7A3, and 28 endings, the
  // first of which is none.
  if (word.size() < 3) return false;
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(word[word.size() - 3 + i]));
  };
  const uint32_t letter = (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  return byte(0) >> 4 == 0xE && letter >= 0xAC00 && letter <= 0xD7A3 && (letter - 0xAC00) % 28 != 0;
}

std::string with_particle(std::string_view word, std::string_view particle) {
  const auto slash = particle.find('/');
  return std::string(word) + std::string(ends_in_consonant(word) ? particle.substr(0, slash)
                                                                 : particle.substr(slash + 1));
}

}  // namespace bada
