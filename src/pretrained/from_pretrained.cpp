#include "xattn/pretrained/from_pretrained.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <memory>
#include <set>

#include "core/check.h"
#include "io/load_report.h"
#include "io/stream_tensors.h"
#include "nn/stored_weights.h"
#include "pretrained/folder.h"
#include "pretrained/load_plan.h"
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

/// Throws unless weights can be stored in a type of their own beside the other options.
void check_weights_dtype(const PretrainedOptions& options) {
  if (!options.weights_dtype) return;
  const auto dtype = *options.weights_dtype;
  if (!can_store_weights_in(dtype)) {
    throw_value_error(kFromPretrained, "weights_dtype", "float16 or bfloat16", dtype_text(dtype));
  }
  if (options.dtype != at::kFloat) {
    throw_value_error(kFromPretrained, "weights_dtype",
                      "none for a model that computes in " + dtype_text(options.dtype),
                      dtype_text(dtype));
  }
  if (!options.device.is_cpu()) {
    throw_value_error(kFromPretrained, "weights_dtype", "none on " + options.device.str(),
                      dtype_text(dtype));
  }
}

/// Throws `DeviceError` unless tensors can be made there.
void check_device(at::Device device) {
  if (device.is_meta()) {
    throw ValueError(
        fmt::format("[{}] device: expected one that holds data, got meta", kFromPretrained));
  }
  try {
    at::empty({1}, at::TensorOptions().device(device));
  } catch (const c10::Error&) {
    throw DeviceError(fmt::format(
        "[{}] device: {} is not available: this LibTorch or this machine does not have it",
        kFromPretrained, device.str()));
  }
}

/// Checks the checksums of what is in the files and goes into no parameter.
void verify_unused(const std::vector<std::unique_ptr<io::WeightsFile>>& files,
                   const std::vector<io::StreamedTensor>& tensors) {
  std::set<std::pair<const io::WeightsFile*, std::size_t>> used;
  for (const auto& tensor : tensors) used.emplace(tensor.file, tensor.record->storage);
  for (const auto& file : files) {
    for (std::size_t storage = 0; storage < file->storage_count(); ++storage) {
      if (used.count({file.get(), storage}) == 0) file->verify_storage(storage);
    }
    file->verify_rest();
  }
}

}  // namespace

std::vector<std::string> pretrained_classes(const std::string& folder) {
  return pretrained::read_folder_config(kFromPretrained, folder).classes;
}

namespace detail {

/// The open files, and what goes where.
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
  check_weights_dtype(options);
  check_device(options.device);
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
  auto files = pretrained::open_weights(kFromPretrained, folder_, library, options_.variant);
  pretrained::LoadPlan plan(module);
  for (const auto& file : files) {
    for (const auto& record : file->contents().tensors) {
      plan.add(*file, record, map_key(record.name));
    }
  }
  const auto report = plan.report();
  if (!report.missing.empty() || !report.unexpected.empty() || !report.mismatched.empty()) {
    throw StateDictError(fmt::format("[{}] {}: {}: {}", kFromPretrained, folder_, class_name_,
                                     io::problems_text(report)));
  }
  return {std::move(files), plan.tensors()};
}

void PretrainedFolder::check(const torch::nn::Module& module, const MapKey& map_key) const {
  make_plan(module, map_key);
}

void PretrainedFolder::load(torch::nn::Module& module, const MapKey& map_key) const {
  auto plan = make_plan(module, map_key);
  verify_unused(plan.files, plan.tensors);
  const c10::AutoGradMode no_grad(false);
  allocate(state_dict(module), options_);
  if (options_.weights_dtype) allocate_stored_weights(module, *options_.weights_dtype);
  for (auto& tensor : plan.tensors) tensor.to = tensor.to.detach();
  io::stream_tensors(plan.tensors);
}

}  // namespace detail
}  // namespace xattn
