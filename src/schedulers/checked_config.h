#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>

#include "core/config_check.h"
#include "schedulers/sigmas.h"

namespace xattn {

/// Throws as `ConfigCheck`, where a text is none of those that are known, and for NaN.
class SchedulerConfigCheck : public ConfigCheck {
 public:
  using ConfigCheck::ConfigCheck;

  using ConfigCheck::value;
  // Not const, as the one for other types, which would be taken otherwise.
  void value(const char* name, double value) {
    if (std::isnan(value)) throw_value_error(place_, name, "a number", "NaN");
  }
  void value(const char* name, const std::optional<double>& number) {
    if (number) value(name, *number);
  }

  template <typename... Values>
  void choice(const char* name, const std::string& text, const Values&... values) const {
    if (((text == values) || ...)) return;
    std::string known;
    for (const std::string value : {values...}) known += (known.empty() ? "" : ", ") + value;
    throw_value_error(place_, name, "one of " + known, text);
  }
  /// The same of a text that may be missing.
  template <typename... Values>
  void choice(const char* name, const std::optional<std::string>& text, std::nullptr_t,
              const Values&... values) const {
    if (text) choice(name, *text, values...);
  }
};

/// A scheduler's config whose every field can be honoured. Throws: `ValueError`.
template <typename Config>
const Config& checked(const char* place, const Config& config) {
  Config::visit_fields(config, SchedulerConfigCheck(place));
  if constexpr (std::is_base_of_v<SigmaSpreadConfig, Config>) check_spread(place, config);
  return config;
}

}  // namespace xattn
