#include "vocabulary.h"

namespace bada {
namespace {

std::vector<SkyName> english_sky(Sky sky) {
  switch (sky) {
    case Sky::kBlue:
      return {{"blue sky", "a blue sky"},
              {"blue sky", "the blue sky"},
              {"clear blue sky", "a clear blue sky"},
              {"bright blue sky", "a bright blue sky"},
              {"clear sky", "a clear sky"}};
    case Sky::kSunset:
      return {{"red sunset", "a red sunset"},
              {"sunset", "a sunset"},
              {"red evening sky", "a red evening sky"},
              {"glowing sunset", "a glowing sunset"},
              {"orange sunset sky", "an orange sunset sky"}};
    case Sky::kNight:
      return {{"starry night", "a starry night"},
              {"starry sky", "a starry sky"},
              {"night sky", "the night sky"},
              {"night sky full of stars", "a night sky full of stars"},
              {"dark starry night", "a dark starry night"}};
    case Sky::kGrey:
      return {{"grey clouds", "grey clouds"},
              {"gray clouds", "gray clouds"},
              {"cloudy sky", "a cloudy sky"},
              {"overcast sky", "an overcast sky"},
              {"grey sky", "a grey sky"}};
    case Sky::kDawn:
      return {{"pink dawn", "a pink dawn"},
              {"pink sky", "a pink sky"},
              {"rosy dawn", "a rosy dawn"},
              {"pink morning sky", "a pink morning sky"},
              {"soft pink dawn", "a soft pink dawn"}};
  }
  return {};
}

Words english_when(Sky sky) {
  switch (sky) {
    case Sky::kBlue:
      return {"on a clear day", "on a bright day", "on a fine day", "by day"};
    case Sky::kSunset:
      return {"at sunset", "in the evening", "at dusk", "on a red evening"};
    case Sky::kNight:
      return {"at night", "on a starry night", "under the stars", "by night"};
    case Sky::kGrey:
      return {"on a cloudy day", "on a grey day", "on an overcast day", "in grey weather"};
    case Sky::kDawn:
      return {"at dawn", "at daybreak", "in the early morning", "at pink dawn"};
  }
  return {};
}

Words english_ground(Ground ground) {
  switch (ground) {
    case Ground::kSea:
      return {"the sea", "the sea", "the ocean", "a calm sea", "the open sea"};
    case Ground::kDesert:
      return {"the desert", "a desert", "a sandy desert", "the sand dunes", "the dunes"};
    case Ground::kMeadow:
      return {"a green meadow", "the meadow", "a meadow", "green hills", "a grassy meadow"};
    case Ground::kMountains:
      return {"snowy mountains", "the snowy mountains", "snow-capped mountains",
              "snow-covered mountains"};
    case Ground::kForest:
      return {"a forest", "the forest", "the woods", "a pine forest", "a deep forest"};
    case Ground::kCity:
      return {"a city", "the city", "a big city", "a town", "a city of tall buildings"};
  }
  return {};
}

std::string_view english_color(Thing thing) {
  const auto text = name(thing);
  return text.substr(0, text.find(' '));
}

std::vector<std::string> english_thing(Thing thing) {
  const std::string color(english_color(thing));
  if (is_balloon(thing))
    return {"a " + color + " balloon", "a " + color + " hot-air balloon",
            "a big " + color + " balloon"};
  if (is_house(thing))
    return {"a " + color + " house", "a small " + color + " house", "a little " + color + " house",
            "a " + color + " cottage"};
  switch (thing) {
    case Thing::kSun:
      return {"the sun", "a bright sun", "the shining sun"};
    case Thing::kMoon:
      return {"the moon", "a bright moon", "the moon"};
    case Thing::kBoat:
      return {"a white boat", "a white sailboat", "a white sailing boat",
              "a boat with white sails"};
    case Thing::kLighthouse:
      return {"a lighthouse", "a tall lighthouse", "a red and white lighthouse"};
    case Thing::kTree:
      return {"a tree", "a lone tree", "a big tree", "a green tree"};
    default:
      return {};
  }
}

Words english_where(const Scene& scene) {
  if (is_in_the_sky(scene.thing)) return {"over {g}", "above {g}"};
  if (scene.thing == Thing::kBoat) return {"on {g}", "at sea on {g}", "sailing on {g}"};
  switch (scene.ground) {
    case Ground::kSea:
      return {"by {g}", "in {g}"};
    case Ground::kDesert:
      return {"in {g}", "in the middle of {g}"};
    case Ground::kMeadow:
      return {"on {g}", "in the middle of {g}"};
    case Ground::kMountains:
      return {"in front of {g}", "below {g}"};
    case Ground::kForest:
      return {"in {g}", "in front of {g}", "by {g}"};
    case Ground::kCity:
      return {"in {g}", "in front of {g}"};
  }
  return {};
}

}  // namespace

const Vocabulary& english() {
  static const Vocabulary vocabulary{
      {"{s} over {g} with {t}", "{t}, {g}, {s}", "{t} and {g} under {S}", "{g} {a} with {t}",
       "{t} {w} {a}", "{S} over {g}, and {t}", "{a}, {t} {w}", "there is {t} {w} under {S}",
       "{g}, {t}, {s}", "a picture of {g} with {t} {a}", "a painting of {t} {w}, {s}",
       "{t} {w} under {S}", "{s}, {g} and {t}", "a landscape with {g}, {t} and {S}",
       "{g} under {S} with {t}", "{a}, {g} with {t}", "{s}: {t} {w}", "a view of {t} {w} {a}"},
      {"{s} over {g}", "{S} over {g}", "{g} under {S}", "{g}, {s}", "{g} {a}", "{s}, {g}",
       "{s} above {g}", "a picture of {g} {a}", "a painting of {g} under {S}",
       "a landscape with {g} and {S}", "{a}, {g}", "{S} and {g}", "{g} and {S}",
       "a view of {g} {a}", "there is {S} over {g}", "{g} beneath {S}",
       "nothing but {g} under {S}"},
      {"{g}", "{s}", "{g} {a}", "a picture of {g}", "a landscape {a}"},
      {"{t}", "{t} {w}", "{t} {a}", "{t} and {g}", "{t} under {S}"},
      english_sky,
      english_when,
      english_ground,
      english_thing,
      english_where};
  return vocabulary;
}

}  // namespace bada
