#include "core/scalar_type.h"

#include <torch/version.h>

#include <utility>

namespace xattn {
namespace {

constexpr std::pair<DType, at::ScalarType> kTypes[] = {
    {DType::kBool, at::kBool},
    {DType::kUint8, at::kByte},
    {DType::kInt8, at::kChar},
    {DType::kUint16, at::ScalarType::UInt16},
    {DType::kInt16, at::kShort},
    {DType::kUint32, at::ScalarType::UInt32},
    {DType::kInt32, at::kInt},
    {DType::kUint64, at::ScalarType::UInt64},
    {DType::kInt64, at::kLong},
    {DType::kFloat8E4m3fn, at::ScalarType::Float8_e4m3fn},
    {DType::kFloat8E5m2, at::ScalarType::Float8_e5m2},
    {DType::kFloat8E4m3fnuz, at::ScalarType::Float8_e4m3fnuz},
    {DType::kFloat8E5m2fnuz, at::ScalarType::Float8_e5m2fnuz},
#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 7
    {DType::kFloat8E8m0fnu, at::ScalarType::Float8_e8m0fnu},
#endif
    {DType::kFloat16, at::kHalf},
    {DType::kBfloat16, at::kBFloat16},
    {DType::kFloat32, at::kFloat},
    {DType::kFloat64, at::kDouble},
    {DType::kComplex32, at::kComplexHalf},
    {DType::kComplex64, at::kComplexFloat},
    {DType::kComplex128, at::kComplexDouble},
};

}  // namespace

std::optional<at::ScalarType> to_scalar_type(DType dtype) {
  for (const auto& [ours, torchs] : kTypes) {
    if (ours == dtype) return torchs;
  }
  return std::nullopt;
}

std::optional<DType> to_dtype(at::ScalarType type) {
  for (const auto& [ours, torchs] : kTypes) {
    if (torchs == type) return ours;
  }
  return std::nullopt;
}

}  // namespace xattn
