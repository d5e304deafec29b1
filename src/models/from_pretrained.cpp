#include "xattn/models/from_pretrained.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <map>
#include <memory>

#include "io/load_report.h"
#include "io/pretrained_folder.h"
#include "io/stream_tensors.h"
#include "io/text.h"
#include "xattn/error.h"

namespace xattn {
namespace {

constexpr auto kPlace = "from_pretrained";

std::string folder_of(const std::string& folder, const std::string& subfolder) {
  return subfolder.empty() ? folder : folder + "/" + subfolder;
}

/// Gives each floating-point parameter and buffer memory of the wanted dtype and device, where it has
/// other; what is in it is lost.
void allocate(const StateDict& tensors, const PretrainedOptions& options) {
  for (const auto& item : tensors) {
    auto tensor = item.value();
    const auto dtype = tensor.is_floating_point() ? options.dtype : tensor.scalar_type();
    if (tensor.scalar_type() == dtype && tensor.device() == options.device) continue;
    tensor.set_data(at::empty(tensor.sizes(), tensor.options().dtype(dtype).device(options.device)));
  }
}

/// What each tensor of the files is for the module, all of it checked.
struct Plan {
  struct Entry {
    const io::WeightsFile* file;
    const io::TensorRecord* record;
    std::string key;
  };
  std::vector<Entry> entries;
  LoadReport report;
};

Plan make_plan(const std::vector<std::unique_ptr<io::WeightsFile>>& files, const StateDict& own,
               const detail::PretrainedFolder::MapKey& map_key) {
  Plan plan;
  std::map<std::string, std::string> name_of;
  for (const auto& file : files) {
    for (const auto& record : file->contents().tensors) {
      const auto key = map_key(record.name);
      if (!key) continue;
      const auto [found, is_new] = name_of.try_emplace(*key, record.name);
      if (!is_new) {
        plan.report.mismatched.push_back({*key, "one tensor", fmt::format("{} and {}", found->second, record.name)});
        continue;
      }
      const auto* tensor = own.find(*key);
      if (!tensor) {
        plan.report.unexpected.push_back(record.name);
      } else if (tensor->sizes() != record.shape || !io::can_stream(record, tensor->scalar_type())) {
        plan.report.mismatched.push_back({*key, io::kind_text(*tensor),
                                          fmt::format("{} {}", io::name(record.dtype), io::shape_text(record.shape))});
      } else {
        plan.entries.push_back({file.get(), &record, *key});
      }
    }
  }
  for (const auto& item : own) {
    if (name_of.count(item.key()) == 0) plan.report.missing.push_back(item.key());
  }
  return plan;
}

}  // namespace

std::vector<std::string> pretrained_classes(const std::string& folder) {
  return io::read_pretrained_config(kPlace, folder).classes;
}

namespace detail {

PretrainedFolder::PretrainedFolder(const std::string& folder, const std::string& class_name,
                                   const PretrainedOptions& options)
    : folder_(folder_of(folder, options.subfolder)), class_name_(class_name), options_(options) {
  if (!at::isFloatingType(options.dtype)) {
    throw ValueError(fmt::format("[{}] dtype: expected a floating-point one, got {}", kPlace, toString(options.dtype)));
  }
  auto config = io::read_pretrained_config(kPlace, folder_);
  const auto& names = config.classes;
  if (!names.empty() && std::count(names.begin(), names.end(), class_name) == 0) {
    throw ValueError(fmt::format("[{}] {}: expected the class {}, got {}", kPlace, config.path, class_name,
                                 fmt::join(names, ", ")));
  }
  config_ = std::move(config.text);
  is_diffusers_ = config.library == io::PretrainedLibrary::kDiffusers;
}

void PretrainedFolder::load(torch::nn::Module& module, const MapKey& map_key) const {
  const auto library = is_diffusers_ ? io::PretrainedLibrary::kDiffusers : io::PretrainedLibrary::kTransformers;
  const auto files = io::open_pretrained_weights(kPlace, folder_, library, options_.variant);
  const auto own = state_dict(module);
  const auto plan = make_plan(files, own, map_key);
  if (!plan.report.missing.empty() || !plan.report.unexpected.empty() || !plan.report.mismatched.empty()) {
    throw StateDictError(fmt::format("[{}] {}: {}: {}", kPlace, folder_, class_name_, io::problems_text(plan.report)));
  }
  const c10::AutoGradMode no_grad(false);
  allocate(own, options_);
  std::vector<io::StreamedTensor> tensors;
  for (const auto& [file, record, key] : plan.entries) tensors.push_back({file, record, own[key].detach()});
  io::stream_tensors(tensors);
}

}  // namespace detail
}  // namespace xattn
