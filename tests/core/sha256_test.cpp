#include "core/sha256.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace xattn::testing {
namespace {

std::string sha256_of(std::string_view bytes, std::size_t part) {
  Sha256 hash;
  for (std::size_t at = 0; at < bytes.size(); at += part) hash.add(bytes.substr(at, part));
  return hash.hex_digest();
}

// The examples of FIPS 180-4.
TEST(Sha256, HasTheStandardsDigests) {
  EXPECT_EQ(sha256_of("", 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of("abc", 1),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 7),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const std::string million(1'000'000, 'a');
  for (const std::size_t part : {1u, 63u, 64u, 65u, 1'000'000u}) {
    EXPECT_EQ(sha256_of(million, part),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
}

TEST(Sha256, DependsOnEveryByte) {
  for (std::size_t size = 54; size < 130; ++size) {  // around the ends of blocks
    std::string bytes(size, 'x');
    const auto digest = sha256_of(bytes, 5);
    EXPECT_EQ(sha256_of(bytes, size), digest);
    bytes[size / 2] = 'y';
    EXPECT_NE(sha256_of(bytes, 5), digest);
  }
}

}  // namespace
}  // namespace xattn::testing
