#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/check.h"
#include "xattn/core/config_fields.h"

namespace xattn {

/// Throws `ValueError` where a number of a config is out of its range, or a list has too few values
/// or too many.
class ConfigCheck : public ConfigFields {
 public:
  /// `place` is the class that the config is of.
  explicit ConfigCheck(const char* place) : place_(place) {}

  void in_range(const char* name, int64_t value, int64_t least, int64_t most) const {
    if (value >= least && value <= most) return;
    throw_value_error(place_, name, std::to_string(least) + " to " + std::to_string(most),
                      std::to_string(value));
  }
  void in_range(const char* name, const std::optional<int64_t>& value, int64_t least,
                int64_t most) const {
    if (value) in_range(name, *value, least, most);
  }
  void in_range(const char* name, const std::vector<int64_t>& values, int64_t least,
                int64_t most) const {
    for (const auto value : values) in_range(name, value, least, most);
  }

  template <typename T>
  void each_block(const char* name, const std::vector<T>& values, size_t blocks) const {
    if (values.size() == 1 || values.size() == blocks) return;
    throw_value_error(place_, name,
                      "one value, or " + std::to_string(blocks) + " as down_block_types",
                      std::to_string(values.size()));
  }
  void each_block(const char* name, const std::vector<int64_t>& values, size_t blocks,
                  int64_t least, int64_t most) const {
    each_block(name, values, blocks);
    in_range(name, values, least, most);
  }

 protected:
  const char* place_;
};

}  // namespace xattn
