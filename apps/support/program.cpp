#include "support/program.h"

#include <c10/util/Exception.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <limits>
#include <set>
#include <string>
#include <utility>

namespace xattn::apps {
namespace {

/// Prints "program: message" as one line, whatever the message holds.
void print_error(const CLI::App& app, std::string message) {
  const auto end = message.find_last_not_of(" \n\r");
  message.erase(end == std::string::npos ? 0 : end + 1);
  for (size_t at = 0; (at = message.find('\n', at)) != std::string::npos;) {
    const auto next = message.find_first_not_of(" \n\r", at);
    message.replace(at, next - at, "; ");
  }
  std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), message.c_str());
}

/// Prints LibTorch's warnings and ours as "program: warning: message", each once.
class Warnings : public c10::WarningHandler {
 public:
  explicit Warnings(std::string program) : program_(std::move(program)) {}

  void process(const c10::Warning& warning) override {
    if (!printed_.insert(warning.msg()).second) return;
    std::fprintf(stderr, "%s: warning: %s\n", program_.c_str(), warning.msg().c_str());
  }

 private:
  std::string program_;
  std::set<std::string> printed_;
};

/// Large tensors come and go with every pass; by default glibc gives each back to the system and
/// pays for fresh pages again (measured: up to twice the time, see docs/performance.md).
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

}  // namespace

int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& run) {
  keep_freed_memory();
  Warnings warnings(app.get_name());
  const c10::WarningUtils::WarningHandlerGuard guard(&warnings);
  try {
    app.parse(argc, argv);
    const auto code = run();
    // A full disk or a closed pipe shows only when the buffer is written.
    if (std::fflush(stdout) != 0) throw FileError("[stdout]: cannot be written");
    return code;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    print_error(app, std::string(error.what()) + " (see --help)");
    return kBadUsage;
  } catch (const UsageError& error) {
    print_error(app, error.what());
    return kBadUsage;
  } catch (const DeviceError& error) {
    print_error(app, error.what());
    return kNoDevice;
  } catch (const c10::Error& error) {
    print_error(app, error.what_without_backtrace());
    return kBadInput;
  } catch (const std::exception& error) {
    print_error(app, error.what());
    return kBadInput;
  }
}

}  // namespace xattn::apps
