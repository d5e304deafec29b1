#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "io/file.h"
#include "io/subject.h"

namespace xattn::io {

/// What a JSON text may be and cost; real ones stay far below.
struct JsonLimits {
  int levels = 64;
  std::uint64_t text_bytes = std::uint64_t{16} << 20;
  /// What the values that are made of it may take: `[],[],…` takes thirty times its text.
  std::uint64_t value_bytes = std::uint64_t{40} << 20;
  /// Whether NaN, Infinity and -Infinity, which Python writes and JSON does not have, are taken, as
  /// texts.
  bool constants = false;
};

/// What a scanner tells as it meets it. Deriving classes keep nothing, or a value; they may throw.
class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool binary(binary_t& value) override;
  bool parse_error(std::size_t position, const std::string& last_token,
                   const nlohmann::json::exception& error) override;

  /// What is wrong with the text; empty where nothing is.
  std::string problem;
};

/// Reads a JSON text event by event, and says what is wrong with it in `events.problem`.
///
/// The one way in this library from JSON to values. Takes what Python's json takes (no byte order
/// mark, nothing after the value), but for numbers that no double holds; NaN and the like only where
/// the limits say so. Nothing
/// recurses deeper than `limits.levels`, and no exception of the parser's leaves it.
void scan_json(std::string_view text, const JsonLimits& limits, JsonEvents& events);

struct ParsedJson {
  nlohmann::json value;
  /// What is wrong with the text; empty where nothing is.
  std::string problem;
};

/// The value of a JSON text. Of equal keys the last one counts, as in Python.
ParsedJson parse_json(std::string_view text, const JsonLimits& limits = {});

/// The object in a JSON text or file. Throws FileError "[place] path: expected …, got …".
nlohmann::json read_json_object(const Subject& subject, std::string_view text,
                                const JsonLimits& limits = {});
nlohmann::json read_json_object(const File& file, const JsonLimits& limits = {});

/// The bytes of a file that is not larger than a JSON text may be.
std::string read_text(const File& file, const JsonLimits& limits = {});

/// A value for a message: as JSON, in ASCII, shortened.
std::string shown(const nlohmann::json& value);

}  // namespace xattn::io
