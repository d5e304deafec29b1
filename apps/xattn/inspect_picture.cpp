#include "inspect_picture.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "images/png_reader.h"
#include "io/file.h"
#include "io/json.h"
#include "xattn/images/png.h"

namespace xattn::apps {
namespace {

constexpr std::string_view kSignatureOfPng = "\x89PNG\r\n\x1a\n";

/// A text of a file on a terminal: its lines are kept and indented, its control characters are not.
std::string indented(std::string_view text) {
  std::string lines = "  ";
  for (const char c : text) {
    const auto is_control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    lines += c == '\n' ? "\n  " : std::string(1, is_control ? ' ' : c);
  }
  return lines;
}

const char* colours_of(int64_t channels) {
  static constexpr const char* kNames[] = {"grey", "grey with alpha", "RGB", "RGBA"};
  return kNames[channels - 1];
}

}  // namespace

bool is_png(const std::string& path) {
  std::error_code error;  // a pipe could not be read again
  if (!std::filesystem::is_regular_file(path, error)) return false;
  std::ifstream file(path, std::ios::binary);
  std::string start(kSignatureOfPng.size(), '\0');
  return file.read(start.data(), static_cast<std::streamsize>(start.size())) &&
         start == kSignatureOfPng;
}

void inspect_picture(const std::string& path, bool json) {
  const io::File file("inspect", path);
  const auto size = images::PngReader(file, std::numeric_limits<int64_t>::max()).size();
  const auto texts = load_png_text(path);
  const auto ours = texts.find("xattn");
  const auto made_with =
      ours == texts.end() ? io::ParsedJson{nullptr, "none"} : io::parse_json(ours->second);
  if (json) {
    nlohmann::ordered_json document = {
        {"file", path},          {"format", "PNG"},           {"width", size.width},
        {"height", size.height}, {"channels", size.channels}, {"text", texts}};
    document["parameters"] = made_with.problem.empty() ? made_with.value : nullptr;
    fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print("{}: PNG, {}×{}, {}\n", path, size.width, size.height,
             colours_of(static_cast<int64_t>(size.channels)));
  if (texts.empty()) fmt::print("it holds no text, so it does not say what it was made with\n");
  for (const auto& [keyword, text] : texts) {
    const auto is_ours = keyword == "xattn" && made_with.problem.empty();
    fmt::print("\n{}\n{}\n", indented(keyword).substr(2),
               indented(is_ours ? made_with.value.dump(2, ' ', false,
                                                       nlohmann::json::error_handler_t::replace)
                                : text));
  }
}

}  // namespace xattn::apps
