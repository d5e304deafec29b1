#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace xattn {

/// The element types that files hold; torch's, without torch.
enum class DType : std::uint8_t {
  kBool,
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kUint64,
  kInt64,
  kFloat8E4m3fn,
  kFloat8E5m2,
  kFloat8E4m3fnuz,
  kFloat8E5m2fnuz,
  kFloat8E8m0fnu,
  kFloat16,
  kBfloat16,
  kFloat32,
  kFloat64,
  kComplex32,
  kComplex64,
  kComplex128,
};

struct DTypeInfo {
  DType dtype;
  std::int64_t size;             ///< Bytes of one element.
  std::string_view name;         ///< As Python prints it, without `torch.`.
  std::string_view storage;      ///< The class a pickle names for a storage of it.
  std::string_view safetensors;  ///< Empty where that format has no such type.
};

std::span<const DTypeInfo> all_dtypes();
const DTypeInfo& info(DType dtype);

inline std::int64_t item_size(DType dtype) {
  return info(dtype).size;
}
inline std::string_view name(DType dtype) {
  return info(dtype).name;
}

std::optional<DType> dtype_named(std::string_view name);
std::optional<DType> dtype_of_storage(std::string_view storage_class);
std::optional<DType> dtype_of_safetensors(std::string_view name);

}  // namespace xattn
