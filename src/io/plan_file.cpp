#include "xattn/io/plan_file.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>

#include "io/atomic_file.h"
#include "io/file.h"
#include "io/json.h"
#include "ops/cpu/choice.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/processor_name.h"

namespace xattn {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr auto kFormat = "xattn plan 1";

/// What decides which algorithm is fastest, and whether there is a choice.
ordered_json this_machine() {
  return {{"processor", cpu::processor_name()},
          {"kernels", cpu::use_kernels() ? cpu::kernels().name : "torch"},
          {"threads", at::get_num_threads()}};
}

/// Reads a plan's file, and says where in it something is wrong.
class PlanReader {
 public:
  explicit PlanReader(const std::string& path) : file_("load_plan", path) {}

  Plan read() const {
    const auto document = io::read_json_object(file_);
    if (const auto found = document.find("format"); found == document.end() || *found != kFormat) {
      file_.fail(fmt::format("expected a plan, whose format is '{}'; `xattn run --tune` writes one",
                             kFormat));
    }
    check_keys("the plan", document, {"format", "processor", "kernels", "threads", "layers"});
    check_machine(document);
    if (!document["layers"].is_object()) fail("layers", "an object", document["layers"]);
    Plan plan;
    for (const auto& [name, layer] : document["layers"].items()) {
      plan.layers.emplace(name, read_layer(name, layer));
    }
    return plan;
  }

 private:
  /// Those and no others.
  void check_keys(const std::string& where, const json& object,
                  std::initializer_list<std::string_view> keys) const {
    if (!object.is_object()) fail(where, "an object", object);
    for (const auto& key : keys) {
      if (!object.contains(key)) file_.fail(fmt::format("{}: expected {}, got none", where, key));
    }
    if (object.size() == keys.size()) return;
    for (const auto& [key, value] : object.items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        file_.fail(fmt::format("{}: {} is not known", where, io::shown(key)));
      }
    }
  }

  void check_machine(const json& document) const {
    const auto machine = this_machine();
    for (const auto& [key, here] : machine.items()) {
      if (document[key] != json(here)) {
        file_.fail(fmt::format(
            "{}: expected this machine's, {}, got {}; measure a plan here, by `xattn run --tune`",
            key, here.dump(), io::shown(document[key])));
      }
    }
  }

  LayerChoice read_layer(const std::string& name, const json& layer) const {
    const auto where = io::shown(name);
    check_keys(where, layer, {"algorithm", "milliseconds"});
    const auto &algorithm = layer["algorithm"], &milliseconds = layer["milliseconds"];
    if (!algorithm.is_string()) fail(where + ", algorithm", "a text", algorithm);
    if (!milliseconds.is_object()) fail(where + ", milliseconds", "an object", milliseconds);
    LayerChoice choice{algorithm.get<std::string>()};
    for (const auto& [of, value] : milliseconds.items()) {
      if (!value.is_number() || !(value.get<double>() >= 0)) {
        fail(where + ", milliseconds", "numbers of at least 0", value);
      }
      choice.seconds.emplace(of, value.get<double>() / 1e3);
    }
    return choice;
  }

  [[noreturn]] void fail(const std::string& where, std::string_view expected,
                         const json& got) const {
    file_.fail(fmt::format("{}: expected {}, got {}", where, expected, io::shown(got)));
  }

  io::File file_;
};

}  // namespace

void save_plan(const std::string& path, const Plan& plan) {
  ordered_json document = {{"format", kFormat}};
  document.update(this_machine());
  document["layers"] = ordered_json::object();
  for (const auto& [name, choice] : plan.layers) {
    ordered_json milliseconds = ordered_json::object();
    // Microseconds are as much as a measurement knows.
    for (const auto& [of, seconds] : choice.seconds) {
      milliseconds[of] = std::round(seconds * 1e6) / 1e3;
    }
    document["layers"][name] = {{"algorithm", choice.algorithm}, {"milliseconds", milliseconds}};
  }
  io::write_file("save_plan", path, document.dump(2) + "\n");
}

Plan load_plan(const std::string& path) {
  return PlanReader(path).read();
}

}  // namespace xattn
