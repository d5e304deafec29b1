#include "xattn/pretrained/from_pretrained.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <map>
#include <memory>

#include "core/text.h"
#include "io/load_report.h"
#include "io/stream_tensors.h"
#include "pretrained/folder.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

constexpr auto kFromPretrained = "from_pretrained";

std::string folder_of(const std::string& folder, const std::string& subfolder) {
  return subfolder.empty() ? folder : folder + "/" + subfolder;
}

/// Gives each floating-point parameter and buffer memory of the wanted dtype and device, where it
/// has other; what is in it is lost.
void allocate(const StateDict& tensors, const PretrainedOptions& options) {
  for (const auto& item : tensors) {
    auto tensor = item.value();
    const auto dtype = tensor.is_floating_point() ? options.dtype : tensor.scalar_type();
    if (tensor.scalar_type() == dtype && tensor.device() == options.device) continue;
    tensor.set_data(
        at::empty(tensor.sizes(), tensor.options().dtype(dtype).device(options.device)));
  }
}

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

std::vector<std::string> pretrained_classes(const std::string& folder) {
  return pretrained::read_folder_config(kFromPretrained, folder).classes;
}

namespace detail {

/// What each tensor of the files is for the module, all of it checked.
struct PretrainedFolder::Plan {
  std::vector<std::unique_ptr<io::WeightsFile>> files;
  std::vector<io::StreamedTensor> tensors;
};

PretrainedFolder::PretrainedFolder(const std::string& folder, const std::string& class_name,
                                   const PretrainedOptions& options)
    : folder_(folder_of(folder, options.subfolder)), class_name_(class_name), options_(options) {
  if (!at::isFloatingType(options.dtype)) {
    throw ValueError(fmt::format("[{}] dtype: expected a floating-point one, got {}",
                                 kFromPretrained, toString(options.dtype)));
  }
  auto config = pretrained::read_folder_config(kFromPretrained, folder_);
  const auto& names = config.classes;
  if (!names.empty() && std::count(names.begin(), names.end(), class_name) == 0) {
    throw ValueError(fmt::format("[{}] {}: expected the class {}, got {}", kFromPretrained,
                                 config.path, class_name, fmt::join(names, ", ")));
  }
  config_ = std::move(config.text);
  is_diffusers_ = config.library == pretrained::Library::kDiffusers;
}

PretrainedFolder::Plan PretrainedFolder::make_plan(const torch::nn::Module& module,
                                                   const MapKey& map_key) const {
  const auto library =
      is_diffusers_ ? pretrained::Library::kDiffusers : pretrained::Library::kTransformers;
  Plan plan{pretrained::open_weights(kFromPretrained, folder_, library, options_.variant), {}};
  const auto own = state_dict(module);
  LoadReport report;
  std::map<std::string, std::string> name_of;
  const auto add = [&](const io::WeightsFile& file, const io::TensorRecord& record,
                       const KeyTarget& target) {
    const auto& key = target.key;
    const auto source = source_text(record, target);
    const auto [found, is_new] = name_of.try_emplace(key, source);
    const auto* tensor = own.find(key);
    if (!is_new) {
      report.mismatched.push_back(
          {key, "one tensor", fmt::format("{} and {}", found->second, source)});
      return;
    }
    if (!tensor) {
      report.unexpected.push_back(source);
      return;
    }
    auto view = part_of(record, target, tensor->sizes().vec());
    if (view && io::can_stream(record, tensor->scalar_type())) {
      plan.tensors.push_back({&file, &record, std::move(*view), *tensor});
      return;
    }
    auto got = fmt::format("{} {}", name(record.dtype), shape_text(record.shape));
    if (source != record.name) got = fmt::format("{} of {}", source, got);
    report.mismatched.push_back({key, io::kind_text(*tensor), std::move(got)});
  };
  for (const auto& file : plan.files) {
    for (const auto& record : file->contents().tensors) {
      for (const auto& target : map_key(record.name)) add(*file, record, target);
    }
  }
  for (const auto& item : own) {
    if (name_of.count(item.key()) == 0) report.missing.push_back(item.key());
  }
  if (!report.missing.empty() || !report.unexpected.empty() || !report.mismatched.empty()) {
    throw StateDictError(fmt::format("[{}] {}: {}: {}", kFromPretrained, folder_, class_name_,
                                     io::problems_text(report)));
  }
  return plan;
}

void PretrainedFolder::check(const torch::nn::Module& module, const MapKey& map_key) const {
  make_plan(module, map_key);
}

void PretrainedFolder::load(torch::nn::Module& module, const MapKey& map_key) const {
  auto plan = make_plan(module, map_key);
  const c10::AutoGradMode no_grad(false);
  allocate(state_dict(module), options_);
  for (auto& tensor : plan.tensors) tensor.to = tensor.to.detach();
  io::stream_tensors(plan.tensors);
}

}  // namespace detail
}  // namespace xattn
