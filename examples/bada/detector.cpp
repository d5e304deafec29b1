#include "detector.h"

#include <algorithm>
#include <array>
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

/// The scenes to learn from, each with a seed of its own: all of them at least twice; more often
/// those without a thing, and those that are at sea alone.
std::vector<ThingScores::Example> draw_examples() {
  std::vector<ThingScores::Example> examples;
  for (const auto& scene : all_scenes()) {
    const bool at_sea = scene.ground == Ground::kSea;
    const int times = scene.thing == Thing::kBoat                   ? 10
                      : scene.thing == Thing::kLighthouse && at_sea ? 6
                      : scene.thing == Thing::kNone                 ? (at_sea ? 8 : 5)
                                                                    : (at_sea ? 4 : 2);
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
int highest(const std::vector<Value>& values) {
  return static_cast<int>(std::max_element(values.begin(), values.end()) - values.begin());
}

}  // namespace

/// Which thing is seen, by the scores of all.
class ThingModel {
 public:
  ThingModel() = default;
  ThingModel(std::vector<Features> samples, const std::vector<int>& things) {
    learn_what_is_missing(samples, things);
    for (auto& sample : samples) fill(sample);
    model_ = ClassModel(samples, things, kThings);
  }

  std::vector<double> scores(Features sample) const {
    fill(sample);
    return model_.scores(sample);
  }

 private:
  /// What cannot be in a landscape counts as seen as little as where there is no thing.
  void fill(Features& sample) const {
    for (size_t i = 0; i < sample.size(); ++i) {
      if (sample[i] == ThingScores::kNoScore) sample[i] = missing_[i];
    }
  }

  void learn_what_is_missing(const std::vector<Features>& samples, const std::vector<int>& things) {
    missing_.assign(kThings - 1, 0);
    for (size_t i = 0; i < missing_.size(); ++i) {
      double sum = 0, number = 0;
      for (size_t s = 0; s < samples.size(); ++s) {
        if (things[s] != 0 || samples[s][i] == ThingScores::kNoScore) continue;
        sum += samples[s][i];
        ++number;
      }
      if (number > 0) missing_[i] = sum / number;
    }
  }

  Features missing_;
  ClassModel model_;
};

struct Detector::Learned {
  explicit Learned(const std::vector<ThingScores::Example>& examples) : scores(examples) {
    const size_t count = examples.size();
    std::vector<std::vector<Features>> bands(count), seen(count);
    for_each_index(count, [&](size_t i) {
      const auto& scene = examples[i].scene;
      for (const auto& picture : versions(examples[i].with, i)) {
        bands[i].push_back(band_features(picture));
        seen[i].push_back(scores.of(picture, scene.sky, scene.ground));
      }
    });
    std::vector<Features> band_samples;
    std::vector<int> landscapes;
    std::array<std::vector<Features>, kPlaces> thing_samples;
    std::array<std::vector<int>, kPlaces> kinds;
    for (size_t i = 0; i < count; ++i) {
      const auto& scene = examples[i].scene;
      const auto place = place_of(scene.ground);
      for (size_t version = 0; version < bands[i].size(); ++version) {
        band_samples.push_back(std::move(bands[i][version]));
        landscapes.push_back(landscape_of(scene));
        thing_samples[place].push_back(std::move(seen[i][version]));
        kinds[place].push_back(static_cast<int>(scene.thing));
      }
    }
    landscape = ClassModel(band_samples, landscapes, kLandscapes);
    for (size_t place = 0; place < kPlaces; ++place)
      things[place] = ThingModel(std::move(thing_samples[place]), kinds[place]);
  }

  ThingScores scores;
  ClassModel landscape;
  std::array<ThingModel, kPlaces> things;
};

Detector::Detector() : learned_(std::make_unique<const Learned>(draw_examples())) {}
Detector::~Detector() = default;

Scene Detector::detect(const Picture& picture) const {
  const int landscape = highest(learned_->landscape.scores(band_features(picture)));
  Scene scene{static_cast<Sky>(landscape / kGrounds), static_cast<Ground>(landscape % kGrounds),
              Thing::kNone};
  auto things = learned_->things[place_of(scene.ground)].scores(
      learned_->scores.of(picture, scene.sky, scene.ground));
  for (int thing = 0; thing < kThings; ++thing) {
    if (!makes_sense({scene.sky, scene.ground, static_cast<Thing>(thing)}))
      things[static_cast<size_t>(thing)] = ThingScores::kNoScore;
  }
  scene.thing = static_cast<Thing>(highest(things));
  return scene;
}

}  // namespace bada
