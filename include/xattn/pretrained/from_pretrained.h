#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/core/key_target.h"
#include "xattn/nn/initialization.h"

namespace torch::nn {
class Module;
}

namespace xattn {

/// Options of `from_pretrained`; the names are Python's.
struct PretrainedOptions {
  /// The floating-point weights are converted to it; Python's `torch_dtype`.
  at::ScalarType dtype = at::kFloat;
  /// float16 or bfloat16: the model computes in float32 on the CPU, and keeps the weights of its
  /// `Linear` and `Conv2d` in this type, as `store_weights` does.
  std::optional<at::ScalarType> weights_dtype = std::nullopt;
  at::Device device = at::kCPU;
  /// Names one of several sets of weights: "fp16" reads diffusion_pytorch_model.fp16.safetensors.
  std::string variant = {};
  /// The model's folder inside its pipeline's: "unet".
  std::string subfolder = {};
};

/// The classes that the config.json of a model's folder names; Python's `_class_name` or
/// `architectures`.
///
/// Throws: `FileError`.
XATTN_API std::vector<std::string> pretrained_classes(const std::string& folder);

namespace detail {

/// A model's folder, whose config.json has been read.
class XATTN_API PretrainedFolder {
 public:
  /// Where a file's tensor of this key goes.
  using MapKey = std::function<std::vector<KeyTarget>(const std::string&)>;

  PretrainedFolder(const std::string& folder, const std::string& class_name,
                   const PretrainedOptions& options);

  const std::string& config() const { return config_; }
  /// Checks that the files' tensors are the module's, without reading them.
  void check(const torch::nn::Module& module, const MapKey& map_key) const;
  void load(torch::nn::Module& module, const MapKey& map_key) const;

 private:
  std::string folder_, class_name_, config_;
  bool is_diffusers_;
  PretrainedOptions options_;

  struct Plan;
  Plan make_plan(const torch::nn::Module& module, const MapKey& map_key) const;
};

/// Where a file's tensor of this key goes in a module of this config; a class without a `map_key`
/// has the files' keys.
template <typename Impl>
std::vector<KeyTarget> map_key(const typename Impl::Config& config, const std::string& key) {
  if constexpr (requires { Impl::map_key(config, key); }) {
    return Impl::map_key(config, key);
  } else {
    return {KeyTarget{.key = key}};
  }
}

template <typename Holder>
PretrainedFolder::MapKey map_key_of(const Holder& module) {
  using Impl = typename Holder::ContainedType;
  return [config = module->config](const std::string& key) { return map_key<Impl>(config, key); };
}

/// The module of a folder's config. Its weights are not loaded yet.
template <typename Holder>
Holder make_pretrained(const PretrainedFolder& folder) {
  const auto config = Holder::ContainedType::Config::from_json(folder.config());
  const SkipInitialization skip;
  return Holder(config);
}

}  // namespace detail

/// Loads a model from a folder that the Python original's `save_pretrained` wrote, ready for
/// inference.
///
/// `from_pretrained<UNet2DConditionModel>("stable-diffusion/unet")` reads config.json and the
/// weights: safetensors or .bin, in one file or sharded with an index. Tensors go from the files
/// straight into the parameters, on torch's threads, and are converted as they pass. So the weights
/// are in memory once, but for a few MiB; of a .bin each thread holds one more tensor, and for a
/// device other than the CPU there are about 64 MiB more. With `weights_dtype` they are in memory
/// as they are stored, never in float32. Nothing in a file is executed.
///
/// Throws: `FileError` for a folder or file that cannot be read, `ValueError` for a config of
/// another class or with a value that is not implemented and for options that contradict each
/// other, `StateDictError`, which names the first ten keys that are missing, unexpected or of
/// another shape and the number of the rest, `DeviceError` for a device that is not there.
///
/// Reference: diffusers 0.42.1, models/modeling_utils.py, `ModelMixin.from_pretrained`.
template <typename Holder>
Holder from_pretrained(const std::string& folder, const PretrainedOptions& options = {}) {
  using Impl = typename Holder::ContainedType;
  const detail::PretrainedFolder source(folder, Impl::kClassName, options);
  auto module = detail::make_pretrained<Holder>(source);
  source.load(*module, detail::map_key_of(module));
  module->eval();
  return module;
}

}  // namespace xattn
