// xattn verify DIR --golden FILE: every submodule on recorded inputs. A module that ends its call
// before another is listed before it, so the first that diverges has no part that does.
#include "verify_folder.h"

#include <ATen/ops/scalar_tensor.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/check.h"
#include "folder_model.h"
#include "module_runners.h"
#include "recording.h"
#include "support/device.h"
#include "support/difference.h"
#include "support/dtype.h"
#include "support/program.h"
#include "xattn/core/error.h"

namespace xattn::apps {
namespace {

/// One call, compared.
struct Row {
  const RecordedCall* call;
  double max_abs = 0, relative = 0;
  /// Why it could not be compared; else empty.
  std::string problem;
  bool diverges = false;
};

struct Report {
  std::string prefix;
  double tolerance = 0;
  std::vector<Row> rows;  // in the order of execution
  /// Calls of modules that are not ours, or not in the model, by Python's class.
  std::map<std::string, size_t> skipped;

  const Row* first() const {
    const auto found =
        std::find_if(rows.begin(), rows.end(), [](const Row& row) { return row.diverges; });
    return found == rows.end() ? nullptr : &*found;
  }
};

/// Finds our modules by the recording's names.
class Modules {
 public:
  explicit Modules(const FolderModel& model) : model_(model) {
    for (const auto& item : model.module->named_modules())
      modules_[item.key()] = item.value().get();
  }

  /// The module that a recorded name below `prefix` stands for, or null.
  torch::nn::Module* find(const std::string& recorded, const std::string& prefix) const {
    if (!prefix.empty() && recorded != prefix && !recorded.starts_with(prefix + "."))
      return nullptr;
    const auto name =
        recorded == prefix ? "" : recorded.substr(prefix.empty() ? 0 : prefix.size() + 1);
    if (const auto found = modules_.find(name); found != modules_.end()) return found->second;
    // The original may have other names for its modules than for the weights in its files.
    const auto targets = map_key(model_.model, name + ".weight");
    if (targets.size() != 1 || !targets.front().key.ends_with(".weight")) return nullptr;
    const auto& key = targets.front().key;
    const auto found = modules_.find(key.substr(0, key.size() - 7));
    return found == modules_.end() ? nullptr : found->second;
  }

  bool is_root(const torch::nn::Module* module) const { return module == model_.module.get(); }

 private:
  const FolderModel& model_;
  std::map<std::string, torch::nn::Module*> modules_;
};

/// The name in the recording under which most of our modules are found.
std::string find_prefix(const Recording& recording, const Modules& modules) {
  std::set<std::string> prefixes = {""};
  for (const auto& call : recording.calls()) {
    prefixes.insert(call.module);
    for (auto dot = call.module.find('.'); dot != call.module.npos;
         dot = call.module.find('.', dot + 1)) {
      prefixes.insert(call.module.substr(0, dot));
    }
  }
  std::string best;
  size_t most = 0;
  for (const auto& prefix : prefixes) {
    size_t found = 0;
    for (const auto& call : recording.calls()) {
      const auto* module = modules.find(call.module, prefix);
      found += module && class_name_of(*module) == call.class_name;
    }
    if (found > most) {
      most = found;
      best = prefix;
    }
  }
  return best;
}

/// The recorded arguments of the whole model, by the names of a method's.
StateDict model_inputs(const RecordedArguments& arguments) {
  StateDict inputs;
  for (const auto& [name, tensor] : arguments.call().inputs) {
    const std::string inside = "added_cond_kwargs.";
    inputs.insert(name.starts_with(inside) ? name.substr(inside.size()) : name,
                  arguments.get(name));
  }
  const auto& scalars = arguments.call().scalars;
  if (scalars.contains("timestep") && scalars["timestep"].is_number()) {
    inputs.insert("timestep", at::scalar_tensor(scalars["timestep"].get<double>()));
  }
  return inputs;
}

/// Our outputs, in the order of the call's.
std::vector<at::Tensor> in_order(const StateDict& outputs, const RecordedCall& call) {
  std::vector<at::Tensor> ordered;
  for (const auto& [name, tensor] : call.outputs) {
    if (const auto* found = outputs.find(name)) ordered.push_back(*found);
  }
  return ordered.empty() ? outputs.values() : ordered;
}

class Verification {
 public:
  Verification(const FolderModel& model, const Recording& recording, const Modules& modules,
               const Conversion& conversion, Report& report)
      : model_(model),
        recording_(recording),
        modules_(modules),
        conversion_(conversion),
        report_(report) {}

  void verify(const RecordedCall& call) {
    auto* module = modules_.find(call.module, report_.prefix);
    if (!module || (modules_.is_root(module) && call.class_name != model_.class_name)) {
      ++report_.skipped[call.class_name];
      return;
    }
    Row row{&call, 0, 0, "", false};
    try {
      const auto outputs = run(*module, call);
      if (!outputs) {
        ++report_.skipped[call.class_name];
        return;
      }
      compare(*outputs, row);
    } catch (const c10::Error& error) {
      row.problem = error.what_without_backtrace();
    } catch (const Error& error) {
      row.problem = error.what();
    }
    row.diverges = !row.problem.empty() || !(row.relative <= report_.tolerance);
    report_.rows.push_back(std::move(row));
  }

 private:
  std::optional<std::vector<at::Tensor>> run(torch::nn::Module& module, const RecordedCall& call) {
    const c10::AutoGradMode no_grad(false);
    const RecordedArguments arguments(recording_, call, conversion_);
    if (!modules_.is_root(&module)) return run_recorded(module, arguments);
    return in_order(
        call_method(model_, model_.methods.front(), recording_.path(), model_inputs(arguments)),
        call);
  }

  void compare(const std::vector<at::Tensor>& outputs, Row& row) {
    const auto& expected = row.call->outputs;
    if (outputs.size() < expected.size()) {
      row.problem = fmt::format("expected {} outputs, got {}", expected.size(), outputs.size());
    }
    for (size_t i = 0; i < std::min(outputs.size(), expected.size()); ++i) {
      const auto theirs = recording_.tensor(expected[i].second);
      const auto& ours = outputs[i];
      if (ours.sizes() != theirs.sizes()) {
        row.problem = fmt::format("expected {}, got {}", shape_text(theirs.sizes()),
                                  shape_text(ours.sizes()));
        return;
      }
      const auto found = difference(ours.cpu(), theirs);
      row.max_abs = std::max(row.max_abs, found.max_abs);
      // All zeros expected, and something else got.
      row.relative =
          std::max(row.relative, std::isnan(found.relative()) ? INFINITY : found.relative());
    }
  }

  const FolderModel& model_;
  const Recording& recording_;
  const Modules& modules_;
  Conversion conversion_;
  Report& report_;
};

std::string name_of(const RecordedCall& call) {
  auto name = call.module.empty() ? "(the model)" : call.module;
  return call.number == 1 ? name : fmt::format("{}#{}", name, call.number);
}

std::string verdict(const Report& report) {
  const auto diverging = std::count_if(report.rows.begin(), report.rows.end(),
                                       [](const Row& row) { return row.diverges; });
  const auto* first = report.first();
  if (!first)
    return fmt::format("all {} calls are within {:.0e}", report.rows.size(), report.tolerance);
  return fmt::format("{} of {} calls diverge; the first, in the order of execution, is {} ({}){}",
                     diverging, report.rows.size(), name_of(*first->call), first->call->class_name,
                     first->problem.empty() ? fmt::format(": max |Δ| {:.2e}, relative {:.2e}",
                                                          first->max_abs, first->relative)
                                            : ": " + first->problem);
}

void print_text(const Report& report, bool all) {
  std::vector<const Row*> rows;
  for (const auto& row : report.rows) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(), [](const Row* a, const Row* b) {
    const auto weight = [](const Row* row) {
      return row->problem.empty() ? row->relative : INFINITY;
    };
    return weight(a) > weight(b);
  });
  constexpr size_t kShown = 25;
  const auto count = all ? rows.size() : std::min(rows.size(), kShown);
  size_t width = 6, class_width = 5;
  for (size_t i = 0; i < count; ++i) {
    width = std::max(width, name_of(*rows[i]->call).size());
    class_width = std::max(class_width, rows[i]->call->class_name.size());
  }
  fmt::print("{:<{}}  {:<{}}  {:>9}  {:>9}\n", "module", width, "class", class_width, "max |Δ|",
             "relative");
  for (size_t i = 0; i < count; ++i) {
    const auto& row = *rows[i];
    fmt::print("{:<{}}  {:<{}}  ", name_of(*row.call), width, row.call->class_name, class_width);
    if (row.problem.empty()) {
      fmt::print("{:>9.2e}  {:>9.2e}{}\n", row.max_abs, row.relative,
                 row.diverges ? "  diverges" : "");
    } else {
      fmt::print("{}\n", row.problem);
    }
  }
  if (count < rows.size()) fmt::print("… and {} more (--all)\n", rows.size() - count);
  if (!report.skipped.empty()) {
    std::vector<std::string> skipped;
    for (const auto& [name, calls] : report.skipped)
      skipped.push_back(fmt::format("{} ({})", name, calls));
    fmt::print("\nnot compared, as no module of ours has their names: {}\n",
               fmt::join(skipped, ", "));
  }
  fmt::print("\n{}\n", verdict(report));
}

void print_json(const VerifyFolderOptions& options, const std::string& class_name,
                const Report& report) {
  const auto* first = report.first();
  nlohmann::ordered_json document = {{"folder", options.folder},
                                     {"golden", options.golden},
                                     {"class", class_name},
                                     {"prefix", report.prefix},
                                     {"tolerance", report.tolerance},
                                     {"verdict", verdict(report)},
                                     {"first", nullptr},
                                     {"not_compared", report.skipped},
                                     {"calls", nlohmann::ordered_json::array()}};
  if (first) document["first"] = first->call->module;
  for (const auto& row : report.rows) {
    nlohmann::ordered_json entry = {
        {"module", row.call->module}, {"class", row.call->class_name}, {"call", row.call->number}};
    if (row.problem.empty()) {
      entry["max_abs_difference"] = row.max_abs;
      entry["relative_difference"] = row.relative;
    } else {
      entry["problem"] = row.problem;
    }
    entry["diverges"] = row.diverges;
    document["calls"].push_back(std::move(entry));
  }
  fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

/// The dtype in which the original ran: that of its first floating-point output.
at::ScalarType dtype_of(const Recording& recording) {
  for (const auto& call : recording.calls()) {
    for (const auto& [name, tensor] : call.outputs) {
      const auto dtype = recording.dtype(tensor);
      if (dtype && at::isFloatingType(*dtype) && call.class_name != "Timesteps") return *dtype;
    }
  }
  return at::kFloat;
}

double tolerance_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return 1e-10;
    case at::kHalf:
      return 1e-2;
    case at::kBFloat16:
      return 8e-2;
    default:
      return 1e-5;
  }
}

}  // namespace

int verify_folder(const VerifyFolderOptions& options) {
  const Recording recording(options.golden);
  PretrainedOptions pretrained;
  pretrained.variant = options.variant;
  const auto recorded = dtype_of(recording);
  pretrained.dtype = options.dtype.value_or(options.weights_dtype ? at::kFloat : recorded);
  pretrained.device = parse_device(options.device);
  check_float32_on_cpu("--weights-dtype", options.weights_dtype.has_value(), pretrained.dtype,
                       pretrained.device);
  pretrained.weights_dtype = options.weights_dtype;
  const FolderModel model(open_pretrained(options.folder, pretrained));

  const Modules modules(model);
  Report report;
  report.prefix = options.prefix ? *options.prefix : find_prefix(recording, modules);
  report.tolerance = options.tolerance.value_or(
      std::max({tolerance_of(pretrained.dtype), tolerance_of(recorded),
                tolerance_of(options.weights_dtype.value_or(recorded))}));
  if (pretrained.dtype != recorded) {
    fmt::print(stderr, "xattn: verify: the recording is in {}, its inputs are converted to {}\n",
               dtype_text(recorded), dtype_text(pretrained.dtype));
  }
  const Conversion conversion = {recorded, pretrained.dtype, pretrained.device};
  Verification verification(model, recording, modules, conversion, report);
  for (const auto& call : recording.calls()) {
    const bool is_inside = report.prefix.empty() || call.module == report.prefix ||
                           call.module.starts_with(report.prefix + ".");
    if (is_inside) verification.verify(call);
  }
  if (report.rows.empty()) {
    throw ValueError(
        fmt::format("[verify] {}: expected calls of a {}, got none whose names are its modules'",
                    options.golden, model.class_name));
  }
  options.json ? print_json(options, model.class_name, report) : print_text(report, options.all);
  return report.first() ? kCheckFailed : kDone;
}

}  // namespace xattn::apps
