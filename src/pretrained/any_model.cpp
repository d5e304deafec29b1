#include "xattn/pretrained/any_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "xattn/core/error.h"

namespace xattn {
namespace {

template <typename Holder>
constexpr const char* kNameOf = Holder::ContainedType::kClassName;

template <typename Holder>
AnyModel open(const std::string& folder, const PretrainedOptions& options) {
  return from_pretrained<Holder>(folder, options);
}

template <typename Holder>
AnyModel check(const std::string& folder, const PretrainedOptions& options) {
  const detail::PretrainedFolder source(folder, kNameOf<Holder>, options);
  auto model = detail::make_pretrained<Holder>(source);
  source.check(*model, detail::map_key_of(model));
  return model;
}

struct ModelClass {
  const char* name;
  AnyModel (*open)(const std::string& folder, const PretrainedOptions& options);
  AnyModel (*check)(const std::string& folder, const PretrainedOptions& options);
};

template <typename... Holders>
std::vector<ModelClass> classes_of(const std::variant<Holders...>* /*type*/) {
  return {{kNameOf<Holders>, &open<Holders>, &check<Holders>}...};
}

const std::vector<ModelClass>& classes() {
  static const auto all = classes_of(static_cast<const AnyModel*>(nullptr));
  return all;
}

const ModelClass& class_of(const std::string& folder, const PretrainedOptions& options) {
  const auto path = options.subfolder.empty() ? folder : folder + "/" + options.subfolder;
  const auto names = pretrained_classes(path);
  for (const auto& each : classes()) {
    if (std::count(names.begin(), names.end(), each.name) != 0) return each;
  }
  throw ValueError(fmt::format("[model] {}: expected a config.json of the class {}, got {}", path,
                               fmt::join(model_classes(), ", "),
                               names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

}  // namespace

AnyModel open_pretrained(const std::string& folder, const PretrainedOptions& options) {
  return class_of(folder, options).open(folder, options);
}

AnyModel check_pretrained(const std::string& folder, const PretrainedOptions& options) {
  return class_of(folder, options).check(folder, options);
}

void save_pretrained(const AnyModel& model, const std::string& folder,
                     const SavePretrainedOptions& options) {
  std::visit([&](const auto& typed) { save_pretrained(typed, folder, options); }, model);
}

std::string class_name_of(const AnyModel& model) {
  return std::visit([]<typename Holder>(const Holder&) -> std::string { return kNameOf<Holder>; },
                    model);
}

std::shared_ptr<torch::nn::Module> module_of(const AnyModel& model) {
  return std::visit(
      [](const auto& typed) -> std::shared_ptr<torch::nn::Module> { return typed.ptr(); }, model);
}

std::vector<KeyTarget> map_key(const AnyModel& model, const std::string& key) {
  return std::visit([&](const auto& typed) { return detail::map_key_of(typed)(key); }, model);
}

std::vector<std::string> model_classes() {
  std::vector<std::string> names;
  for (const auto& each : classes()) names.emplace_back(each.name);
  return names;
}

}  // namespace xattn
