#pragma once

#include "xattn/pipelines/cancellation.h"

namespace xattn::apps {

/// What Ctrl-C (SIGINT) and SIGTERM do while this lives.
///
/// At first they end the program at once, with one line: nothing has been written yet. After
/// `wait_for_the_run` the first one asks the run to stop, which ends it within a step and with its
/// files in order; a second one ends the program as if this were not there. A signal that whoever
/// started the program has switched off stays so. There is one of these at a time.
class Interrupt {
 public:
  /// `line` is what is said where the program ends at once; it outlives this.
  explicit Interrupt(const char* line);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  void wait_for_the_run();

  StopToken token() const { return source_.token(); }

  /// What the program returns after a signal: 130 or 143, as shells have it; 0 without one.
  int exit_code() const;

 private:
  StopSource source_;
};

}  // namespace xattn::apps
