#include "io/decimal.h"

#include <cstdint>
#include <cstring>
#include <vector>

namespace xattn::io {
namespace {

constexpr std::uint32_t kBase = 1'000'000'000;
constexpr int kDigits = 9;

/// Divides by the base in place, drops leading zeros, and returns the rest.
std::uint32_t divide(std::vector<std::uint32_t>& value) {
  std::uint64_t rest = 0;
  for (std::size_t i = value.size(); i > 0; --i) {
    const std::uint64_t part = (rest << 32) | value[i - 1];
    value[i - 1] = static_cast<std::uint32_t>(part / kBase);
    rest = part % kBase;
  }
  while (!value.empty() && value.back() == 0) value.pop_back();
  return static_cast<std::uint32_t>(rest);
}

}  // namespace

std::string decimal(std::string_view bytes) {
  const bool negative = !bytes.empty() && (bytes.back() & 0x80) != 0;
  std::vector<std::uint32_t> value(bytes.size() / 4 + 1, negative ? ~std::uint32_t{0} : 0);
  if (!bytes.empty()) std::memcpy(value.data(), bytes.data(), bytes.size());
  if (negative) {
    bool carry = true;
    for (std::uint32_t& word : value) {
      word = ~word + (carry ? 1 : 0);
      carry = carry && word == 0;
    }
  }
  std::string digits;  // from the last to the first
  do {
    std::uint32_t rest = divide(value);
    for (int i = 0; i < kDigits; ++i, rest /= 10) digits += static_cast<char>('0' + rest % 10);
  } while (!value.empty());
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  if (negative) digits += '-';
  return {digits.rbegin(), digits.rend()};
}

}  // namespace xattn::io
