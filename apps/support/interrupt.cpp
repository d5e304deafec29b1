#include "support/interrupt.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "support/terminal.h"

namespace xattn::apps {
namespace {

constexpr std::array<int, 2> kSignals = {SIGINT, SIGTERM};
constexpr int kSignalled = 128;

// What the handler knows; it may call little more than write and _exit.
const char* ending_line = nullptr;
bool clears_line = false;
const StopSource* run_to_stop = nullptr;
volatile std::sig_atomic_t waits_for_run = 0;
volatile std::sig_atomic_t received = 0;

std::array<struct sigaction, kSignals.size()> actions_before;

void say(const char* text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
}

void on_signal(int signal) {
  if (waits_for_run == 0) {
    if (clears_line) say("\r\x1b[K");
    say(ending_line);
    ::_exit(kSignalled + signal);
  }
  if (received != 0) {
    // It comes again when this handler ends, and nothing holds it then.
    std::signal(signal, SIG_DFL);
    ::raise(signal);
    return;
  }
  received = signal;
  run_to_stop->request_stop();
}

}  // namespace

Interrupt::Interrupt(const char* line) {
  ending_line = line;
  clears_line = terminal_of(STDERR_FILENO).has_cursor;
  run_to_stop = &source_;
  waits_for_run = 0;
  received = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // what reads and writes knows of no signals
  for (size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &actions_before[i]);
    if (actions_before[i].sa_handler != SIG_IGN) ::sigaction(kSignals[i], &action, nullptr);
  }
}

Interrupt::~Interrupt() {
  for (size_t i = 0; i < kSignals.size(); ++i)
    ::sigaction(kSignals[i], &actions_before[i], nullptr);
  run_to_stop = nullptr;
}

void Interrupt::wait_for_the_run() {
  waits_for_run = 1;
}

int Interrupt::exit_code() const {
  return received == 0 ? 0 : kSignalled + static_cast<int>(received);
}

}  // namespace xattn::apps
