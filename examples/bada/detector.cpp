#include "detector.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "band_features.h"
#include "class_model.h"
#include "degrade.h"
#include "random.h"
#include "renderer.h"
#include "thing_scores.h"

namespace bada {
namespace {

/// Calls `work(i)` for 0 … count - 1, on all processors.
template <class Work>
void for_each_index(size_t count, const Work& work) {
  std::atomic<size_t> next{0};
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) others.emplace_back(run);
  run();
  for (auto& other : others) other.join();
}

/// The scenes to learn from, each with a seed of its own: all of them twice; more often those
/// without a thing, and boats, which are in one land alone.
std::vector<ThingScores::Example> draw_examples() {
  std::vector<ThingScores::Example> examples;
  for (const auto& scene : all_scenes()) {
    const int times = scene.thing == Thing::kBoat ? 8 : scene.thing == Thing::kNone ? 5 : 2;
    for (int i = 0; i < times; ++i) examples.push_back({scene, {}, {}});
  }
  for_each_index(examples.size(), [&](size_t i) {
    const auto seed = mix_seed(0xde7ec7, i);
    examples[i].with = render(examples[i].scene, seed);
    examples[i].without = render_without_thing(examples[i].scene, seed);
  });
  return examples;
}

/// A picture as it is, and twice as a model might paint it.
std::vector<Picture> versions(const Picture& picture, uint64_t seed) {
  Random random(seed, 0xb1u);
  return {picture, noisy(blurred(picture), 4, random), noisy(blurred(picture, 2), 2, random)};
}

constexpr int kLandscapes = kSkies * kGrounds;

int landscape_of(const Scene& scene) {
  return static_cast<int>(scene.sky) * kGrounds + static_cast<int>(scene.ground);
}

template <class Value>
int place_of_highest(const std::vector<Value>& values) {
  return static_cast<int>(std::max_element(values.begin(), values.end()) - values.begin());
}

}  // namespace

struct Detector::Learned {
  explicit Learned(const std::vector<ThingScores::Example>& examples) : scores(examples) {
    const size_t count = examples.size();
    std::vector<std::vector<Features>> bands(count), things(count);
    for_each_index(count, [&](size_t i) {
      const auto& scene = examples[i].scene;
      for (const auto& picture : versions(examples[i].with, i)) {
        bands[i].push_back(band_features(picture));
        things[i].push_back(scores.of(picture, scene.sky, scene.ground));
      }
    });
    std::vector<Features> band_samples, thing_samples;
    std::vector<int> landscapes, kinds;
    for (size_t i = 0; i < count; ++i) {
      for (size_t version = 0; version < bands[i].size(); ++version) {
        band_samples.push_back(std::move(bands[i][version]));
        thing_samples.push_back(std::move(things[i][version]));
        landscapes.push_back(landscape_of(examples[i].scene));
        kinds.push_back(static_cast<int>(examples[i].scene.thing));
      }
    }
    learn_what_is_missing(thing_samples, kinds);
    for (auto& sample : thing_samples) fill(sample);
    landscape = ClassModel(band_samples, landscapes, kLandscapes);
    thing = ClassModel(thing_samples, kinds, kThings);
  }

  /// What cannot be in a landscape counts as seen as little as where there is no thing.
  void fill(Features& sample) const {
    for (size_t i = 0; i < sample.size(); ++i) {
      if (sample[i] == ThingScores::kNoScore) sample[i] = missing[i];
    }
  }

  void learn_what_is_missing(const std::vector<Features>& samples, const std::vector<int>& kinds) {
    missing.assign(kThings - 1, 0);
    for (size_t i = 0; i < missing.size(); ++i) {
      double sum = 0, number = 0;
      for (size_t s = 0; s < samples.size(); ++s) {
        if (kinds[s] != 0 || samples[s][i] == ThingScores::kNoScore) continue;
        sum += samples[s][i];
        ++number;
      }
      missing[i] = sum / number;
    }
  }

  ThingScores scores;
  Features missing;
  ClassModel landscape, thing;
};

Detector::Detector() : learned_(std::make_unique<const Learned>(draw_examples())) {}
Detector::~Detector() = default;

Scene Detector::detect(const Picture& picture) const {
  const int landscape = place_of_highest(learned_->landscape.scores(band_features(picture)));
  Scene scene{static_cast<Sky>(landscape / kGrounds), static_cast<Ground>(landscape % kGrounds),
              Thing::kNone};
  auto seen = learned_->scores.of(picture, scene.sky, scene.ground);
  learned_->fill(seen);
  auto kinds = learned_->thing.scores(seen);
  for (int thing = 0; thing < kThings; ++thing) {
    if (!makes_sense({scene.sky, scene.ground, static_cast<Thing>(thing)}))
      kinds[static_cast<size_t>(thing)] = ThingScores::kNoScore;
  }
  scene.thing = static_cast<Thing>(place_of_highest(kinds));
  return scene;
}

}  // namespace bada
