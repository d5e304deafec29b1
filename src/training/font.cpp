#include "training/font.h"

namespace xattn::training {
namespace {

struct Drawn {
  char character;
  /// A row each: 0…9, a…v are its 5 bits.
  const char* rows;
};

constexpr Drawn kFont[] = {
    {' ', "000000000"}, {'!', "444440400"}, {'"', "aa0000000"},  {'#', "0avava000"},
    {'%', "pp248jj00"}, {'&', "ciiclid00"}, {'\'', "440000000"}, {'(', "244444200"},
    {')', "844444800"}, {'*', "0level000"}, {'+', "044v44000"},  {',', "000004480"},
    {'-', "000v00000"}, {'.', "000000400"}, {'/', "11248gg00"},  {'0', "ehhhhhe00"},
    {'1', "4ck444v00"}, {'2', "eh1248v00"}, {'3', "eh161he00"},  {'4', "26aiv2200"},
    {'5', "vgu11he00"}, {'6', "egguhhe00"}, {'7', "v12244400"},  {'8', "ehhehhe00"},
    {'9', "ehhf11e00"}, {':', "004004000"}, {';', "004004480"},  {'<', "124842100"},
    {'=', "00v0v0000"}, {'>', "g84248g00"}, {'?', "eh1240400"},  {'A', "ehhvhhh00"},
    {'B', "uhhuhhu00"}, {'C', "ehggghe00"}, {'D', "uhhhhhu00"},  {'E', "vgguggv00"},
    {'F', "vgguggg00"}, {'G', "ehgnhhf00"}, {'H', "hhhvhhh00"},  {'I', "e44444e00"},
    {'J', "72222ic00"}, {'K', "hikokih00"}, {'L', "ggggggv00"},  {'M', "hrllhhh00"},
    {'N', "hppljjh00"}, {'O', "ehhhhhe00"}, {'P', "uhhuggg00"},  {'Q', "ehhhlid00"},
    {'R', "uhhukih00"}, {'S', "fgge11u00"}, {'T', "v44444400"},  {'U', "hhhhhhe00"},
    {'V', "hhhhaa400"}, {'W', "hhhllrh00"}, {'X', "hha4ahh00"},  {'Y', "hha444400"},
    {'Z', "v1248gv00"}, {'[', "644444600"}, {']', "c44444c00"},  {'_', "000000v00"},
    {'a', "00e1fhf00"}, {'b', "gguhhhu00"}, {'c', "00eggge00"},  {'d', "11fhhhf00"},
    {'e', "00ehvge00"}, {'f', "68u888800"}, {'g', "00fhhhf1e"},  {'h', "gguhhhh00"},
    {'i', "40c444e00"}, {'j', "2062222ic"}, {'k', "ggikoki00"},  {'l', "c44444e00"},
    {'m', "00qllll00"}, {'n', "00uhhhh00"}, {'o', "00ehhhe00"},  {'p', "00uhhhugg"},
    {'q', "00fhhhf11"}, {'r', "00mpggg00"}, {'s', "00fge1u00"},  {'t', "88u888600"},
    {'u', "00hhhhf00"}, {'v', "00hhaa400"}, {'w', "00hllla00"},  {'x', "00ha4ah00"},
    {'y', "00hhhhf1e"}, {'z', "00v248v00"},
};

constexpr Glyph kBox = {31, 17, 17, 17, 17, 17, 31, 0, 0};

}  // namespace

Glyph glyph_of(char32_t character) {
  for (const auto& [drawn, rows] : kFont) {
    if (static_cast<char32_t>(drawn) != character) continue;
    Glyph glyph{};
    for (std::size_t i = 0; i < glyph.size(); ++i) {
      const char row = rows[i];
      glyph[i] = static_cast<std::uint8_t>(row <= '9' ? row - '0' : row - 'a' + 10);
    }
    return glyph;
  }
  return kBox;
}

}  // namespace xattn::training
