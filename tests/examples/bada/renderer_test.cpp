// The renderer: the same bytes for the same seed, and pictures that show what they should.

#include "renderer.h"

#include <gtest/gtest.h>
#include <xattn/core/error.h>

#include <cstdlib>
#include <string>

namespace bada {
namespace {

/// The share of pixels that differ by more than a shade.
double difference(const Picture& a, const Picture& b) {
  int count = 0;
  for (size_t i = 0; i < a.rgb.size(); i += 3) {
    int most = 0;
    for (size_t c = 0; c < 3; ++c) most = std::max(most, std::abs(a.rgb[i + c] - b.rgb[i + c]));
    count += most > 8;
  }
  return count / static_cast<double>(kSize * kSize);
}

TEST(Renderer, TheSameSeedPaintsTheSameBytes) {
  for (const auto& scene : all_scenes()) {
    const auto picture = render(scene, 5);
    EXPECT_EQ(picture.rgb.size(), 3u * kSize * kSize);
    EXPECT_EQ(picture, render(scene, 5));
  }
}

TEST(Renderer, AnotherSeedPaintsAnotherPicture) {
  for (const auto& scene : all_scenes())
    EXPECT_GT(difference(render(scene, 1), render(scene, 2)), 0.05);
}

TEST(Renderer, AThingChangesThePictureAndNotAllOfIt) {
  for (const auto& scene : all_scenes()) {
    if (scene.thing == Thing::kNone || scene.thing == Thing::kSun || scene.thing == Thing::kMoon)
      continue;
    const double changed =
        difference(render(scene, 3), render({scene.sky, scene.ground, Thing::kNone}, 3));
    EXPECT_GT(changed, 0.01) << name(scene.thing);
    // Land may be lowered for a balloon, or near trees and buildings left out.
    if (scene.ground == Ground::kSea && scene.thing != Thing::kLighthouse) {
      EXPECT_LT(changed, 0.25) << name(scene.thing);
    }
  }
}

TEST(Renderer, RefusesWhatMakesNoSense) {
  try {
    render({Sky::kNight, Ground::kCity, Thing::kSun}, 1);
    FAIL();
  } catch (const xattn::ValueError& error) {
    EXPECT_EQ(
        std::string(error.what()),
        "[bada] scene: expected one that makes sense, got sky 'night', ground 'city', thing 'sun'");
  }
}

}  // namespace
}  // namespace bada
