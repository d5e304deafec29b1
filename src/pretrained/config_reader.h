#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace xattn {

/// Reads the fields of a model's config.json, and names what it cannot honour.
///
/// Every field that the Python original has is either read, or expected to have the value that our
/// model stands for; `finish` names the rest, which the original does not know either, in a
/// warning. Throws: `ValueError` "[UNet2DConditionModel] config.json: sample_size: expected a whole
/// number, got "x"".
class ConfigReader {
 public:
  /// `place` is the model's class.
  ConfigReader(std::string place, const std::string& json_text);

  /// Reads a field into `value`, which keeps its default where the config has none.
  void read(const char* name, bool& value);
  void read(const char* name, int64_t& value);
  void read(const char* name, double& value);
  void read(const char* name, std::string& value);
  void read(const char* name, std::vector<int64_t>& value);
  void read(const char* name, std::vector<bool>& value);
  void read(const char* name, std::vector<double>& value);
  void read(const char* name, std::vector<std::string>& value);
  /// As above; null is nothing.
  template <typename T>
  void read(const char* name, std::optional<T>& value) {
    if (is_null(name)) {
      value.reset();
      return;
    }
    if (!has(name)) return;
    T read_value{};
    read(name, read_value);
    value = std::move(read_value);
  }
  /// A number that may be given for all blocks, or one for each.
  void read_for_each(const char* name, std::vector<int64_t>& value, size_t blocks);

  /// A field that is not implemented: refused where it is there and differs from all of these
  /// values.
  void expect(const char* name, std::initializer_list<nlohmann::json> allowed);

  bool has(const char* name);
  bool is_null(const char* name);
  bool is_list(const char* name);

  /// Warns of the fields that nobody asked for, but for those that begin with "_".
  void finish() const;

  /// Throws `ValueError` for a field.
  [[noreturn]] void refuse(const char* name, const std::string& expected) const;

 private:
  /// Marks a field as known; null where it is not there.
  const nlohmann::json* find(const char* name);

  std::string place_;
  nlohmann::json config_;
  std::set<std::string> known_;
};

}  // namespace xattn
