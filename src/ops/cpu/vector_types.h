#pragma once

#include <cstdint>

namespace xattn::cpu {

/// Vectors of `Lanes` floats, of as many doubles, and of whole numbers as wide as floats.
///
/// Each instance is used by one kind of processor alone, and everything is always inlined. So the
/// linker has nothing to choose from: it would keep one copy, perhaps of the wrong processor.
template <int Lanes>
struct VectorTypes {
  using Floats [[gnu::vector_size(Lanes * sizeof(float))]] = float;
  using Doubles [[gnu::vector_size(Lanes * sizeof(double))]] = double;
  using Ints [[gnu::vector_size(Lanes * sizeof(int32_t))]] = int32_t;
  using Halves [[gnu::vector_size(Lanes * sizeof(uint16_t))]] = uint16_t;
  // The same in memory, wherever they lie.
  using FloatsInMemory
      [[gnu::vector_size(Lanes * sizeof(float)), gnu::aligned(4), gnu::may_alias]] = float;
  using HalvesInMemory
      [[gnu::vector_size(Lanes * sizeof(uint16_t)), gnu::aligned(2), gnu::may_alias]] = uint16_t;

  [[gnu::always_inline]] static Floats load(const float* data) {
    return *reinterpret_cast<const FloatsInMemory*>(data);
  }
  [[gnu::always_inline]] static void store(float* data, Floats value) {
    *reinterpret_cast<FloatsInMemory*>(data) = value;
  }
  [[gnu::always_inline]] static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
};

}  // namespace xattn::cpu
