#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace xattn::apps {

/// How far a run is, on stderr: a bar on a terminal, lines elsewhere, of which there is one a
/// second at the most, so that a log stays short.
///
///     picture 2 of 4  ━━━━━━━━━━━━━━━━━━━━─────────────  12/20  1.43 s/it  0:11 left
class ProgressBar {
 public:
  /// One that is not `shown` prints nothing.
  explicit ProgressBar(bool shown);
  /// Removes what stands on the terminal.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// What is being done where there are no steps, such as "loading"; only on a terminal.
  void say(const std::string& doing);

  /// The steps begin now. `label` stands before them; it may be empty.
  void begin(const std::string& label);
  /// What stands before the steps from now on.
  void relabel(const std::string& label) { label_ = label; }
  /// So many of them are done.
  void update(int64_t done, int64_t steps);

  /// Removes what stands on the terminal, so that something else can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  void draw(int64_t done, int64_t steps);
  void print(int64_t done, int64_t steps);
  /// "1.43 s/it" and what is left at this pace.
  std::string pace() const;
  std::string left(int64_t steps) const;

  bool is_shown_, is_terminal_;
  bool stands_ = false;  // something to be removed
  std::string label_;
  Clock::time_point last_step_, last_line_;
  int64_t last_done_ = 0;
  /// Seconds a step takes; recent ones count more.
  double step_seconds_ = 0;
};

/// "0:07", "12:00" or "1:02:03".
std::string clock_text(double seconds);

}  // namespace xattn::apps
