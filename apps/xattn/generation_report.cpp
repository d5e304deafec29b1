#include "generation_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/process.h"

namespace xattn::apps {
namespace {

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// Three digits that say something: "0.052 s", "1.43 s", "28.4 s", "12 min 3 s".
std::string seconds_text(double seconds) {
  if (seconds < 60)
    return fmt::format("{:.{}f} s", seconds, seconds < 1 ? 3 : seconds < 10 ? 2 : 1);
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

std::string bytes_text(int64_t bytes) {
  const auto number = static_cast<double>(bytes);
  return number < 1e9 ? fmt::format("{:.0f} MB", number / 1e6)
                      : fmt::format("{:.1f} GB", number / 1e9);
}

}  // namespace

void StageTimes::enter(GenerationStage stage) {
  stop();
  stage_ = stage;
}

void StageTimes::stop() {
  const auto now = Clock::now();
  if (stage_) seconds_[static_cast<size_t>(*stage_)] += seconds_between(since_, now);
  since_ = now;
  stage_.reset();
}

double StageTimes::total() const {
  return seconds_between(start_, Clock::now());
}

std::string picture_line(const MadePicture& picture) {
  return fmt::format("{}: {}×{}, seed {}\n", picture.path, picture.width, picture.height,
                     picture.seed);
}

std::string summary(const GenerationReport& report, bool with_colours) {
  std::string stages;
  for (size_t i = 0; i < StageTimes::kNames.size(); ++i) {
    const auto seconds = report.times.seconds(static_cast<GenerationStage>(i));
    if (seconds == 0) continue;  // no picture to begin with
    stages += fmt::format("{}{} {}", stages.empty() ? "" : ", ", StageTimes::kNames[i],
                          seconds_text(seconds));
  }
  const auto count = static_cast<int64_t>(report.pictures.size());
  const auto a_step = report.times.seconds(GenerationStage::kDenoise) /
                      static_cast<double>(std::max<int64_t>(report.steps * count, 1));
  auto text =
      fmt::format("{} in all: {}\n{} steps{}, {} each", seconds_text(report.times.total()), stages,
                  report.steps, count > 1 ? " a picture" : "", seconds_text(a_step));
  if (const auto peak = peak_bytes(); peak > 0)
    text += fmt::format("; at most {} of memory", bytes_text(peak));
  return with_colours ? fmt::format("\x1b[2m{}\x1b[0m\n", text) : text + "\n";
}

nlohmann::ordered_json to_json(const GenerationReport& report) {
  nlohmann::ordered_json json = {{"seeds", nlohmann::ordered_json::array()},
                                 {"images", nlohmann::ordered_json::array()},
                                 {"stages", nlohmann::ordered_json::object()}};
  for (const auto& picture : report.pictures) {
    json["seeds"].push_back(picture.seed);
    json["images"].push_back(picture.path);
  }
  for (size_t i = 0; i < StageTimes::kNames.size(); ++i)
    json["stages"][StageTimes::kNames[i]] = report.times.seconds(static_cast<GenerationStage>(i));
  json["seconds_to_first_step"] = report.seconds_to_first_step
                                      ? nlohmann::ordered_json(*report.seconds_to_first_step)
                                      : nullptr;
  json["steps"] = report.steps;
  json["peak_memory"] = peak_bytes();
  json["threads"] = report.threads;
  json["parameters"] = report.parameters;
  return json;
}

}  // namespace xattn::apps
