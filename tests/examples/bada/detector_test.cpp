// The detector: right on pictures that it did not learn from, also on blurred and noisy ones.

#include "detector.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>

#include "degrade.h"
#include "random.h"
#include "renderer.h"

namespace bada {
namespace {

const Detector& detector() {
  static const Detector made;
  return made;
}

/// Scenes for training and, one of four, any that make sense.
Scene draw_scene(uint64_t seed) {
  Random random(seed, 0x7e57);
  return seed % 4 != 0 ? sample_scene(mix_seed(seed, 0x7e57))
                       : all_scenes()[static_cast<size_t>(
                             random.integer(static_cast<int>(all_scenes().size())))];
}

struct Shares {
  double sky = 0, ground = 0, thing = 0;
};

/// Shares right of `count` pictures; `change` is done to each before.
template <class Change>
Shares shares_right(int count, uint64_t first, const Change& change) {
  Shares right;
  std::map<std::string, int> mistakes;
  for (int i = 0; i < count; ++i) {
    const uint64_t seed = first + static_cast<uint64_t>(i);
    const auto scene = draw_scene(seed);
    Random random(seed, 0x401);
    const auto seen = detector().detect(change(render(scene, seed), random));
    right.sky += seen.sky == scene.sky;
    right.ground += seen.ground == scene.ground;
    right.thing += seen.thing == scene.thing;
    if (seen == scene) continue;
    ++mistakes[std::string(name(scene.sky)) + " " + std::string(name(scene.ground)) + " " +
               std::string(name(scene.thing)) + " seen as " + std::string(name(seen.sky)) + " " +
               std::string(name(seen.ground)) + " " + std::string(name(seen.thing))];
  }
  for (const auto& [mistake, times] : mistakes) std::printf("%d × %s\n", times, mistake.c_str());
  return {right.sky / count, right.ground / count, right.thing / count};
}

TEST(Detector, ReadsWhatIsPainted) {
  const auto right =
      shares_right(2000, 1'000'000, [](const Picture& picture, Random&) { return picture; });
  EXPECT_GE(right.sky, 0.99);
  EXPECT_GE(right.ground, 0.99);
  EXPECT_GE(right.thing, 0.99);
}

TEST(Detector, BearsBlurAndNoise) {
  const auto right = shares_right(1000, 2'000'000, [](const Picture& picture, Random& random) {
    return noisy(blurred(picture), 4, random);
  });
  EXPECT_GE(right.sky, 0.97);
  EXPECT_GE(right.ground, 0.97);
  EXPECT_GE(right.thing, 0.97);
}

/// The twin that must fail: turned upside down, landscapes are not what they were.
TEST(Detector, IsNotRightOnAnything) {
  const auto right = shares_right(100, 3'000'000, [](const Picture& picture, Random&) {
    Picture turned;
    for (size_t i = 0; i < turned.rgb.size(); ++i)
      turned.rgb[i] = static_cast<uint8_t>(255 - picture.rgb[i]);
    return turned;
  });
  EXPECT_LE(right.sky, 0.6);
  EXPECT_LE(right.thing, 0.6);
}

TEST(Detector, SeesTheSameTwice) {
  const Detector another;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto picture = render(draw_scene(seed), seed);
    EXPECT_EQ(detector().detect(picture), another.detect(picture));
  }
}

}  // namespace
}  // namespace bada
