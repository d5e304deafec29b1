// Which scenes there are, which are kept from training, and how often each is drawn.

#include "scene.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>

#include "random.h"

namespace bada {
namespace {

std::string text(const Scene& scene) {
  return std::string(name(scene.sky)) + ", " + std::string(name(scene.ground)) + ", " +
         std::string(name(scene.thing));
}

TEST(Scene, OnlyWhatMakesSense) {
  EXPECT_TRUE(makes_sense({Sky::kBlue, Ground::kSea, Thing::kBoat}));
  EXPECT_FALSE(makes_sense({Sky::kBlue, Ground::kCity, Thing::kBoat}));
  EXPECT_FALSE(makes_sense({Sky::kBlue, Ground::kSea, Thing::kRedHouse}));
  EXPECT_FALSE(makes_sense({Sky::kBlue, Ground::kSea, Thing::kTree}));
  EXPECT_FALSE(makes_sense({Sky::kBlue, Ground::kForest, Thing::kTree}));
  EXPECT_FALSE(makes_sense({Sky::kNight, Ground::kSea, Thing::kSun}));
  EXPECT_FALSE(makes_sense({Sky::kGrey, Ground::kSea, Thing::kSun}));
  EXPECT_FALSE(makes_sense({Sky::kBlue, Ground::kSea, Thing::kMoon}));
  EXPECT_TRUE(makes_sense({Sky::kNight, Ground::kSea, Thing::kMoon}));
  EXPECT_EQ(all_scenes().size(), 316u);
}

TEST(Scene, NamesAreReadBack) {
  for (const auto& scene : all_scenes()) {
    Scene read;
    EXPECT_TRUE(parse(name(scene.sky), read.sky));
    EXPECT_TRUE(parse(name(scene.ground), read.ground));
    EXPECT_TRUE(parse(name(scene.thing), read.thing));
    EXPECT_EQ(read, scene) << text(scene);
  }
  Sky sky{};
  EXPECT_FALSE(parse("green", sky));
  EXPECT_FALSE(parse("", sky));
}

TEST(HeldOut, IsATenthAndLeavesEnoughOfEach) {
  const std::map<std::string, std::function<std::string_view(const Scene&)>> parts = {
      {"sky", [](const Scene& scene) { return name(scene.sky); }},
      {"ground", [](const Scene& scene) { return name(scene.ground); }},
      {"thing", [](const Scene& scene) { return name(scene.thing); }}};
  for (const auto& [part, value] : parts) {
    std::map<std::string_view, int> all, held;
    for (const auto& scene : all_scenes()) {
      if (scene.thing == Thing::kNone) {
        EXPECT_FALSE(is_held_out(scene)) << text(scene);
        continue;
      }
      ++all[value(scene)];
      held[value(scene)] += is_held_out(scene);
    }
    for (const auto& [word, count] : all) {
      const double share = static_cast<double>(held[word]) / count;
      EXPECT_GE(share, 0.05) << part << " " << word;
      EXPECT_LE(share, 0.20) << part << " " << word;
    }
  }
  size_t held = 0;
  for (const auto& scene : all_scenes()) held += is_held_out(scene);
  EXPECT_EQ(held, 33u);
}

TEST(SampleScene, NeverDrawsWhatIsHeldOutAndAllElse) {
  std::map<std::string, int> drawn;
  std::map<Thing, int> things;
  constexpr int kDraws = 40'000;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    const auto scene = sample_scene(seed);
    EXPECT_TRUE(makes_sense(scene));
    EXPECT_FALSE(is_held_out(scene)) << text(scene);
    ++drawn[text(scene)];
    ++things[scene.thing];
  }
  for (const auto& scene : all_scenes())
    EXPECT_EQ(drawn.count(text(scene)) > 0, !is_held_out(scene)) << text(scene);
  for (int thing = 0; thing < kThings; ++thing)
    EXPECT_GE(things[static_cast<Thing>(thing)], kDraws / 20) << name(static_cast<Thing>(thing));
}

TEST(Random, IsWhatTheStandardFixes) {
  // The 10,000th value of std::mt19937_64 is in the standard; ours must not depend on more.
  Random one(7, 1), same(7, 1), other(7, 2);
  std::set<double> values;
  for (int i = 0; i < 100; ++i) {
    const double value = one.uniform();
    EXPECT_EQ(value, same.uniform());
    EXPECT_NE(value, other.uniform());
    EXPECT_GE(value, 0);
    EXPECT_LT(value, 1);
    values.insert(value);
  }
  EXPECT_EQ(values.size(), 100u);
  for (int i = 0; i < 1000; ++i) {
    const int value = one.integer(3);
    EXPECT_TRUE(value >= 0 && value < 3);
  }
}

}  // namespace
}  // namespace bada
