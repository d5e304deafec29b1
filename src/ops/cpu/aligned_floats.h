#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace xattn::cpu {

/// Room for floats, aligned for vectors and not initialised: what a thread works in.
///
/// Within `at::parallel_for` memory is raw: ATen forbids tensor operations there, for their
/// thread-local state is not copied.
class AlignedFloats {
 public:
  explicit AlignedFloats(int64_t size)
      : data_(static_cast<float*>(
            ::operator new[](sizeof(float) * static_cast<std::size_t>(size), kAlignment))) {}

  float* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(float* data) const { ::operator delete[](data, kAlignment); }
  };
  std::unique_ptr<float[], Delete> data_;
};

}  // namespace xattn::cpu
