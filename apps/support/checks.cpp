#include "support/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <locale>
#include <sstream>
#include <utility>

#include "io/atomic_file.h"
#include "support/program.h"

namespace xattn::apps {
namespace {

/// Whether all of a text is a number.
template <typename Number>
bool parse(const std::string& text, Number& number) {
  // Not from_chars, which libc++ has for whole numbers only.
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  return in >> std::noskipws >> number && in.peek() == std::istringstream::traits_type::eof();
}

/// A number that `is_good`; `kind` says what is expected, `name` the same for --help.
template <typename Number, typename IsGood>
CLI::Validator good_number(const std::string& kind, const std::string& name, IsGood is_good) {
  return {
      [=](const std::string& text) -> std::string {
        Number number = 0;
        if (parse(text, number) && std::isfinite(static_cast<double>(number)) && is_good(number)) {
          return {};
        }
        return fmt::format("expected {}, got '{}'", kind, text);
      },
      name};
}

constexpr auto kIsAboveZero = [](auto number) { return number > 0; };

}  // namespace

CLI::Validator positive_integer() {
  return good_number<int64_t>("a whole number above 0", "ABOVE 0", kIsAboveZero);
}

CLI::Validator whole_number() {
  return good_number<int64_t>("a whole number, 0 or more", "NOT BELOW 0",
                              [](int64_t number) { return number >= 0; });
}

CLI::Validator whole_number_between(int64_t least, int64_t most) {
  return good_number<int64_t>(fmt::format("a whole number from {} to {}", least, most),
                              fmt::format("{} TO {}", least, most),
                              [=](int64_t number) { return number >= least && number <= most; });
}

CLI::Validator positive_number() {
  return good_number<double>("a number above 0", "ABOVE 0", kIsAboveZero);
}

CLI::Validator any_number() {
  return good_number<double>("a number", "", [](double) { return true; });
}

CLI::Validator number_between(double least, double most) {
  return good_number<double>(fmt::format("a number from {} to {}", least, most),
                             fmt::format("{} TO {}", least, most),
                             [=](double number) { return number >= least && number <= most; });
}

int64_t parse_bytes(const std::string& option, const std::string& text) {
  static constexpr std::array<std::pair<const char*, double>, 8> kUnits = {{{"KIB", 0x1p10},
                                                                            {"MIB", 0x1p20},
                                                                            {"GIB", 0x1p30},
                                                                            {"TIB", 0x1p40},
                                                                            {"KB", 1e3},
                                                                            {"MB", 1e6},
                                                                            {"GB", 1e9},
                                                                            {"TB", 1e12}}};
  auto digits = CLI::detail::trim_copy(text);
  for (auto& c : digits) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  double unit = 1;
  for (const auto& [name, bytes] : kUnits) {
    if (!digits.ends_with(name)) continue;
    unit = bytes;
    digits.erase(digits.size() - std::string(name).size());
    CLI::detail::rtrim(digits);
    break;
  }
  double number = 0;
  const bool is_number = parse(digits, number);
  const double bytes = std::floor(number * unit);
  if (!is_number || !(bytes >= 1 && bytes < 0x1p63)) {
    throw UsageError(fmt::format(
        "{}: expected 1 byte or more, as 20000, 500KB, 1.5GB or 2GiB, got '{}'", option, text));
  }
  return static_cast<int64_t>(bytes);
}

void refuse_options(const CLI::App& command, const std::vector<std::string>& options,
                    const std::string& input) {
  for (const auto& option : options) {
    if (command.count(option) > 0)
      throw UsageError(fmt::format("{}: expected none for {}", option, input));
  }
}

void check_output(const std::string& option, const std::string& output,
                  const std::vector<std::string>& inputs) {
  namespace fs = std::filesystem;
  std::error_code error;  // what is not there is no input's other name
  const auto check = [&](const fs::path& input) {
    if (!fs::equivalent(input, output, error)) return;
    throw UsageError(
        fmt::format("{}: expected another file than the input {}, which it would write over",
                    option, input.string()));
  };
  for (const auto& input : inputs) {
    check(input);
    if (!fs::is_directory(input, error)) continue;
    for (const auto& entry : fs::directory_iterator(input, error)) check(entry.path());
  }
}

void try_out(const std::string& place, const std::string& path) {
  const io::AtomicFile file(place, path);
}

}  // namespace xattn::apps
