#include "core/text.h"

#include <gtest/gtest.h>

#include "core/utf8.h"
#include "xattn/io/checkpoint_info.h"

namespace xattn::testing {
namespace {

TEST(Text, QuotesHostileNames) {
  EXPECT_EQ(quote("a.b"), "'a.b'");
  EXPECT_EQ(quote("naïve ☃"), "'naïve ☃'");
  EXPECT_EQ(quote("\x1b[31m\n"), "'\\x1b[31m\\x0a'");
  EXPECT_EQ(quote("\xff"), "'\\xff'");
  EXPECT_EQ(quote(std::string(1000, 'x')), "'" + std::string(120, 'x') + "…'");
  const std::string cut = quote(std::string(119, 'x') + "☃☃");
  EXPECT_EQ(cut, "'" + std::string(119, 'x') + "…'");
}

TEST(Text, KnowsUtf8) {
  for (const char* good : {"", "a", "é", "☃", "😀", "\x7f", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc3", "\xe2\x98", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xff"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(Text, PrintsAttributesAsPythonDoes) {
  EXPECT_EQ(to_string(Attribute()), "None");
  EXPECT_EQ(to_string(Attribute(true)), "True");
  EXPECT_EQ(to_string(Attribute(std::int64_t{-3})), "-3");
  EXPECT_EQ(to_string(Attribute(0.5)), "0.5");
  EXPECT_EQ(to_string(Attribute(2.0)), "2.0");
  EXPECT_EQ(to_string(Attribute(1e-05)), "1e-05");
  EXPECT_EQ(to_string(Attribute(1e300 * 1e300)), "inf");
  EXPECT_EQ(to_string(Attribute(std::string("text"))), "text");
}

TEST(Text, Hex) {
  EXPECT_EQ(hex(0), "0x00000000");
  EXPECT_EQ(hex(0x123456789a), "0x123456789a");
}

}  // namespace
}  // namespace xattn::testing
