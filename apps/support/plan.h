#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "xattn/ops/plan.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace xattn::apps {

/// Adds `--plan`, a file that is followed.
CLI::Option* add_plan_option(CLI::App& command, std::optional<std::string>& path);

/// Adds `--tune`, a file to write what was measured to.
CLI::Option* add_tune_option(CLI::App& command, std::optional<std::string>& path,
                             const std::string& description);

/// What is followed: an empty plan where none is given.
Plan followed_plan(const std::optional<std::string>& path);

/// The layers that a run computed: name, algorithm, uses, and milliseconds where they are measured.
nlohmann::ordered_json layers_json(const Plan& plan);

/// The same as lines: what was measured, from the fastest.
std::string layers_table(const Plan& plan);

}  // namespace xattn::apps
