#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace xattn::training {

/// A character of 5 × 9 dots: 7 rows above the base line, 2 below. Each row is 5 bits, the left one
/// the highest.
using Glyph = std::array<std::uint8_t, 9>;

inline constexpr int kGlyphWidth = 5;
/// From one character to the next.
inline constexpr int kGlyphAdvance = 6;

/// The glyph of a character of ASCII; a box where there is none.
Glyph glyph_of(char32_t character);

}  // namespace xattn::training
