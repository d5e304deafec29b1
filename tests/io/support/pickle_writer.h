#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

/// Pieces of pickles, put together with `+`.
namespace xattn::testing::pickles {

/// The bytes of the storage that `Tensor` is a view of: four floats.
inline const std::string kStorage(16, '\1');

inline std::string le(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value & 0xff);
  return text;
}

inline std::string program(std::string_view body) {
  return std::string("\x80\x02") + std::string(body) + ".";
}

inline std::string text(std::string_view value) {
  return "X" + le(value.size(), 4) + std::string(value);
}

inline std::string integer(std::int64_t value) {
  return std::string("\x8a\x08") + le(static_cast<std::uint64_t>(value), 8);
}

inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}

inline std::string storage(std::string_view type, std::string_view key, std::int64_t count) {
  return "(" + text("storage") + global("torch", type) + text(key) + text("cpu") + integer(count) +
         "tQ";
}

struct Tensor {
  std::string storage = pickles::storage("FloatStorage", "0", 4);
  std::string offset = integer(0);
  std::string size = "(" + integer(2) + integer(2) + "t";
  std::string stride = "(" + integer(2) + integer(1) + "t";
  std::string rest = std::string("\x89") + global("collections", "OrderedDict") + ")R";
  std::string function = "_rebuild_tensor_v2";
};

inline std::string tensor(const Tensor& parts = {}) {
  return global("torch._utils", parts.function) + "(" + parts.storage + parts.offset + parts.size +
         parts.stride + parts.rest + "tR";
}

/// {"weight": value}
inline std::string dict_of(std::string_view value) {
  return "}(" + text("weight") + std::string(value) + "u";
}

}  // namespace xattn::testing::pickles
