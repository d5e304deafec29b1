#include "thing_scores.h"

#include <algorithm>
#include <cstdlib>

namespace bada {
namespace {

/// The pixels that a thing changes.
std::vector<bool> covered_by_thing(const ThingScores::Example& example) {
  constexpr int kClear = 28;
  std::vector<bool> covered;
  for (size_t i = 0; i < example.with.rgb.size(); i += 3) {
    int most = 0;
    for (size_t c = 0; c < 3; ++c)
      most = std::max(most, std::abs(example.with.rgb[i + c] - example.without.rgb[i + c]));
    covered.push_back(most > kClear);
  }
  return covered;
}

template <class Enum>
size_t index(Enum value) {
  return static_cast<size_t>(value);
}

}  // namespace

ThingScores::ThingScores(const std::vector<Example>& examples) {
  std::array<std::array<ColorTable, kThings>, kSkies> things;
  std::array<std::array<std::array<ColorTable, kBands>, kGrounds>, kSkies> lands;
  std::array<std::array<std::vector<Outline>, kThings>, kPlaces> all;
  for (const auto& example : examples) {
    const auto sky = index(example.scene.sky), thing = index(example.scene.thing);
    const auto land = color_boxes(example.without);
    for (size_t i = 0; i < land.size(); ++i)
      lands[sky][index(example.scene.ground)][i * kBands / land.size()].add(land[i]);
    if (example.scene.thing == Thing::kNone) continue;
    const auto covered = covered_by_thing(example);
    // What hardly differs from the land shows no outline.
    if (std::count(covered.begin(), covered.end(), true) < 40) continue;
    const auto boxes = color_boxes(example.with);
    for (size_t i = 0; i < boxes.size(); ++i) {
      if (covered[i]) things[sky][thing].add(boxes[i]);
    }
    all[place_of(example.scene.ground)][thing].emplace_back(covered);
  }
  for (size_t sky = 0; sky < things.size(); ++sky) {
    for (size_t thing = 0; thing < things[sky].size(); ++thing) {
      if (!things[sky][thing].is_empty())
        thing_colors_[sky][thing] = things[sky][thing].logarithms();
    }
    for (size_t ground = 0; ground < lands[sky].size(); ++ground) {
      for (size_t band = 0; band < kBands; ++band)
        land_colors_[sky][ground][band] = lands[sky][ground][band].logarithms();
    }
  }
  for (size_t place = 0; place < all.size(); ++place) {
    for (size_t thing = 0; thing < all[place].size(); ++thing) {
      const auto& seen = all[place][thing];
      auto& shapes = shapes_[place][thing];
      for (const auto& outline : seen) {
        shapes.first_row = std::min(shapes.first_row, outline.row() - 2);
        shapes.last_row = std::max(shapes.last_row, outline.row() + 2);
      }
      // A few will do, of all skies; of the moon, which has phases, and of boats, which sail this
      // way and that, more.
      const bool varies = thing == index(Thing::kMoon) || thing == index(Thing::kBoat);
      const size_t count = std::min<size_t>(varies ? 16 : 6, seen.size());
      for (size_t i = 0; i < count; ++i) shapes.outlines.push_back(seen[i * seen.size() / count]);
    }
  }
}

HalfMap ThingScores::likelihood(const std::vector<int>& boxes, const Scene& scene) const {
  const auto& thing = thing_colors_[index(scene.sky)][index(scene.thing)];
  HalfMap map{};
  for (int band = 0; band < kBands; ++band) {
    const auto& land =
        land_colors_[index(scene.sky)][index(scene.ground)][static_cast<size_t>(band)];
    std::array<float, ColorTable::kBoxes> ratio{};
    // One pixel says so much and no more.
    for (size_t i = 0; i < ratio.size(); ++i)
      ratio[i] = std::clamp(thing[i] - land[i], -4.0f, 4.0f);
    for (int y = band * kSize / kBands; y < (band + 1) * kSize / kBands; ++y) {
      for (int x = 0; x < kSize; ++x) {
        const auto box = static_cast<size_t>(boxes[static_cast<size_t>(y * kSize + x)]);
        map.at(x / 2, y / 2) += ratio[box] / 4;
      }
    }
  }
  return map;
}

Features ThingScores::of(const Picture& picture, Sky sky, Ground ground) const {
  const auto boxes = color_boxes(picture);
  Features scores(kThings - 1, kNoScore);
  for (size_t thing = 1; thing < kThings; ++thing) {
    const Scene scene{sky, ground, static_cast<Thing>(thing)};
    if (!makes_sense(scene)) continue;
    const auto map = likelihood(boxes, scene);
    const auto& shapes = shapes_[place_of(ground)][thing];
    for (const auto& outline : shapes.outlines) {
      const double here = outline.best(map, shapes.first_row, shapes.last_row);
      scores[thing - 1] = std::max(scores[thing - 1], here);
    }
  }
  return scores;
}

}  // namespace bada
