#include "scene.h"

#include <algorithm>

#include "random.h"

namespace bada {
namespace {

constexpr std::array<std::string_view, kSkies> kSkyNames = {"blue", "sunset", "night", "grey",
                                                            "dawn"};
constexpr std::array<std::string_view, kGrounds> kGroundNames = {"sea",       "desert", "meadow",
                                                                 "mountains", "forest", "city"};
constexpr std::array<std::string_view, kThings> kThingNames = {
    "none",         "sun",           "moon",      "red balloon",  "yellow balloon",
    "blue balloon", "green balloon", "red house", "yellow house", "blue house",
    "boat",         "lighthouse",    "tree"};

// How often each thing is drawn; the unit is arbitrary.
constexpr std::array<double, kThings> kThingWeights = {15, 9, 9, 7, 7, 7, 7, 7, 7, 7, 8, 9, 9};

template <class Enum, size_t count>
bool parse_name(std::string_view text, const std::array<std::string_view, count>& names,
                Enum& value) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return false;
  value = static_cast<Enum>(found - names.begin());
  return true;
}

/// The landscapes that are trained with each thing.
std::vector<Scene> trained_with(Thing thing) {
  std::vector<Scene> scenes;
  for (const auto& scene : all_scenes()) {
    if (scene.thing == thing && !is_held_out(scene)) scenes.push_back(scene);
  }
  return scenes;
}

}  // namespace

bool is_balloon(Thing thing) {
  return thing >= Thing::kRedBalloon && thing <= Thing::kGreenBalloon;
}
bool is_house(Thing thing) {
  return thing >= Thing::kRedHouse && thing <= Thing::kBlueHouse;
}
bool is_in_the_sky(Thing thing) {
  return thing == Thing::kSun || thing == Thing::kMoon || is_balloon(thing);
}

bool makes_sense(const Scene& scene) {
  const bool on_the_sea = scene.ground == Ground::kSea;
  if (scene.thing == Thing::kBoat) return on_the_sea;
  if (scene.thing == Thing::kTree) return !on_the_sea && scene.ground != Ground::kForest;
  if (is_house(scene.thing)) return !on_the_sea;
  if (scene.thing == Thing::kSun) return scene.sky != Sky::kNight && scene.sky != Sky::kGrey;
  if (scene.thing == Thing::kMoon) return scene.sky != Sky::kBlue && scene.sky != Sky::kGrey;
  return true;
}

const std::vector<Scene>& all_scenes() {
  static const auto scenes = [] {
    std::vector<Scene> made;
    for (int sky = 0; sky < kSkies; ++sky) {
      for (int ground = 0; ground < kGrounds; ++ground) {
        for (int thing = 0; thing < kThings; ++thing) {
          const Scene scene{static_cast<Sky>(sky), static_cast<Ground>(ground),
                            static_cast<Thing>(thing)};
          if (makes_sense(scene)) made.push_back(scene);
        }
      }
    }
    return made;
  }();
  return scenes;
}

bool is_held_out(const Scene& scene) {
  if (scene.thing == Thing::kNone || !makes_sense(scene)) return false;
  // A Latin square of a kind: of each sky, ground and thing, a tenth to a fifth is held out.
  const int sum = static_cast<int>(scene.sky) + 5 * static_cast<int>(scene.ground) +
                  7 * static_cast<int>(scene.thing);
  return sum % 9 == 0;
}

Scene sample_scene(uint64_t seed) {
  static const auto trained = [] {
    std::array<std::vector<Scene>, kThings> made;
    for (int thing = 0; thing < kThings; ++thing)
      made[thing] = trained_with(static_cast<Thing>(thing));
    return made;
  }();
  Random random(seed, 0x5ce9e);
  double total = 0;
  for (const auto weight : kThingWeights) total += weight;
  double at = random.uniform() * total;
  int thing = 0;
  while (thing < kThings - 1 && at >= kThingWeights[thing]) at -= kThingWeights[thing++];
  return trained[thing][random.integer(static_cast<int>(trained[thing].size()))];
}

std::string_view name(Sky sky) {
  return kSkyNames[static_cast<int>(sky)];
}
std::string_view name(Ground ground) {
  return kGroundNames[static_cast<int>(ground)];
}
std::string_view name(Thing thing) {
  return kThingNames[static_cast<int>(thing)];
}

bool parse(std::string_view text, Sky& sky) {
  return parse_name(text, kSkyNames, sky);
}
bool parse(std::string_view text, Ground& ground) {
  return parse_name(text, kGroundNames, ground);
}
bool parse(std::string_view text, Thing& thing) {
  return parse_name(text, kThingNames, thing);
}

}  // namespace bada
