#include "xattn/io/safetensors.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <vector>

#include "core/scalar_type.h"
#include "core/text.h"
#include "io/atomic_file.h"
#include "io/safetensors_header.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

constexpr auto kSaveSafetensors = "save_safetensors";

std::vector<io::SafetensorsEntry> describe(const std::string& path, const StateDict& tensors) {
  std::vector<io::SafetensorsEntry> entries;
  for (const auto& item : tensors) {
    const at::Tensor& tensor = item.value();
    const auto refuse = [&](std::string_view expected, std::string_view got) {
      throw ValueError(cat("[", kSaveSafetensors, "] ", path, ": tensor ", quote(item.key()),
                           ": expected ", expected, ", got ", got));
    };
    if (!tensor.defined()) refuse("a tensor", "an undefined one");
    if (tensor.layout() != at::kStrided || tensor.is_quantized() || tensor.is_nested() ||
        tensor.is_meta()) {
      refuse("a dense tensor that holds data", tensor.toString());
    }
    const auto dtype = to_dtype(tensor.scalar_type());
    if (!dtype || info(*dtype).safetensors.empty()) {
      refuse("a dtype that safetensors has", dtype ? name(*dtype) : toString(tensor.scalar_type()));
    }
    entries.push_back({item.key(), *dtype, tensor.sizes().vec()});
  }
  return entries;
}

constexpr std::int64_t kPiece = std::int64_t{64} << 20;

/// Writes the elements in row-major order. A tensor that is not stored so is copied piece by piece:
/// an expanded one may have far more elements than memory has room for.
void write_elements(io::AtomicFile& file, const at::Tensor& tensor) {
  const auto bytes = static_cast<std::int64_t>(tensor.nbytes());
  if (bytes == 0) return;
  if (tensor.dim() == 0 || bytes <= kPiece || (tensor.is_contiguous() && tensor.is_cpu())) {
    const at::Tensor plain = tensor.cpu().resolve_conj().resolve_neg().contiguous();
    file.write(plain.const_data_ptr(), plain.nbytes());
    return;
  }
  const std::int64_t row = bytes / tensor.size(0);
  if (row > kPiece) {
    for (std::int64_t i = 0; i < tensor.size(0); ++i) write_elements(file, tensor.select(0, i));
    return;
  }
  for (std::int64_t i = 0; i < tensor.size(0); i += kPiece / row) {
    write_elements(file, tensor.narrow(0, i, std::min(kPiece / row, tensor.size(0) - i)));
  }
}

}  // namespace

void save_safetensors(const std::string& path, const StateDict& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const auto entries = describe(path, tensors);
  const auto layout = io::make_safetensors_header({kSaveSafetensors, path}, entries, metadata);
  io::AtomicFile file(kSaveSafetensors, path);
  file.write(layout.header.data(), layout.header.size());
  for (const std::size_t i : layout.order) write_elements(file, tensors[i].value().detach());
  file.commit();
}

}  // namespace xattn
