// Every conversion between two different floating-point types passes through float32, as torch's
// do: no other type has more bits, but for float64, which torch too rounds to float32 first.
#include "io/copy_elements.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Float8_e4m3fn.h>
#include <c10/util/Float8_e4m3fnuz.h>
#include <c10/util/Float8_e5m2.h>
#include <c10/util/Float8_e5m2fnuz.h>
#include <c10/util/Half.h>
#include <torch/version.h>

#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 7
#include <c10/util/Float8_e8m0fnu.h>
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <cstring>

namespace xattn::io {
namespace {

using Load = void (*)(const void* from, std::int64_t stride, std::int64_t count, float* to);
using Store = void (*)(const float* from, std::int64_t count, void* to, std::int64_t stride);

template <typename T>
void load(const void* from, std::int64_t stride, std::int64_t count, float* to) {
  const auto* values = static_cast<const T*>(from);
  if (stride == 1) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(values[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(values[i * stride]);
  }
}

template <typename T>
void store(const float* from, std::int64_t count, void* to, std::int64_t stride) {
  auto* values = static_cast<T*>(to);
  if (stride == 1) {
    for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<T>(from[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) values[i * stride] = static_cast<T>(from[i]);
  }
}

#if defined(__x86_64__)
// Without the processor's instructions, halves take twice the time of reading them.
// Every processor with AVX2 has them; clang 14 cannot ask for F16C itself.
const bool kHasHalf = __builtin_cpu_supports("avx2");

__attribute__((target("avx,f16c"))) std::int64_t load_halves(const c10::Half* from,
                                                             std::int64_t count, float* to) {
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const auto halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(halves));
  }
  return i;
}

__attribute__((target("avx,f16c"))) std::int64_t store_halves(const float* from, std::int64_t count,
                                                              c10::Half* to) {
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const auto halves = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), halves);
  }
  return i;
}

template <>
void load<c10::Half>(const void* from, std::int64_t stride, std::int64_t count, float* to) {
  const auto* values = static_cast<const c10::Half*>(from);
  const auto done = kHasHalf && stride == 1 ? load_halves(values, count, to) : 0;
  for (auto i = done; i < count; ++i) to[i] = static_cast<float>(values[i * stride]);
}

template <>
void store<c10::Half>(const float* from, std::int64_t count, void* to, std::int64_t stride) {
  auto* values = static_cast<c10::Half*>(to);
  const auto done = kHasHalf && stride == 1 ? store_halves(from, count, values) : 0;
  for (auto i = done; i < count; ++i) values[i * stride] = static_cast<c10::Half>(from[i]);
}
#endif

struct Conversion {
  at::ScalarType type;
  Load load;
  Store store;
};

template <typename T>
constexpr Conversion conversion(at::ScalarType type) {
  return {type, &load<T>, &store<T>};
}

constexpr Conversion kConversions[] = {
    conversion<float>(at::kFloat),
    conversion<double>(at::kDouble),
    conversion<c10::Half>(at::kHalf),
    conversion<c10::BFloat16>(at::kBFloat16),
    conversion<c10::Float8_e4m3fn>(at::kFloat8_e4m3fn),
    conversion<c10::Float8_e5m2>(at::kFloat8_e5m2),
    conversion<c10::Float8_e4m3fnuz>(at::kFloat8_e4m3fnuz),
    conversion<c10::Float8_e5m2fnuz>(at::kFloat8_e5m2fnuz),
#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 7
    conversion<c10::Float8_e8m0fnu>(at::kFloat8_e8m0fnu),
#endif
};

const Conversion* find(at::ScalarType type) {
  for (const auto& each : kConversions) {
    if (each.type == type) return &each;
  }
  return nullptr;
}

template <std::size_t size>
void move(const char* from, std::int64_t from_stride, char* to, std::int64_t to_stride,
          std::int64_t count) {
  constexpr auto kSize = static_cast<std::int64_t>(size);
  for (std::int64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * to_stride * kSize, from + i * from_stride * kSize, size);
  }
}

/// The elements of one dimension, of one type.
void move_row(std::size_t size, const char* from, std::int64_t from_stride, char* to,
              std::int64_t to_stride, std::int64_t count) {
  if (from_stride == 1 && to_stride == 1) {
    std::memcpy(to, from, size * static_cast<std::size_t>(count));
    return;
  }
  switch (size) {
    case 1:
      return move<1>(from, from_stride, to, to_stride, count);
    case 2:
      return move<2>(from, from_stride, to, to_stride, count);
    case 4:
      return move<4>(from, from_stride, to, to_stride, count);
    case 8:
      return move<8>(from, from_stride, to, to_stride, count);
    default:
      return move<16>(from, from_stride, to, to_stride, count);
  }
}

/// The elements of one dimension, converted in steps that stay in the first cache.
void convert_row(const Conversion& from_type, const Conversion& to_type, std::size_t from_size,
                 std::size_t to_size, const char* from, std::int64_t from_stride, char* to,
                 std::int64_t to_stride, std::int64_t count) {
  constexpr std::int64_t kStep = 1024;
  std::array<float, kStep> values;
  for (std::int64_t first = 0; first < count; first += kStep) {
    const auto step = std::min(kStep, count - first);
    from_type.load(from + first * from_stride * static_cast<std::int64_t>(from_size), from_stride,
                   step, values.data());
    to_type.store(values.data(), step, to + first * to_stride * static_cast<std::int64_t>(to_size),
                  to_stride);
  }
}

/// Calls `row(from, from_stride, to, to_stride, count)`, offsets in elements, for each innermost
/// dimension.
template <typename Row>
void for_each_row(const StridedCopy& copy, std::size_t dim, std::int64_t from, std::int64_t to,
                  const Row& row) {
  if (copy.sizes.empty()) return row(from, 1, to, 1, 1);
  if (dim + 1 == copy.sizes.size())
    return row(from, copy.from_strides[dim], to, copy.to_strides[dim], copy.sizes[dim]);
  for (std::int64_t i = 0; i < copy.sizes[dim]; ++i) {
    for_each_row(copy, dim + 1, from + i * copy.from_strides[dim], to + i * copy.to_strides[dim],
                 row);
  }
}

}  // namespace

bool can_convert(at::ScalarType from, at::ScalarType to) {
  return find(from) && find(to);
}

void copy_elements(const StridedCopy& copy, const void* from, at::ScalarType from_type, void* to,
                   at::ScalarType to_type) {
  const auto from_size = c10::elementSize(from_type), to_size = c10::elementSize(to_type);
  const auto* load = find(from_type);
  const auto* store = find(to_type);
  for_each_row(copy, 0, copy.from, copy.to,
               [&](std::int64_t from_at, std::int64_t from_stride, std::int64_t to_at,
                   std::int64_t to_stride, std::int64_t count) {
                 const auto* source = static_cast<const char*>(from) +
                                      from_at * static_cast<std::int64_t>(from_size);
                 auto* target = static_cast<char*>(to) + to_at * static_cast<std::int64_t>(to_size);
                 if (from_type == to_type) {
                   move_row(from_size, source, from_stride, target, to_stride, count);
                 } else {
                   convert_row(*load, *store, from_size, to_size, source, from_stride, target,
                               to_stride, count);
                 }
               });
}

}  // namespace xattn::io
