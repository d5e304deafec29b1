#pragma once

#include "ops/cpu/kernels.h"
#include "ops/cpu/vector_attention.h"
#include "ops/cpu/vector_geglu.h"
#include "ops/cpu/vector_group_norm.h"
#include "ops/cpu/vector_pack.h"
#include "ops/cpu/vector_product.h"
#include "ops/cpu/vector_softmax.h"
#include "ops/cpu/vector_winograd.h"

namespace xattn::cpu {

/// The kernels for vectors of `Lanes` floats, panels of `Vectors` vectors, and products computed by
/// tiles of `Rows` rows and a panel's columns, which stay in registers.
///
/// Each instance is compiled in a file of its own, with the flags of its processor. So nothing here
/// calls an inline function of another header: the linker would keep one copy, perhaps of the wrong
/// processor.
template <int Lanes, int Vectors, int Rows>
struct VectorKernels {
  using Pack = VectorPack<Lanes, Lanes * Vectors>;
  using Product = VectorProduct<Lanes, Vectors, Rows>;
  using Softmax = VectorSoftmax<Lanes, Lanes * Vectors>;
  using GroupNorm = VectorGroupNorm<Lanes>;
  using Attention = VectorAttention<Lanes, Vectors, Rows>;

  static constexpr Kernels table(const char* name) {
    return {name,
            Lanes * Vectors,
            Pack::pack,
            Product::multiply,
            Product::multiply_packed,
            Product::multiply_rows,
            Softmax::softmax_over_text,
            Attention::begin_attention,
            Attention::attend,
            Attention::finish_attention,
            VectorWinograd<Lanes, Lanes * Vectors, 4>::table(),
            VectorWinograd<Lanes, Lanes * Vectors, 2>::table(),
            GroupNorm::add_moments,
            GroupNorm::add_moments_alike,
            GroupNorm::normalize,
            GroupNorm::normalize_alike,
            VectorGeglu<Lanes>::gate};
  }
};

}  // namespace xattn::cpu
