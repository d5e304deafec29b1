#include "text/json_file.h"

#include <limits>

#include "core/text.h"

namespace xattn::text {

using nlohmann::json;

JsonFile::JsonFile(io::Subject subject) : subject_(std::move(subject)) {
  object_ = io::read_json_object(io::File(subject_.place, subject_.path), {.levels = 8});
}

JsonFile JsonFile::optional(io::Subject subject) {
  if (io::exists(subject)) return JsonFile(std::move(subject));
  JsonFile nothing;
  nothing.subject_ = std::move(subject);
  return nothing;
}

const json* JsonFile::find(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool JsonFile::flag(const json& object, const char* name, bool fallback) const {
  const auto* value = find(object, name);
  if (!value) return fallback;
  if (!value->is_boolean()) refuse(name, "true or false", *value);
  return value->get<bool>();
}

std::string JsonFile::text(const json& object, const char* name,
                           const std::string& fallback) const {
  const auto* value = find(object, name);
  if (!value) return fallback;
  if (!value->is_string()) refuse(name, "a text", *value);
  return value->get<std::string>();
}

std::int32_t JsonFile::id(std::string_view what, const json& value) const {
  constexpr auto kMost = std::numeric_limits<std::int32_t>::max();
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= kMost) {
    refuse(what, cat("a whole number from 0 to ", kMost - 1), value);
  }
  return value.get<std::int32_t>();
}

void JsonFile::refuse(std::string_view what, std::string_view expected, const json& got) const {
  subject_.fail(cat(what, ": expected ", expected, ", got ", quote(io::shown(got))));
}

}  // namespace xattn::text
