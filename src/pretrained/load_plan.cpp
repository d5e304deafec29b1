#include "pretrained/load_plan.h"

#include <c10/util/accumulate.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/text.h"
#include "io/load_report.h"

namespace xattn::pretrained {
namespace {

/// "in_proj_weight[0:64, transposed]": a record and which part of it is meant.
std::string source_text(const io::TensorRecord& record, const KeyTarget& target) {
  std::vector<std::string> parts;
  if (const auto& slice = target.slice) {
    parts.push_back(fmt::format("{}{}:{}",
                                slice->dim == 0 ? "" : fmt::format("dim {} ", slice->dim),
                                slice->start, slice->start + slice->length));
  }
  if (target.transpose) parts.push_back("transposed");
  if (target.squeeze) parts.push_back("squeezed");
  if (parts.empty()) return record.name;
  return fmt::format("{}[{}]", record.name, fmt::join(parts, ", "));
}

/// The part of a record that a target takes; nothing where that is not of this shape.
std::optional<io::StridedView> part_of(const io::TensorRecord& record, const KeyTarget& target,
                                       const std::vector<int64_t>& shape) {
  std::optional view = io::view_of(record);
  if (const auto& slice = target.slice) {
    view = io::narrow(std::move(*view), slice->dim, slice->start, slice->length);
  }
  if (view && target.transpose) view = io::transpose(std::move(*view), 0, 1);
  if (view && target.squeeze) view = io::with_ones_of(*view, shape);
  return view && view->shape == shape ? view : std::nullopt;
}

}  // namespace

void LoadPlan::add(const io::WeightsFile& file, const io::TensorRecord& record,
                   const std::vector<KeyTarget>& targets) {
  int64_t taken = 0;
  bool in_slices = !targets.empty(), fits = true;
  for (const auto& target : targets) {
    const auto count = add(file, record, target);
    taken += count.value_or(0);
    fits &= count.has_value();
    in_slices &= target.slice.has_value();
  }
  // A tensor of which slices leave something over is not the one that is meant.
  const auto count = c10::multiply_integers(record.shape);
  if (in_slices && fits && taken != count) {
    report_.mismatched.push_back({record.name, fmt::format("slices of all {} elements", count),
                                  fmt::format("slices of {}", taken)});
  }
}

std::optional<int64_t> LoadPlan::add(const io::WeightsFile& file, const io::TensorRecord& record,
                                     const KeyTarget& target) {
  const auto& key = target.key;
  const auto source = source_text(record, target);
  const auto [found, is_new] = source_of_.try_emplace(key, source);
  const auto* tensor = own_.find(key);
  if (!is_new) {
    report_.mismatched.push_back(
        {key, "one tensor", fmt::format("{} and {}", found->second, source)});
    return std::nullopt;
  }
  if (!tensor) {
    report_.unexpected.push_back(source);
    return std::nullopt;
  }
  auto view = part_of(record, target, tensor->sizes().vec());
  if (view && io::can_stream(record, tensor->scalar_type())) {
    tensors_.push_back({&file, &record, std::move(*view), *tensor});
    return tensor->numel();
  }
  auto got = fmt::format("{} {}", name(record.dtype), shape_text(record.shape));
  if (source != record.name) got = fmt::format("{} of {}", source, got);
  report_.mismatched.push_back({key, io::kind_text(*tensor), std::move(got)});
  return std::nullopt;
}

LoadReport LoadPlan::report() const {
  auto report = report_;
  for (const auto& item : own_) {
    if (source_of_.count(item.key()) == 0) report.missing.push_back(item.key());
  }
  return report;
}

}  // namespace xattn::pretrained
