#include "text/json_file.h"

#include <filesystem>
#include <limits>

#include "core/text.h"
#include "io/file.h"
#include "io/json_guard.h"

namespace xattn::text {

using nlohmann::json;

std::string read_whole(const io::Subject& subject) {
  constexpr std::uint64_t kLargest = std::uint64_t{16} << 20;
  const io::File file(subject.place, subject.path);
  if (file.size() > kLargest) {
    subject.fail(cat("expected at most ", kLargest, " bytes, got ", file.size()));
  }
  return file.read(0, static_cast<std::size_t>(file.size()));
}

JsonFile::JsonFile(io::Subject subject) : subject_(std::move(subject)) {
  const auto bytes = read_whole(subject_);
  io::guard_json(subject_, bytes, {"JSON", 8});
  try {
    object_ = json::parse(bytes);
  } catch (const json::exception& error) {
    subject_.fail(cat("expected JSON: ", quote(error.what())));
  }
  if (!object_.is_object())
    subject_.fail(cat("expected a JSON object, got ", quote(object_.dump())));
}

JsonFile JsonFile::optional(io::Subject subject) {
  if (std::filesystem::exists(subject.path)) return JsonFile(std::move(subject));
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
  subject_.fail(cat(what, ": expected ", expected, ", got ", quote(got.dump())));
}

}  // namespace xattn::text
