#include "support/wait_policy.h"

#ifdef __linux__
#include <unistd.h>

#include <array>
#include <cstdlib>
#endif

namespace xattn::apps {

// libgomp reads the environment before main. By default a thread spins for milliseconds, which it
// takes from the one that it waits for where another program has a core.
void limit_spinning([[maybe_unused]] char** argv) {
#ifdef __linux__
  for (const auto* own : {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}) {
    if (std::getenv(own)) return;  // the user's, or set below
  }
  std::array<char, 4096> program{};
  const auto length = ::readlink("/proc/self/exe", program.data(), program.size() - 1);
  if (length <= 0 || ::setenv("GOMP_SPINCOUNT", "1000", 1) != 0) return;
  ::execv(program.data(), argv);
  ::unsetenv("GOMP_SPINCOUNT");  // it could not be started: go on as we are
#endif
}

}  // namespace xattn::apps
