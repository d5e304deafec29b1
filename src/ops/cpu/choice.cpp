#include "ops/cpu/choice.h"

#include <cstdlib>
#include <string_view>

#include "ops/cpu/kernels.h"

namespace xattn::cpu {
namespace {

bool is_amd() {
#ifdef XATTN_HAVE_X86_KERNELS
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

Processor processor_of(const Kernels& kernels) {
  const std::string_view name = kernels.name;
  if (name == "avx512" && is_amd()) return Processor::kAvx512;
  return name == "portable" ? Processor::kOther : Processor::kAvx2;
}

}  // namespace

bool use_kernels() {
  static const bool use = [] {
    const char* name = std::getenv("XATTN_CPU_KERNELS");
    return !name || name != std::string_view("torch");
  }();
  return use;
}

Processor processor() {
  static const auto found = processor_of(kernels());
  return found;
}

// Measured on AMD at the shapes of Stable Diffusion 1.5, 2.1 and XL, see docs/performance.md. On
// other processors, MKL's strongest among them, nothing is measured: LibTorch's is taken.
bool linear_is_faster(int64_t rows, int64_t inner, int64_t columns) {
  static const bool is_measured = is_amd();
  // A single row is a product with a vector, which waits for memory alone.
  if (!use_kernels() || !is_measured || rows < 2) return false;
  switch (processor()) {
    case Processor::kAvx512:
      return true;
    case Processor::kAvx2:
      // MKL packs its input too, at each call. That pays for many rows and long sums, unless the
      // result is as wide as to make the weight's packing the larger part.
      return rows < 512 || columns < 512 || columns > inner;
    case Processor::kOther:
      return false;
  }
  return false;
}

}  // namespace xattn::cpu
