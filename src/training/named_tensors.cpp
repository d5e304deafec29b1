#include "training/named_tensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "core/check.h"
#include "xattn/core/error.h"

namespace xattn {

std::string tensor_text(const at::Tensor& tensor) {
  if (!tensor.defined()) return "an undefined tensor";
  return dtype_text(tensor.scalar_type()) + " " + shape_text(tensor.sizes());
}

void throw_problems(std::string_view place, std::vector<std::string> problems) {
  constexpr size_t kNamed = 10;
  const auto all = problems.size();
  if (all > kNamed) problems.resize(kNamed);
  const auto rest = all > kNamed ? fmt::format("; and {} more", all - kNamed) : "";
  throw StateDictError(fmt::format("[{}] {}{}", place, fmt::join(problems, "; "), rest));
}

void copy_named_tensors(std::string_view place, const StateDict& into, const StateDict& tensors) {
  std::vector<std::string> problems;
  for (const auto& item : into) {
    const auto* found = tensors.find(item.key());
    if (!found) {
      problems.push_back(item.key() + ": missing");
    } else if (!found->defined() || found->sizes() != item.value().sizes() ||
               found->scalar_type() != item.value().scalar_type()) {
      problems.push_back(fmt::format("{}: expected {}, got {}", item.key(),
                                     tensor_text(item.value()), tensor_text(*found)));
    }
  }
  for (const auto& item : tensors)
    if (!into.contains(item.key())) problems.push_back(item.key() + ": unexpected");
  if (!problems.empty()) throw_problems(place, std::move(problems));
  for (const auto& item : into) item.value().detach().copy_(tensors[item.key()]);
}

}  // namespace xattn
