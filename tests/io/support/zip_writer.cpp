#include "io/support/zip_writer.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>

namespace xattn::testing {
namespace {

std::string le_bytes(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value & 0xff);
  return text;
}

std::string deflated(const std::string& data) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string packed(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace

std::string make_zip(const std::vector<ZipItem>& items) {
  std::string zip;
  std::string directory;
  for (const ZipItem& item : items) {
    const std::string name = "m/" + item.name;
    const std::string packed = item.deflate ? deflated(item.data) : item.data;
    const std::uint64_t size = item.claimed_size >= 0 ? item.claimed_size : item.data.size();
    const std::uint64_t packed_size = item.deflate ? packed.size() : size;
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(item.data.data()), item.data.size());
    const std::uint64_t offset = zip.size();
    const std::string needed = le_bytes(item.deflate ? 20 : 0, 2);
    const std::string kind =
        le_bytes(size > 0 ? 0x0808 : 0x0800, 2) + le_bytes(item.deflate ? 8 : 0, 2);
    const std::size_t padding = (64 - (zip.size() + 30 + name.size() + 4) % 64) % 64;
    zip += "PK\3\4" + needed + kind + le_bytes(0, 16) + le_bytes(name.size(), 2) +
           le_bytes(padding + 4, 2) + name + "FB" + le_bytes(padding, 2) +
           std::string(padding, 'Z') + packed;
    const std::string sums = le_bytes(crc, 4) + le_bytes(packed_size, 4) + le_bytes(size, 4);
    if (size > 0) zip += "PK\7\10" + sums;
    directory += "PK\1\2" + le_bytes(0, 2) + needed + kind + le_bytes(0, 4) + sums +
                 le_bytes(name.size(), 2) + le_bytes(0, 12) + le_bytes(offset, 4) + name;
  }
  const std::uint64_t at = zip.size();
  const std::uint64_t end = at + directory.size();
  zip += directory;
  zip += "PK\6\6" + le_bytes(44, 8) + le_bytes(0x031e, 2) + le_bytes(45, 2) + le_bytes(0, 8) +
         le_bytes(items.size(), 8) + le_bytes(items.size(), 8) + le_bytes(directory.size(), 8) +
         le_bytes(at, 8);
  zip += "PK\6\7" + le_bytes(0, 4) + le_bytes(end, 8) + le_bytes(1, 4);
  zip += "PK\5\6" + le_bytes(0, 4) + le_bytes(std::min<std::size_t>(items.size(), 0xffff), 2) +
         le_bytes(std::min<std::size_t>(items.size(), 0xffff), 2) + le_bytes(directory.size(), 4) +
         le_bytes(at, 4) + le_bytes(0, 2);
  return zip;
}

std::string make_archive(const std::string& pickle, const std::vector<std::string>& storages) {
  std::vector<ZipItem> items = {{"data.pkl", pickle}, {"byteorder", "little"}, {"version", "3\n"}};
  for (std::size_t i = 0; i < storages.size(); ++i) {
    items.push_back({"data/" + std::to_string(i), storages[i]});
  }
  return make_zip(items);
}

}  // namespace xattn::testing
