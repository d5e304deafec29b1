#include "support/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "support/terminal.h"

namespace xattn::apps {
namespace {

constexpr auto kBarClear = "\r\x1b[K";
constexpr auto kBarDone = "\x1b[36m", kBarToDo = "\x1b[2m", kBarPlain = "\x1b[0m";

std::string repeated_text(const char* text, int64_t count) {
  std::string all;
  for (int64_t i = 0; i < count; ++i) all += text;
  return all;
}

std::string bar_of(int64_t width, int64_t done, int64_t steps, const Terminal& terminal) {
  const auto filled = steps > 0 ? std::clamp<int64_t>(width * done / steps, 0, width) : 0;
  const auto full = repeated_text(terminal.has_unicode ? "━" : "#", filled);
  const auto empty = repeated_text(terminal.has_unicode ? "─" : "-", width - filled);
  if (!terminal.has_colours) return full + empty;
  return fmt::format("{}{}{}{}{}", kBarDone, full, kBarToDo, empty, kBarPlain);
}

}  // namespace

std::string clock_text(double seconds) {
  constexpr double kLongest = 1e9;  // years
  const auto whole = std::llround(std::clamp(seconds, 0.0, kLongest));
  const auto hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, rest)
                   : fmt::format("{}:{:02}", minutes, rest);
}

ProgressBar::ProgressBar(bool shown)
    : is_shown_(shown), is_terminal_(terminal_of(STDERR_FILENO).has_cursor) {}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::clear() {
  if (!stands_) return;
  fmt::print(stderr, "{}", kBarClear);
  std::fflush(stderr);
  stands_ = false;
}

void ProgressBar::say(const std::string& doing) {
  if (!is_shown_ || !is_terminal_) return;
  const auto terminal = terminal_of(STDERR_FILENO);
  fmt::print(stderr, "{}{}{}", kBarClear, doing, terminal.has_unicode ? "…" : "...");
  std::fflush(stderr);
  stands_ = true;
}

void ProgressBar::begin(const std::string& label) {
  label_ = label;
  step_seconds_ = 0;
  last_step_ = Clock::now();
  last_line_ = {};
  last_done_ = 0;
}

void ProgressBar::update(int64_t done, int64_t steps) {
  constexpr double kNewest = 0.3;  // the weight of the last step's time
  const auto now = Clock::now();
  const auto steps_since = std::max<int64_t>(1, done - last_done_);
  const auto seconds =
      std::chrono::duration<double>(now - last_step_).count() / static_cast<double>(steps_since);
  last_step_ = now;
  last_done_ = done;
  step_seconds_ = step_seconds_ == 0 ? seconds : kNewest * seconds + (1 - kNewest) * step_seconds_;
  if (!is_shown_) return;
  if (is_terminal_) {
    draw(done, steps);
  } else if (done <= 1 || done == steps || now - last_line_ >= std::chrono::seconds(1)) {
    print(done, steps);
    last_line_ = now;
  }
}

std::string ProgressBar::pace() const {
  if (step_seconds_ <= 0) return "";
  return step_seconds_ < 1 ? fmt::format("{:.2f} it/s", 1 / step_seconds_)
                           : fmt::format("{:.2f} s/it", step_seconds_);
}

std::string ProgressBar::left(int64_t steps) const {
  return clock_text(step_seconds_ * static_cast<double>(steps));
}

void ProgressBar::draw(int64_t done, int64_t steps) {
  constexpr int64_t kLeast = 8, kMost = 40;
  const auto terminal = terminal_of(STDERR_FILENO);
  const auto before = label_.empty() ? "" : label_ + "  ";
  const auto after = fmt::format("  {}/{}  {}  {} left", done, steps, pace(), left(steps - done));
  // One column stays free: some terminals go to the next line when the last one is written.
  const auto free = terminal.columns - 1 - static_cast<int64_t>(before.size() + after.size());
  const auto bar = free < kLeast ? "" : bar_of(std::min(free, kMost), done, steps, terminal);
  auto line = before + bar + after;
  // A line that is too long could not be taken back.
  if (bar.empty()) line.resize(std::min(line.size(), static_cast<size_t>(terminal.columns - 1)));
  fmt::print(stderr, "{}{}", kBarClear, line);
  std::fflush(stderr);
  stands_ = true;
}

void ProgressBar::print(int64_t done, int64_t steps) {
  fmt::print(stderr, "{}step {} of {}, {}, {} left\n", label_.empty() ? "" : label_ + ", ", done,
             steps, pace(), left(steps - done));
  std::fflush(stderr);
}

}  // namespace xattn::apps
