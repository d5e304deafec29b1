#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/json.h"

namespace xattn::text {

/// A JSON object in a file, with bounds on what its parser may be made to do.
class JsonFile {
 public:
  explicit JsonFile(io::Subject subject);
  /// An empty object where the file does not exist.
  static JsonFile optional(io::Subject subject);

  const io::Subject& subject() const { return subject_; }
  const nlohmann::json& object() const { return object_; }

  /// Null where there is no such field, or it is null.
  const nlohmann::json* find(const char* name) const { return find(object_, name); }
  static const nlohmann::json* find(const nlohmann::json& object, const char* name);

  /// A field of an object; `fallback` where it is not there or null.
  bool flag(const nlohmann::json& object, const char* name, bool fallback) const;
  std::string text(const nlohmann::json& object, const char* name,
                   const std::string& fallback) const;
  /// An id: a whole number of 31 bits.
  std::int32_t id(std::string_view what, const nlohmann::json& value) const;

  /// Throws FileError "[place] path: what: expected …, got …".
  [[noreturn]] void refuse(std::string_view what, std::string_view expected,
                           const nlohmann::json& got) const;

 private:
  JsonFile() = default;

  io::Subject subject_;
  nlohmann::json object_ = nlohmann::json::object();
};

}  // namespace xattn::text
