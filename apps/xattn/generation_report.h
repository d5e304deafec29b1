#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace xattn::apps {

enum class GenerationStage { kLoad, kText, kImage, kDenoise, kDecode, kSave };

/// The seconds of each stage. One begins where another ends.
class StageTimes {
 public:
  static constexpr std::array<const char*, 6> kNames = {"load",    "text",   "image",
                                                        "denoise", "decode", "save"};

  /// Loading begins.
  StageTimes() = default;

  void enter(GenerationStage stage);
  /// The stage ends, and no other begins.
  void stop();

  double seconds(GenerationStage stage) const { return seconds_[static_cast<size_t>(stage)]; }
  /// Since loading began.
  double total() const;

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point start_ = Clock::now(), since_ = start_;
  std::optional<GenerationStage> stage_ = GenerationStage::kLoad;
  std::array<double, kNames.size()> seconds_{};
};

struct MadePicture {
  std::string path;
  uint64_t seed = 0;
  int64_t height = 0, width = 0;
};

/// What is told at the end.
struct GenerationReport {
  StageTimes times;
  std::optional<double> seconds_to_first_step;
  /// Of each picture: how often the UNet was asked.
  int64_t steps = 0;
  /// Of the CPU.
  int threads = 0;
  std::vector<MadePicture> pictures;
  /// As `to_json(GenerationParameters)`, without what differs from picture to picture.
  nlohmann::ordered_json parameters;
};

/// "out.png: 512×512, seed 42": a line of its own for each picture, as it is made.
std::string picture_line(const MadePicture& picture);

/// Where the time went and how much memory there was at most, in a few lines.
std::string summary(const GenerationReport& report, bool with_colours);

nlohmann::ordered_json to_json(const GenerationReport& report);

}  // namespace xattn::apps
