#include "fuzz/support/zip_repair.h"

#include <zlib.h>

#include <algorithm>

#include "io/little_endian.h"

namespace xattn::fuzz {
namespace {

using io::load_u16;
using io::load_u32;

std::string le(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value & 0xff);
  return text;
}

/// At most a mebibyte of what deflated data inflate to; broken data give what came before.
std::string inflated(std::string_view packed) {
  constexpr std::size_t kMost = 1 << 20;
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return {};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  for (int status = Z_OK; status == Z_OK && out.size() < kMost;) {
    const auto part = std::min<std::size_t>(4096, kMost - out.size());
    out.resize(out.size() + part);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + out.size() - part);
    stream.avail_out = static_cast<uInt>(part);
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  return out;
}

}  // namespace

std::vector<PackedEntry> unpack_zip(std::string_view zip) {
  constexpr std::size_t kEnd = 22, kCentral = 46, kLocal = 30;
  std::vector<PackedEntry> entries;
  if (zip.size() < kEnd) return {};
  const char* const end = zip.data() + zip.size() - kEnd;
  std::size_t at = load_u32(end + 16);
  for (std::size_t i = load_u16(end + 10); i > 0; --i) {
    if (at > zip.size() || zip.size() - at < kCentral) return {};
    const char* const central = zip.data() + at;
    const std::size_t name = load_u16(central + 28), extra = load_u16(central + 30);
    const std::size_t local = load_u32(central + 42), packed = load_u32(central + 20);
    if (zip.size() - at - kCentral < name + extra) return {};
    if (local > zip.size() || zip.size() - local < kLocal) return {};
    const std::size_t data =
        local + kLocal + load_u16(&zip[local + 26]) + load_u16(&zip[local + 28]);
    if (data > zip.size() || packed > zip.size() - data) return {};
    entries.push_back({std::string(central + kCentral, name), std::string(zip.substr(data, packed)),
                       load_u16(central + 10) == 8});
    at += kCentral + name + extra;
  }
  return entries;
}

std::string pack_zip(const std::vector<PackedEntry>& entries, unsigned padding) {
  std::string zip, directory;
  for (const auto& [name, packed, deflated] : entries) {
    const std::string data = deflated ? inflated(packed) : packed;
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size());
    const auto offset = zip.size();
    const auto needed = le(deflated ? 20 : 0, 2);
    const auto kind = le(data.empty() ? 0x0800 : 0x0808, 2) + le(deflated ? 8 : 0, 2);
    const auto sums = le(data.empty() ? 0 : crc, 4) + le(packed.size(), 4) + le(data.size(), 4);
    zip += "PK\3\4" + needed + kind + le(0, 16) + le(name.size(), 2) + le(padding + 4, 2) + name +
           "FB" + le(padding, 2) + std::string(padding, 'Z') + packed;
    if (!data.empty()) zip += "PK\7\10" + sums;
    directory += "PK\1\2" + le(0, 2) + needed + kind + le(0, 4) + sums + le(name.size(), 2) +
                 le(0, 12) + le(offset, 4) + name;
  }
  const auto at = zip.size(), end = at + directory.size(), count = entries.size();
  zip += directory;
  zip += "PK\6\6" + le(44, 8) + le(0x031e, 2) + le(45, 2) + le(0, 8) + le(count, 8) + le(count, 8) +
         le(directory.size(), 8) + le(at, 8);
  zip += "PK\6\7" + le(0, 4) + le(end, 8) + le(1, 4);
  zip += "PK\5\6" + le(0, 4) + le(count, 2) + le(count, 2) + le(directory.size(), 4) + le(at, 4) +
         le(0, 2);
  return zip;
}

}  // namespace xattn::fuzz
