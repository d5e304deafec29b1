#include "support/program.h"

#include <c10/util/Exception.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/nearest_name.h"
#include "support/terminal.h"
#include "support/wait_policy.h"

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

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// What of the command line was not understood, and what may be meant; empty where all was.
std::string not_understood(const CLI::App& app) {
  const auto words = app.remaining(/*recurse=*/true);
  if (words.empty()) return {};
  const auto is_option = [](const std::string& word) { return word.size() > 1 && word[0] == '-'; };
  const auto* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  const auto suggestion = [](const std::string& word, const std::vector<std::string>& names) {
    const auto name = nearest_name(word, names);
    return name.empty() ? "" : "; did you mean " + name + "?";
  };

  std::vector<std::string> commands, options;
  for (const auto* each : command->get_subcommands([](const CLI::App*) { return true; }))
    commands.push_back(each->get_name());
  for (const auto* each : command->get_options()) {
    for (const auto& name : each->get_lnames()) options.push_back("--" + name);
  }
  const auto where = command == &app ? "" : command->get_name() + ": ";
  if (commands.empty() || std::all_of(words.begin(), words.end(), is_option)) {
    const auto found = std::find_if(words.begin(), words.end(), is_option);
    if (found == words.end()) return where + "one argument too many: '" + words.front() + "'";
    const auto word = found->substr(0, found->find('='));
    return where + "there is no option " + word + suggestion(word, options);
  }
  const auto& word = *std::find_if_not(words.begin(), words.end(), is_option);
  return "'" + word + "' is no command, they are " + joined(commands) + suggestion(word, commands);
}

/// Prints LibTorch's warnings and ours as "program: warning: message", each once.
class Warnings : public c10::WarningHandler {
 public:
  explicit Warnings(std::string program) : program_(std::move(program)) {}

  void process(const c10::Warning& warning) override {
    if (!printed_.insert(warning.msg()).second) return;
    // There may be a bar on the line.
    const auto* clear = terminal_of(STDERR_FILENO).has_cursor ? "\r\x1b[K" : "";
    std::fprintf(stderr, "%s%s: warning: %s\n", clear, program_.c_str(), warning.msg().c_str());
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
    limit_spinning(argv);
    const auto code = run();
    // A full disk or a closed pipe shows only when the buffer is written.
    if (std::fflush(stdout) != 0) throw FileError("[stdout]: cannot be written");
    return code;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    // What is lacking may be there, misspelt.
    const auto* lacking = dynamic_cast<const CLI::RequiredError*>(&error);
    const auto* needing = dynamic_cast<const CLI::RequiresError*>(&error);
    const auto* extra = dynamic_cast<const CLI::ExtrasError*>(&error);
    const auto typo = lacking || needing || extra ? not_understood(app) : "";
    print_error(app, (typo.empty() ? error.what() : typo) + " (see --help)");
    return kBadUsage;
  } catch (const UsageError& error) {
    print_error(app, error.what());
    return kBadUsage;
  } catch (const DeviceError& error) {
    print_error(app, error.what());
    return kNoDevice;
  } catch (const NotFiniteError& error) {
    print_error(app, error.what());
    return kCheckFailed;
  } catch (const c10::Error& error) {
    print_error(app, error.what_without_backtrace());
    return kBadInput;
  } catch (const std::exception& error) {
    print_error(app, error.what());
    return kBadInput;
  }
}

}  // namespace xattn::apps
