#include "pretrained/config_reader.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "xattn/core/error.h"

namespace xattn {
namespace {

bool is_integer(const nlohmann::json& value) {
  return value.is_number_integer();
}

template <typename T, typename Is>
void read_list(const ConfigReader& reader, const nlohmann::json* field, const char* name,
               const char* expected, std::vector<T>& value, const Is& is) {
  if (!field) return;
  if (!field->is_array() || !std::all_of(field->begin(), field->end(), is))
    reader.refuse(name, expected);
  value.clear();
  for (const auto& item : *field) value.push_back(item.get<T>());
}

}  // namespace

ConfigReader::ConfigReader(std::string place, const std::string& json_text)
    : place_(std::move(place)) {
  config_ = nlohmann::json::parse(json_text, nullptr, /*allow_exceptions=*/false);
  if (!config_.is_object())
    throw ValueError("[" + place_ + "] config.json: expected a JSON object");
}

const nlohmann::json* ConfigReader::find(const char* name) {
  known_.insert(name);
  const auto found = config_.find(name);
  return found == config_.end() ? nullptr : &*found;
}

bool ConfigReader::has(const char* name) {
  return find(name) != nullptr;
}

bool ConfigReader::is_null(const char* name) {
  const auto* field = find(name);
  return field && field->is_null();
}

bool ConfigReader::is_list(const char* name) {
  const auto* field = find(name);
  return field && field->is_array();
}

void ConfigReader::refuse(const char* name, const std::string& expected) const {
  const auto found = config_.find(name);
  throw ValueError("[" + place_ + "] config.json: " + name + ": expected " + expected + ", got " +
                   (found == config_.end() ? "none" : found->dump()));
}

void ConfigReader::read(const char* name, bool& value) {
  const auto* field = find(name);
  if (!field) return;
  if (!field->is_boolean()) refuse(name, "true or false");
  value = field->get<bool>();
}

void ConfigReader::read(const char* name, int64_t& value) {
  const auto* field = find(name);
  if (!field) return;
  if (!is_integer(*field)) refuse(name, "a whole number");
  value = field->get<int64_t>();
}

void ConfigReader::read(const char* name, double& value) {
  const auto* field = find(name);
  if (!field) return;
  if (!field->is_number()) refuse(name, "a number");
  value = field->get<double>();
}

void ConfigReader::read(const char* name, std::string& value) {
  const auto* field = find(name);
  if (!field) return;
  if (!field->is_string()) refuse(name, "a text");
  value = field->get<std::string>();
}

void ConfigReader::read(const char* name, std::vector<int64_t>& value) {
  read_list(*this, find(name), name, "a list of whole numbers", value, is_integer);
}

void ConfigReader::read(const char* name, std::vector<bool>& value) {
  read_list(*this, find(name), name, "a list of true or false", value,
            [](const nlohmann::json& item) { return item.is_boolean(); });
}

void ConfigReader::read(const char* name, std::vector<double>& value) {
  read_list(*this, find(name), name, "a list of numbers", value,
            [](const nlohmann::json& item) { return item.is_number(); });
}

void ConfigReader::read(const char* name, std::vector<std::string>& value) {
  read_list(*this, find(name), name, "a list of texts", value,
            [](const nlohmann::json& item) { return item.is_string(); });
}

void ConfigReader::read_for_each(const char* name, std::vector<int64_t>& value, size_t blocks) {
  const auto* field = find(name);
  if (!field) return;
  if (is_integer(*field)) {
    value.assign(blocks, field->get<int64_t>());
    return;
  }
  const auto expected = "a whole number, or a list of " + std::to_string(blocks);
  if (!field->is_array() || field->size() != blocks) refuse(name, expected);
  read_list(*this, field, name, expected.c_str(), value, is_integer);
}

void ConfigReader::expect(const char* name, std::initializer_list<nlohmann::json> allowed) {
  const auto* field = find(name);
  if (!field || std::find(allowed.begin(), allowed.end(), *field) != allowed.end()) return;
  std::string values;
  for (const auto& value : allowed) values += (values.empty() ? "" : " or ") + value.dump();
  refuse(name, values + ", the only value implemented");
}

void ConfigReader::finish() const {
  for (const auto& item : config_.items()) {
    if (item.key().rfind('_', 0) == 0 || known_.count(item.key())) continue;
    TORCH_WARN("[", place_, "] config.json: ", item.key(), ": unknown, ignored");
  }
}

}  // namespace xattn
