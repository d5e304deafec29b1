#include "ops/cpu/kernels.h"

#include <cstdlib>
#include <string>

#include "ops/cpu/vector_kernels.h"
#include "xattn/core/error.h"

namespace xattn::cpu {

#ifdef XATTN_HAVE_X86_KERNELS
extern const Kernels kAvx512Kernels;
extern const Kernels kAvx2Kernels;

namespace {

// The levels x86-64-v3 and v4 by the parts that clang 14 can ask for; no processor has these alone.
bool has_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

}  // namespace
#endif

std::vector<const Kernels*> available_kernels() {
  static constexpr auto kPortable = VectorKernels<4, 2, 4>::table("portable");
  std::vector<const Kernels*> available;
#ifdef XATTN_HAVE_X86_KERNELS
  if (has_v4()) available.push_back(&kAvx512Kernels);
  if (has_v3()) available.push_back(&kAvx2Kernels);
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
