#include "wanted.h"

#include <fmt/format.h>
#include <xattn/core/error.h>

#include <filesystem>

#include "io/json.h"
#include "support/text_lines.h"

namespace bada {
namespace {

/// One line of the metadata, and where it stands.
class Line {
 public:
  Line(std::string place, std::string_view text) : place_(std::move(place)) {
    auto parsed = xattn::io::parse_json(text);
    if (!parsed.problem.empty()) fail("JSON", parsed.problem);
    if (!parsed.value.is_object()) fail("a JSON object", xattn::io::shown(parsed.value));
    object_ = std::move(parsed.value);
  }

  std::string text(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) fail(std::string("the key ") + key, "none");
    if (!found->is_string()) fail(std::string(key) + " as a text", xattn::io::shown(*found));
    return found->get<std::string>();
  }

  template <class Enum>
  Enum known(const char* key) const {
    Enum value{};
    const auto word = text(key);
    if (!parse(word, value)) fail(std::string("a known ") + key, xattn::io::shown(word));
    return value;
  }

  /// An optional text or truth.
  std::string language() const { return object_.contains("language") ? text("language") : ""; }
  bool held_out() const {
    const auto found = object_.find("held_out");
    if (found == object_.end()) return false;
    if (!found->is_boolean()) fail("held_out as true or false", xattn::io::shown(*found));
    return found->get<bool>();
  }

 private:
  [[noreturn]] void fail(const std::string& expected, const std::string& got) const {
    throw xattn::FileError(
        fmt::format("[bada-judge] {}: expected {}, got {}", place_, expected, got));
  }

  std::string place_;
  nlohmann::json object_;
};

}  // namespace

std::vector<WantedPicture> read_wanted(const std::string& folder) {
  const auto path = (std::filesystem::path(folder) / "metadata.jsonl").string();
  const auto lines = xattn::apps::read_lines("bada-judge", path);
  std::vector<WantedPicture> pictures;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find_first_not_of(" \t\r") == std::string::npos) continue;
    const Line line(fmt::format("{} line {}", path, i + 1), lines[i]);
    pictures.push_back(
        {line.text("file_name"),
         {line.known<Sky>("sky"), line.known<Ground>("ground"), line.known<Thing>("thing")},
         line.language(),
         line.held_out()});
  }
  if (pictures.empty())
    throw xattn::FileError(
        fmt::format("[bada-judge] {}: expected a line a picture, got none", path));
  return pictures;
}

}  // namespace bada
