#include "ops/cpu/vector_kernels.h"

namespace xattn::cpu {

extern const Kernels kAvx2Kernels;
const Kernels kAvx2Kernels = VectorKernels<8, 3, 4>::table("avx2");

}  // namespace xattn::cpu
