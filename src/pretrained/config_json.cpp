#include "pretrained/config_json.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/text.h"
#include "io/json.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

template <typename T>
std::vector<T> items_of(const nlohmann::json& list) {
  std::vector<T> items;
  for (const auto& item : list) items.push_back(item.get<T>());
  return items;
}

/// A whole number of 64 bits; a larger one would be read as a negative.
bool is_whole(const nlohmann::json& field) {
  constexpr auto kMost = std::uint64_t{std::numeric_limits<int64_t>::max()};
  return field.is_number_integer() &&
         (!field.is_number_unsigned() || field.get<std::uint64_t>() <= kMost);
}

/// Whether it is a list whose items all are as `is` says.
template <typename Is>
bool is_list_of(const nlohmann::json& field, Is is) {
  return field.is_array() && std::all_of(field.begin(), field.end(), is);
}

}  // namespace

ConfigReader::ConfigReader(std::string place, const std::string& json_text, const char* part)
    : place_(std::move(place)) {
  auto [config, problem] = io::parse_json(json_text, {.constants = true});
  if (problem.empty() && !config.is_object()) problem = "expected a JSON object";
  if (!problem.empty()) throw ValueError(cat("[", place_, "] config.json: ", problem));
  if (part) {
    const auto found = config.find(part);
    if (found != config.end() && found->is_object()) config = nlohmann::json(std::move(*found));
  }
  config_ = std::move(config);
}

const nlohmann::json* ConfigReader::find(const char* name) {
  known_.insert(name);
  const auto found = config_.find(name);
  return found == config_.end() ? nullptr : &*found;
}

void ConfigReader::refuse(const char* name, const std::string& expected) const {
  const auto found = config_.find(name);
  throw ValueError("[" + place_ + "] config.json: " + name + ": expected " + expected + ", got " +
                   (found == config_.end() ? "none" : io::shown(*found)));
}

void ConfigReader::read(const char* name, const nlohmann::json& field, bool& member) const {
  if (!field.is_boolean()) refuse(name, kind_of(member));
  member = field.get<bool>();
}

void ConfigReader::read(const char* name, const nlohmann::json& field, int64_t& member) const {
  if (!is_whole(field)) refuse(name, kind_of(member));
  member = field.get<int64_t>();
}

void ConfigReader::read(const char* name, const nlohmann::json& field, double& member) const {
  constexpr auto kInfinity = std::numeric_limits<double>::infinity();
  if (field == "Infinity" || field == "-Infinity") {
    member = field == "Infinity" ? kInfinity : -kInfinity;
    return;
  }
  if (!field.is_number()) refuse(name, "a number");
  member = field.get<double>();
}

void ConfigReader::read(const char* name, const nlohmann::json& field, std::string& member) const {
  if (!field.is_string()) refuse(name, "a text");
  member = field.get<std::string>();
}

void ConfigReader::read(const char* name, const nlohmann::json& field,
                        std::vector<bool>& member) const {
  if (!is_list_of(field, std::mem_fn(&nlohmann::json::is_boolean)))
    refuse(name, "a list of true or false");
  member = items_of<bool>(field);
}

void ConfigReader::read(const char* name, const nlohmann::json& field,
                        std::vector<int64_t>& member) const {
  if (!is_list_of(field, is_whole)) refuse(name, "a list of whole numbers");
  member = items_of<int64_t>(field);
}

void ConfigReader::read(const char* name, const nlohmann::json& field,
                        std::vector<double>& member) const {
  if (!is_list_of(field, std::mem_fn(&nlohmann::json::is_number)))
    refuse(name, "a list of numbers");
  member = items_of<double>(field);
}

void ConfigReader::read(const char* name, const nlohmann::json& field,
                        std::vector<std::string>& member) const {
  if (!is_list_of(field, std::mem_fn(&nlohmann::json::is_string))) refuse(name, "a list of texts");
  member = items_of<std::string>(field);
}

void ConfigReader::height_and_width(const char* name, std::vector<int64_t>& sizes) {
  const auto* field = find(name);
  if (!field) return;
  if (field->is_array()) {
    read(name, *field, sizes);
    if (sizes.size() != 2) refuse(name, "a whole number, or a list of two");
  } else if (field->is_null()) {
    sizes.clear();
  } else {
    sizes.resize(1);
    read(name, *field, sizes.front());
  }
}

void ConfigReader::height_of(const char* name, int64_t& height) {
  const auto* field = find(name);
  if (!field) return;
  if (!field->is_array()) return read(name, *field, height);
  std::vector<int64_t> sizes;
  read(name, *field, sizes);
  if (sizes.empty()) refuse(name, "a whole number or two");
  height = sizes.front();
}

void ConfigReader::expect(const char* name, const std::vector<nlohmann::json>& allowed) {
  const auto* field = find(name);
  if (!field || std::find(allowed.begin(), allowed.end(), *field) != allowed.end()) return;
  std::string values;
  for (const auto& value : allowed) values += (values.empty() ? "" : " or ") + value.dump();
  refuse(name, values + ", the only value implemented");
}

void ConfigReader::warn_of_the_rest() const {
  constexpr std::size_t kMostNames = 10;
  std::size_t count = 0;
  std::string names;
  for (const auto& item : config_.items()) {
    if (item.key().starts_with('_') || known_.count(item.key()) != 0) continue;
    if (++count > kMostNames) continue;
    const auto name = quote(item.key());  // fit for a message; its quotes are not needed
    names += (names.empty() ? "" : ", ") + name.substr(1, name.size() - 2);
  }
  if (count == 0) return;
  if (count > kMostNames) names += " and " + std::to_string(count - kMostNames) + " more";
  TORCH_WARN("[", place_, "] config.json: ", names, ": unknown, ignored");
}

void ConfigWriter::value(const char* name, double member) {
  config_[name] = member;
  if (!std::isinf(member)) return;
  config_[name] = member > 0 ? "Infinity" : "-Infinity";
  infinite_.insert(name);
}

std::string ConfigWriter::text() const {
  auto text = config_.dump(2) + "\n";
  for (const auto& name : infinite_) {
    const auto word = config_.at(name).get<std::string>();
    const auto start = "\n  \"" + name + "\": ";
    const auto place = text.find(start + '"') + start.size();
    text.replace(place, word.size() + 2, word);
  }
  return text;
}

void ConfigWriter::height_and_width(const char* name, const std::vector<int64_t>& sizes) {
  if (sizes.empty()) {
    config_[name] = nullptr;
  } else {
    each_block(name, sizes, sizes.size());
  }
}

}  // namespace xattn
