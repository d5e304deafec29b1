#include "ops/cpu/kernels.h"

#include <cstdlib>
#include <string>

#include "ops/cpu/vector_kernels.h"
#include "xattn/core/error.h"

namespace xattn::cpu {

#ifdef XATTN_HAVE_X86_KERNELS
extern const Kernels kAvx512Kernels;
extern const Kernels kAvx2Kernels;
#endif

std::vector<const Kernels*> available_kernels() {
  static constexpr auto kPortable = VectorKernels<4, 2, 4>::table("portable");
  std::vector<const Kernels*> available;
#ifdef XATTN_HAVE_X86_KERNELS
  if (__builtin_cpu_supports("x86-64-v4")) available.push_back(&kAvx512Kernels);
  if (__builtin_cpu_supports("x86-64-v3")) available.push_back(&kAvx2Kernels);
#endif
  available.push_back(&kPortable);
  return available;
}

const Kernels& kernels() {
  static const Kernels& chosen = []() -> const Kernels& {
    const auto available = available_kernels();
    const char* name = std::getenv("XATTN_CPU_KERNELS");
    // `torch` keeps callers from all of them: see choice.h.
    if (!name || name == std::string("torch")) return *available.front();
    std::string names = "torch";
    for (const auto* each : available) {
      if (each->name == std::string(name)) return *each;
      names += ", " + std::string(each->name);
    }
    throw ValueError("[xattn] XATTN_CPU_KERNELS: expected one of " + names + ", got " + name);
  }();
  return chosen;
}

}  // namespace xattn::cpu
