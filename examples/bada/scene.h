#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace bada {

/// What the light and the weather are.
enum class Sky { kBlue, kSunset, kNight, kGrey, kDawn };

/// What the land is.
enum class Ground { kSea, kDesert, kMeadow, kMountains, kForest, kCity };

/// The one thing to look at, or none.
enum class Thing {
  kNone,
  kSun,
  kMoon,
  kRedBalloon,
  kYellowBalloon,
  kBlueBalloon,
  kGreenBalloon,
  kRedHouse,
  kYellowHouse,
  kBlueHouse,
  kBoat,
  kLighthouse,
  kTree,
};

inline constexpr int kSkies = 5, kGrounds = 6, kThings = 13;

/// What a picture shows; all else is drawn from a seed.
struct Scene {
  Sky sky = Sky::kBlue;
  Ground ground = Ground::kSea;
  Thing thing = Thing::kNone;

  bool operator==(const Scene&) const = default;
};

bool is_balloon(Thing thing);
bool is_house(Thing thing);

/// Whether a thing hangs in the sky: sun, moon, balloons.
bool is_in_the_sky(Thing thing);

/// Whether such a landscape may be: boats are on the sea; houses and trees are not; a tree in a
/// forest would be one of many; the sun does not shine at night or through grey clouds, nor the
/// moon by day.
bool makes_sense(const Scene& scene);

/// All scenes that make sense, in the order of the enums.
const std::vector<Scene>& all_scenes();

/// Whether a scene that makes sense is kept from training, to see whether a model can put together
/// what it never saw together: about one in ten, by a fixed rule. Scenes without a thing never are.
bool is_held_out(const Scene& scene);

/// A scene for training: of things that are alike (balloons, houses, …) each kind is about as
/// frequent, and of one thing all landscapes are. Never one that is held out.
Scene sample_scene(uint64_t seed);

/// Names as files have them: "blue", "sea", "red balloon", "none".
std::string_view name(Sky sky);
std::string_view name(Ground ground);
std::string_view name(Thing thing);

/// The reverse of `name`; these return false where the name is unknown.
bool parse(std::string_view text, Sky& sky);
bool parse(std::string_view text, Ground& ground);
bool parse(std::string_view text, Thing& thing);

}  // namespace bada
