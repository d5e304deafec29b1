#include "support/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

namespace xattn::apps {
namespace {

std::string variable(const char* name) {
  const auto* value = std::getenv(name);
  return value ? value : "";
}

/// No locale at all, as in a container, says nothing of the terminal, and those of today are UTF-8.
bool locale_has_unicode() {
  for (const auto* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    auto locale = variable(name);
    if (locale.empty()) continue;
    std::transform(locale.begin(), locale.end(), locale.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return locale.find("utf-8") != locale.npos || locale.find("utf8") != locale.npos;
  }
  return true;
}

}  // namespace

Terminal terminal_of(int descriptor) {
  Terminal terminal;
  terminal.is_terminal = ::isatty(descriptor) == 1;
  if (!terminal.is_terminal) return terminal;
  const auto kind = variable("TERM"), colours = variable("COLORTERM");
  terminal.has_cursor = kind != "dumb";
  terminal.has_colours = terminal.has_cursor && variable("NO_COLOR").empty();
  terminal.has_true_colour = terminal.has_cursor && (colours == "truecolor" || colours == "24bit");
  terminal.has_unicode = locale_has_unicode();
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0) {
    if (size.ws_col > 0) terminal.columns = size.ws_col;
    if (size.ws_row > 0) terminal.rows = size.ws_row;
  }
  return terminal;
}

}  // namespace xattn::apps
