#pragma once

#include <cstdint>

#include "ops/cpu/vector_types.h"

namespace xattn::cpu {

/// 2^x for x ≤ 0, to 2e-7 of it: exactly 0 for x ≤ -127, NaN for NaN.
///
/// x = n + f with n whole and |f| ≤ 1/2; 2^f is the polynomial of degree 5 through (0, 1) whose
/// largest relative error is least, 9e-8.
template <int Lanes>
class VectorExp2 : VectorTypes<Lanes> {
 public:
  using typename VectorTypes<Lanes>::Floats;
  using typename VectorTypes<Lanes>::Ints;

  /// In place, for some vectors at once, which need not wait for each other.
  template <int kCount>
  [[gnu::always_inline]] void apply(Floats (&x)[kCount]) const {
    Floats shifted[kCount], p[kCount];
    // Written so, the larger of two is NaN where x is, by one instruction.
    for (int i = 0; i < kCount; ++i) x[i] = least_ > x[i] ? least_ : x[i];
    // Adding and taking away 1.5·2²³ rounds. With 127 more, the low bits of the sum are n + 127,
    // the exponent of 2^n.
    for (int i = 0; i < kCount; ++i) shifted[i] = x[i] + round_;
    for (int i = 0; i < kCount; ++i) x[i] -= shifted[i] - round_;
    for (int i = 0; i < kCount; ++i) p[i] = x[i] * c5_ + c4_;
    for (int i = 0; i < kCount; ++i) p[i] = p[i] * x[i] + c3_;
    for (int i = 0; i < kCount; ++i) p[i] = p[i] * x[i] + c2_;
    for (int i = 0; i < kCount; ++i) p[i] = p[i] * x[i] + c1_;
    for (int i = 0; i < kCount; ++i) p[i] = p[i] * x[i] + c0_;
    for (int i = 0; i < kCount; ++i) {
      x[i] = p[i] * reinterpret_cast<Floats>(reinterpret_cast<Ints>(shifted[i]) << 23);
    }
  }

 private:
  /// Copies of a value that the compiler does not know, and so keeps in a register. Constants it
  /// reads from memory each time: ten loads for a vector, more than a processor can do meanwhile.
  [[gnu::always_inline]] static Floats copies(float value) {
    asm("" : "+m"(value));
    return Floats{} + value;
  }

  Floats least_ = copies(-127.0F), round_ = copies(12582912.0F + 127);
  Floats c5_ = copies(1.32647273e-3F), c4_ = copies(9.67151299e-3F), c3_ = copies(5.55073358e-2F),
         c2_ = copies(2.40222424e-1F), c1_ = copies(6.93147004e-1F), c0_ = copies(1.0F);
};

}  // namespace xattn::cpu
