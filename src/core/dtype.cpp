#include "core/dtype.h"

#include <array>

namespace xattn {
namespace {

// In the enum's order: info() indexes it.
constexpr std::array<DTypeInfo, 21> kDTypes{{
    {DType::kBool, 1, "bool", "BoolStorage", "BOOL"},
    {DType::kUint8, 1, "uint8", "ByteStorage", "U8"},
    {DType::kInt8, 1, "int8", "CharStorage", "I8"},
    {DType::kUint16, 2, "uint16", "UInt16Storage", "U16"},
    {DType::kInt16, 2, "int16", "ShortStorage", "I16"},
    {DType::kUint32, 4, "uint32", "UInt32Storage", "U32"},
    {DType::kInt32, 4, "int32", "IntStorage", "I32"},
    {DType::kUint64, 8, "uint64", "UInt64Storage", "U64"},
    {DType::kInt64, 8, "int64", "LongStorage", "I64"},
    {DType::kFloat8E4m3fn, 1, "float8_e4m3fn", "Float8_e4m3fnStorage", "F8_E4M3"},
    {DType::kFloat8E5m2, 1, "float8_e5m2", "Float8_e5m2Storage", "F8_E5M2"},
    {DType::kFloat8E4m3fnuz, 1, "float8_e4m3fnuz", "Float8_e4m3fnuzStorage", ""},
    {DType::kFloat8E5m2fnuz, 1, "float8_e5m2fnuz", "Float8_e5m2fnuzStorage", ""},
    {DType::kFloat8E8m0fnu, 1, "float8_e8m0fnu", "Float8_e8m0fnuStorage", "F8_E8M0"},
    {DType::kFloat16, 2, "float16", "HalfStorage", "F16"},
    {DType::kBfloat16, 2, "bfloat16", "BFloat16Storage", "BF16"},
    {DType::kFloat32, 4, "float32", "FloatStorage", "F32"},
    {DType::kFloat64, 8, "float64", "DoubleStorage", "F64"},
    {DType::kComplex32, 4, "complex32", "ComplexHalfStorage", ""},
    {DType::kComplex64, 8, "complex64", "ComplexFloatStorage", "C64"},
    {DType::kComplex128, 16, "complex128", "ComplexDoubleStorage", ""},
}};

template <class Field>
std::optional<DType> find(std::string_view wanted, Field field) {
  if (wanted.empty()) return std::nullopt;
  for (const DTypeInfo& entry : kDTypes) {
    if (entry.*field == wanted) return entry.dtype;
  }
  return std::nullopt;
}

}  // namespace

std::span<const DTypeInfo> all_dtypes() {
  return kDTypes;
}

const DTypeInfo& info(DType dtype) {
  return kDTypes[static_cast<std::size_t>(dtype)];
}

std::optional<DType> dtype_named(std::string_view name) {
  return find(name, &DTypeInfo::name);
}

std::optional<DType> dtype_of_storage(std::string_view storage_class) {
  return find(storage_class, &DTypeInfo::storage);
}

std::optional<DType> dtype_of_safetensors(std::string_view name) {
  return find(name, &DTypeInfo::safetensors);
}

}  // namespace xattn
