#include "ops/cpu/vector_kernels.h"

namespace xattn::cpu {

extern const Kernels kAvx512Kernels;
const Kernels kAvx512Kernels = VectorKernels<16, 2, 8>::table("avx512");

}  // namespace xattn::cpu
