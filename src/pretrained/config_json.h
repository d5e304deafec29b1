#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "xattn/core/config_fields.h"

namespace xattn {

/// Reads the fields of a config.json, and names what it cannot honour.
///
/// A field that is not there keeps its member's default.
///
/// Throws: `ValueError` "[UNet2DConditionModel] config.json: in_channels: expected a whole number,
/// got "x"".
class ConfigReader : public ConfigFields {
 public:
  /// `place` is the model's class. `part` names an object that is read instead of the text's own,
  /// where there is one.
  ConfigReader(std::string place, const std::string& json_text, const char* part = nullptr);

  template <typename Member>
  void value(const char* name, Member& member) {
    if (const auto* field = find(name)) read(name, *field, member);
  }

  template <typename Member>
  void null_is_default(const char* name, Member& member) {
    if (const auto* field = find(name); field && !field->is_null()) read(name, *field, member);
  }

  template <typename Member>
  void in_range(const char* name, Member& member, int64_t /*least*/, int64_t /*most*/) {
    value(name, member);
  }

  template <typename T>
  void each_block(const char* name, std::vector<T>& list, std::size_t blocks) {
    const auto* field = find(name);
    if (!field) return;
    if (!field->is_array()) {
      T one{};
      read(name, *field, one);
      list = {one};
      return;
    }
    read(name, *field, list);
    if (list.size() != blocks) {
      refuse(name, std::string(kind_of(T{})) + ", or a list of " + std::to_string(blocks));
    }
  }

  void each_block(const char* name, std::vector<int64_t>& list, std::size_t blocks,
                  int64_t /*least*/, int64_t /*most*/) {
    each_block(name, list, blocks);
  }

  template <typename Member, typename... Values>
  void choice(const char* name, Member& member, const Values&... values) {
    value(name, member);
    expect(name, {nlohmann::json(values)...});
  }

  void height_and_width(const char* name, std::vector<int64_t>& sizes);
  void height_of(const char* name, int64_t& height);

  template <typename Value, typename... Others>
  void constant(const char* name, const Value& value, const Others&... others) {
    expect(name, {nlohmann::json(value), nlohmann::json(others)...});
  }

  template <typename... Values>
  void only(const char* name, const Values&... values) {
    expect(name, {nlohmann::json(values)...});
  }

  template <typename Names>
  void without_effect(const Names& names) {
    for (const auto* name : names) known_.insert(name);
  }

  /// Warns of the fields that no call has named, but for those that begin with "_": of the first
  /// ten, and of the number of the others.
  void warn_of_the_rest() const;

 private:
  /// Marks a field as known; null where it is not there.
  const nlohmann::json* find(const char* name);

  void read(const char* name, const nlohmann::json& field, bool& member) const;
  void read(const char* name, const nlohmann::json& field, int64_t& member) const;
  void read(const char* name, const nlohmann::json& field, double& member) const;
  void read(const char* name, const nlohmann::json& field, std::string& member) const;
  void read(const char* name, const nlohmann::json& field, std::vector<bool>& member) const;
  void read(const char* name, const nlohmann::json& field, std::vector<int64_t>& member) const;
  void read(const char* name, const nlohmann::json& field, std::vector<double>& member) const;
  void read(const char* name, const nlohmann::json& field, std::vector<std::string>& member) const;
  template <typename T>
  void read(const char* name, const nlohmann::json& field, std::optional<T>& member) const {
    if (field.is_null()) {
      member.reset();
    } else {
      read(name, field, member.emplace());
    }
  }

  static const char* kind_of(bool) { return "true or false"; }
  static const char* kind_of(int64_t) { return "a whole number"; }

  /// Throws where the field is there and has none of these values.
  void expect(const char* name, const std::vector<nlohmann::json>& allowed);
  [[noreturn]] void refuse(const char* name, const std::string& expected) const;

  std::string place_;
  nlohmann::json config_;
  std::set<std::string> known_;
};

/// Writes the fields of a config.json, in alphabetical order as Python does.
class ConfigWriter : public ConfigFields {
 public:
  template <typename Text>
  void label(const char* name, const Text& text) {
    config_[name] = text;
  }

  template <typename Member>
  void value(const char* name, const Member& member) {
    config_[name] = member;
  }
  void value(const char* name, double member);
  template <typename T>
  void value(const char* name, const std::optional<T>& member) {
    member ? value(name, *member) : value(name, nullptr);
  }

  template <typename Member>
  void null_is_default(const char* name, const Member& member) {
    value(name, member);
  }

  template <typename Member>
  void in_range(const char* name, const Member& member, int64_t /*least*/, int64_t /*most*/) {
    value(name, member);
  }

  template <typename T>
  void each_block(const char* name, const std::vector<T>& list, std::size_t /*blocks*/) {
    if (list.size() == 1) {
      value(name, static_cast<T>(list.front()));
    } else {
      value(name, list);
    }
  }
  template <typename T>
  void each_block(const char* name, const std::vector<T>& list, std::size_t blocks,
                  int64_t /*least*/, int64_t /*most*/) {
    each_block(name, list, blocks);
  }

  template <typename Member, typename... Values>
  void choice(const char* name, const Member& member, const Values&... /*values*/) {
    value(name, member);
  }

  void height_and_width(const char* name, const std::vector<int64_t>& sizes);
  void height_of(const char* name, int64_t height) { value(name, height); }

  template <typename Value, typename... Others>
  void constant(const char* name, const Value& value, const Others&... /*others*/) {
    config_[name] = value;
  }

  std::string text() const;

 private:
  nlohmann::json config_;
  /// The fields that are infinite, for which JSON has no number, but Python has a word.
  std::set<std::string> infinite_;
};

/// The config in a JSON text; `place` is the model's class, `part` as `ConfigReader` takes it.
/// Throws: `ValueError`.
template <typename Config>
Config read_config(const char* place, const std::string& json_text, const char* part = nullptr) {
  ConfigReader reader(place, json_text, part);
  Config config;
  Config::visit_fields(config, reader);
  if constexpr (requires { config.check(); }) config.check();
  reader.warn_of_the_rest();
  return config;
}

template <typename Config>
std::string write_config(const Config& config) {
  ConfigWriter writer;
  Config::visit_fields(config, writer);
  return writer.text();
}

}  // namespace xattn
