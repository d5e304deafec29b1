#include "training/lines.h"

#include <algorithm>
#include <string>

#include "core/text.h"

namespace xattn::training {

void for_each_line(const io::File& file, const std::function<void(const Line&)>& take) {
  constexpr std::uint64_t kPart = std::uint64_t{256} << 10;
  std::string held;  // from the start of a line on
  Line line;
  std::uint64_t read = 0;
  while (read < file.size() || !held.empty()) {
    auto end = held.find('\n');
    while (end == std::string::npos && read < file.size()) {
      if (held.size() > kLongestLine) {
        file.fail(
            cat("line ", line.number + 1, ": expected at most ", kLongestLine, " bytes, got more"));
      }
      const auto part = std::min(kPart, file.size() - read);
      const auto searched = held.size();
      held += file.read(read, static_cast<std::size_t>(part));
      read += part;
      end = held.find('\n', searched);
    }
    // All lines of what is held, so that it is moved once a part.
    std::size_t start = 0;
    do {
      line.is_whole = end != std::string::npos;
      const auto stop = line.is_whole ? end : held.size();
      line.text = std::string_view(held).substr(start, stop - start);
      if (line.text.size() > kLongestLine) {
        file.fail(
            cat("line ", line.number + 1, ": expected at most ", kLongestLine, " bytes, got more"));
      }
      if (line.text.ends_with('\r')) line.text.remove_suffix(1);
      ++line.number;
      line.start = line.end;
      line.end += stop - start + (line.is_whole ? 1 : 0);
      take(line);
      start = stop + (line.is_whole ? 1 : 0);
      end = held.find('\n', start);
    } while (end != std::string::npos);
    held.erase(0, start);
  }
}

}  // namespace xattn::training
