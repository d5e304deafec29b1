#include "xattn/io/safetensors.h"

#include <ATen/core/Tensor.h>

#include <vector>

#include "atomic_file.h"
#include "safetensors_header.h"
#include "scalar_type.h"
#include "text.h"
#include "xattn/error.h"

namespace xattn {
namespace {

constexpr auto kPlace = "save_safetensors";

std::vector<io::SafetensorsEntry> describe(const std::string& path, const StateDict& tensors) {
  std::vector<io::SafetensorsEntry> entries;
  for (const auto& item : tensors) {
    const at::Tensor& tensor = item.value();
    const auto refuse = [&](std::string_view expected, std::string_view got) {
      throw ValueError(io::cat("[", kPlace, "] ", path, ": tensor ", io::quote(item.key()),
                               ": expected ", expected, ", got ", got));
    };
    if (!tensor.defined()) refuse("a tensor", "an undefined one");
    if (tensor.layout() != at::kStrided || tensor.is_quantized() || tensor.is_nested() ||
        tensor.is_meta()) {
      refuse("a dense tensor that holds data", tensor.toString());
    }
    const auto dtype = io::to_dtype(tensor.scalar_type());
    if (!dtype || io::info(*dtype).safetensors.empty()) {
      refuse("a dtype that safetensors has", dtype ? io::name(*dtype) : toString(tensor.scalar_type()));
    }
    entries.push_back({item.key(), *dtype, tensor.sizes().vec()});
  }
  return entries;
}

}  // namespace

void save_safetensors(const std::string& path, const StateDict& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const auto entries = describe(path, tensors);
  const auto layout = io::make_safetensors_header({kPlace, path}, entries, metadata);
  io::AtomicFile file(kPlace, path);
  file.write(layout.header.data(), layout.header.size());
  for (const std::size_t i : layout.order) {
    // One tensor at a time, so that a large model is not held twice.
    const at::Tensor tensor =
        tensors[i].value().detach().resolve_conj().resolve_neg().cpu().contiguous();
    file.write(tensor.const_data_ptr(), tensor.nbytes());
  }
  file.commit();
}

}  // namespace xattn
