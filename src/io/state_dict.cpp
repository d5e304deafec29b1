#include "xattn/io/state_dict.h"

#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/module.h>

#include <array>

#include "core/check.h"
#include "io/load_report.h"
#include "io/mistaken.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

void collect(const torch::nn::Module& module, const std::string& prefix, StateDict& tensors) {
  for (const auto& parameter : module.named_parameters(/*recurse=*/false)) {
    if (parameter.value().defined()) tensors.insert(prefix + parameter.key(), parameter.value());
  }
  for (const auto& buffer : module.named_buffers(/*recurse=*/false)) {
    if (buffer.value().defined()) tensors.insert(prefix + buffer.key(), buffer.value());
  }
  for (const auto& child : module.named_children()) {
    collect(*child.value(), prefix + child.key() + ".", tensors);
  }
}

bool fits(at::ScalarType from, at::ScalarType to, bool strict_dtype) {
  return from == to || (!strict_dtype && at::isFloatingType(from) && at::isFloatingType(to));
}

LoadReport compare(const StateDict& own, const StateDict& tensors, bool strict_dtype) {
  LoadReport report;
  for (const auto& item : own) {
    const auto* tensor = tensors.find(item.key());
    if (!tensor) {
      report.missing.push_back(item.key());
    } else if (!tensor->defined()) {
      report.mismatched.push_back({item.key(), io::kind_text(item.value()), "an undefined tensor"});
    } else if (tensor->layout() != item.value().layout() || tensor->is_meta()) {
      // Found before anything is copied, so that a copy that cannot be done leaves the module
      // whole.
      report.mismatched.push_back({item.key(), io::kind_text(item.value()), tensor->toString()});
    } else if (tensor->sizes() != item.value().sizes() ||
               !fits(tensor->scalar_type(), item.value().scalar_type(), strict_dtype)) {
      report.mismatched.push_back(
          {item.key(), io::kind_text(item.value()), io::kind_text(*tensor)});
    }
  }
  for (const auto& item : tensors) {
    if (!own.contains(item.key())) report.unexpected.push_back(item.key());
  }
  return report;
}

}  // namespace

namespace io {

std::string kind_text(const at::Tensor& tensor) {
  return dtype_text(tensor.scalar_type()) + " " + shape_text(tensor.sizes());
}

std::string problems_text(const LoadReport& report) {
  constexpr size_t kShown = 10;
  const std::array counts = {report.missing.size(), report.unexpected.size(),
                             report.mismatched.size()};
  const auto total = counts[0] + counts[1] + counts[2];
  std::array<size_t, 3> shown = {};
  for (size_t turn = 0, left = std::min(total, kShown); left > 0; ++turn) {
    auto& kind = shown[turn % 3];
    if (kind == counts[turn % 3]) continue;
    ++kind;
    --left;
  }
  const auto first = [](const std::vector<std::string>& keys, size_t count) {
    return fmt::join(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count), ", ");
  };

  std::vector<std::string> problems;
  for (const auto& key : report.unexpected) {
    const auto mistake = mistaken_tensor(key);
    if (mistake.empty()) continue;
    problems.push_back(fmt::format("what is given {}", mistake));
    break;
  }
  if (shown[0] > 0) problems.push_back(fmt::format("missing {}", first(report.missing, shown[0])));
  if (shown[1] > 0)
    problems.push_back(fmt::format("unexpected {}", first(report.unexpected, shown[1])));
  for (size_t i = 0; i < shown[2]; ++i) {
    const auto& [key, expected, got] = report.mismatched[i];
    problems.push_back(fmt::format("{}: expected {}, got {}", key, expected, got));
  }
  if (total > kShown) {
    problems.push_back(
        fmt::format("and {} more ({} missing, {} unexpected, {} of another shape or dtype in all)",
                    total - kShown, counts[0], counts[1], counts[2]));
  }
  return fmt::format("{}", fmt::join(problems, "; "));
}

}  // namespace io

StateDict state_dict(const torch::nn::Module& module) {
  StateDict tensors;
  collect(module, "", tensors);
  return tensors;
}

LoadReport load_state_dict(torch::nn::Module& module, const StateDict& tensors,
                           const LoadOptions& options) {
  const auto own = state_dict(module);
  auto report = compare(own, tensors, options.strict_dtype);
  const bool keys_differ = !report.missing.empty() || !report.unexpected.empty();
  if (!report.mismatched.empty() || (options.strict && keys_differ)) {
    throw StateDictError(
        fmt::format("[load_state_dict] {}: {}", module.name(), io::problems_text(report)));
  }
  const c10::AutoGradMode no_grad(false);
  for (const auto& item : own) {
    if (const auto* tensor = tensors.find(item.key())) item.value().copy_(*tensor);
  }
  return report;
}

}  // namespace xattn
