#include "io/pickle_globals.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/dtype.h"
#include "core/text.h"

namespace xattn::io {
namespace {

using enum GlobalAction;

// Exact names. `__builtin__` is how protocol 2 spells `builtins`.
constexpr std::pair<std::string_view, GlobalAction> kAllowed[] = {
    {"torch._utils._rebuild_tensor", kRecord},
    {"torch._utils._rebuild_tensor_v2", kRecord},
    {"torch._utils._rebuild_tensor_v3", kRecord},
    {"torch._utils._rebuild_parameter", kRecord},
    {"torch._utils._rebuild_parameter_with_state", kRecord},
    {"torch._tensor._rebuild_from_type_v2", kRecord},
    {"torch.Tensor", kInert},
    {"torch.nn.parameter.Parameter", kInert},
    {"torch.storage.UntypedStorage", kInert},
    {"torch.device", kRecord},
    {"torch.Size", kFirst},
    {"collections.OrderedDict", kDict},
    {"collections.Counter", kDict},
    {"builtins.dict", kDict},
    {"__builtin__.dict", kDict},
    {"builtins.set", kList},
    {"__builtin__.set", kList},
    {"builtins.frozenset", kList},
    {"__builtin__.frozenset", kList},
    {"builtins.list", kList},
    {"__builtin__.list", kList},
    {"builtins.complex", kRecord},
    {"__builtin__.complex", kRecord},
    {"builtins.bytearray", kRecord},
    {"__builtin__.bytearray", kRecord},
    {"_codecs.encode", kRecord},
    {"torch.jit._pickle.build_intlist", kFirst},
    {"torch.jit._pickle.build_tensorlist", kFirst},
    {"torch.jit._pickle.build_doublelist", kFirst},
    {"torch.jit._pickle.build_boollist", kFirst},
    {"torch.jit._pickle.restore_type_tag", kFirst},
};

constexpr std::pair<std::string_view, std::string_view> kTensorKinds[] = {
    {"torch._utils._rebuild_sparse_tensor",
     "sparse tensors are not read; save tensor.to_dense() instead"},
    {"torch._utils._rebuild_sparse_csr_tensor",
     "sparse tensors are not read; save tensor.to_dense() instead"},
    {"torch._utils._rebuild_qtensor",
     "quantized tensors are not read; save tensor.dequantize() instead"},
    {"torch._utils._rebuild_nested_tensor",
     "nested tensors are not read; save their parts instead"},
    {"torch._utils._rebuild_meta_tensor_no_storage",
     "the tensor is on the meta device and has no data; save a model that holds its weights"},
    {"torch._utils._rebuild_device_tensor_from_numpy",
     "the tensor is of a device without storages; save tensor.cpu() instead"},
    {"torch._utils._rebuild_device_tensor_from_cpu_tensor",
     "the tensor is of a device without storages; save tensor.cpu() instead"},
    {"torch._utils._rebuild_wrapper_subclass",
     "tensor subclasses are not read; save plain tensors instead"},
};

}  // namespace

std::optional<GlobalAction> find_global(std::string_view full_name, bool torchscript) {
  const auto* const found =
      std::find_if(std::begin(kAllowed), std::end(kAllowed),
                   [&](const auto& allowed) { return allowed.first == full_name; });
  if (found != std::end(kAllowed)) return found->second;
  if (torchscript && full_name.starts_with("__torch__.")) return kScriptClass;
  if (full_name.starts_with("torch.")) {
    const std::string_view name_in_torch = full_name.substr(6);
    if (dtype_named(name_in_torch) || dtype_of_storage(name_in_torch)) return kInert;
  }
  return std::nullopt;
}

std::string advice_for_global(std::string_view full_name) {
  for (const auto& [name, advice] : kTensorKinds) {
    if (name == full_name) return std::string(advice);
  }
  if (full_name.starts_with("numpy.")) {
    return "NumPy values are not read; save plain numbers and tensors instead";
  }
  return "only tensors, containers and plain values are read, nothing in the file is run; in "
         "Python, "
         "save model.state_dict() instead of the whole model or checkpoint";
}

}  // namespace xattn::io
