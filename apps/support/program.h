#pragma once

#include <functional>

#include "xattn/core/error.h"

namespace CLI {
class App;
}

namespace xattn::apps {

/// What the programs return; scripts rely on the numbers.
enum ExitCode {
  kDone = 0,
  kCheckFailed = 1,
  kBadUsage = 2,
  kBadInput = 3,
  kNoDevice = 4,
};

/// Options that cannot be used, alone or with the file that they are given with.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// Parses the command line, calls `run` and turns every error into one line on stderr and an exit
/// code.
int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& run);

}  // namespace xattn::apps
