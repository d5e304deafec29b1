// A zip, as PyTorch writes it since 1.6 (offsets in bytes). Entries tile the file from byte 0 in
// the directory's order; then come the central directory and the end records (zip_directory.cpp).
//
//   local header, 30:  0 "PK\3\4"  4 u16 version needed (0 stored, 20 deflated)  6 u16 flags
//                      8 u16 method (0, 8)  10 time, date, CRC and sizes, all zero
//                      26 u16 name length  28 u16 extra length
//   name               "root/…", the same root for all
//   extra              u16 1, u16 size, u64s: only where a size or the offset needs 64 bits
//                      "FB", u16 n, n times 'Z': aligns the data
//   data
//   descriptor         "PK\7\10", u32 CRC, packed size, size (u64 where the extra has a zip64
//                      field, else u32); not for an empty entry
//
//   directory entry, 46:  0 "PK\1\2"  4 u16 0  6 u16 version needed  8 u16 flags  10 u16 method
//                         12 u32 time, date 0  16 u32 CRC  20 u32 packed size  24 u32 size
//                         28 u16 name length  30 u16 extra length  32 u16 comment, 0  34 u16 0
//                         36 u16 0  38 u32 0  42 u32 offset of the local header; name; zip64 extra
//
// Flags are 0x0800 (names are UTF-8) and, where a descriptor follows, 0x0008. PyTorch's own reader
// looks at few of these bytes and at no CRC. Here every byte has one value that it may have, so no
// flipped bit goes unseen.
#include "io/zip_archive.h"

#include <zlib.h>

#include <algorithm>
#include <memory>

#include "core/text.h"
#include "core/utf8.h"
#include "io/little_endian.h"
#include "io/zip_directory.h"

namespace xattn::io {
namespace {

constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint32_t kCentralSignature = 0x02014b50;
constexpr std::uint32_t kDescriptorSignature = 0x08074b50;
constexpr std::uint64_t kFull = 0xffffffff;
constexpr std::size_t kChunk = 1 << 18;
// Only TorchScript's source code is deflated; it is checked and thrown away.
// Together its entries may take 96 MiB and 32 times the file: a second for 2 GiB would be too much
// for 2 MB.
constexpr std::uint64_t kLargestInflated = std::uint64_t{256} << 20;
constexpr std::uint64_t kMostInflated = std::uint64_t{96} << 20;
constexpr std::uint64_t kMostInflatedPerByte = 32;
constexpr std::string_view kDeflatedFolder = "code/";

/// One entry as the directory tells it, and the checks of its bytes in front.
class EntryReader {
 public:
  EntryReader(const File& file, std::string_view directory) : file_(file), directory_(directory) {}

  bool done() const { return directory_.empty(); }
  std::uint64_t position() const { return position_; }

  /// Reads the next directory entry and its local header and descriptor; its name is the
  /// directory's.
  ZipEntry next(std::string& root) {
    take_central();
    check_local();
    check_descriptor();
    split_root(root);
    return entry_;
  }

 private:
  void take_central() {
    where_ = cat("zip directory entry at byte ", position_);
    const std::string_view fixed = take(46);
    expect("signature", kCentralSignature, load_u32(&fixed[0]));
    flags_ = load_u16(&fixed[8]);
    method_ = load_u16(&fixed[10]);
    entry_ = {};
    entry_.crc = load_u32(&fixed[16]);
    entry_.packed_size = load_u32(&fixed[20]);
    entry_.size = load_u32(&fixed[24]);
    offset_ = load_u32(&fixed[42]);
    const std::uint16_t extra_length = load_u16(&fixed[30]);
    entry_.name = take(load_u16(&fixed[28]));
    where_ = cat("zip entry ", quote(entry_.name));
    if (!is_utf8(entry_.name)) fail("expected a name in UTF-8");
    expect("version made by", 0, load_u16(&fixed[4]));
    if (method_ != 0 && method_ != 8) fail(cat("method ", method_, " is not known"));
    expect("version needed", method_ == 8 ? 20 : 0, load_u16(&fixed[6]));
    expect("time and date", 0, load_u32(&fixed[12]));
    expect("comment length", 0, load_u16(&fixed[32]));
    expect("disk", 0, load_u16(&fixed[34]));
    expect("internal attributes", 0, load_u16(&fixed[36]));
    expect("external attributes", 0, load_u32(&fixed[38]));
    take_zip64(take(extra_length));

    entry_.deflated = method_ == 8;
    if (!entry_.deflated) expect("packed size", entry_.size, entry_.packed_size);
    expect("flags", entry_.size > 0 ? 0x0808 : 0x0800, flags_);
    if (entry_.size == 0) expect("CRC of an empty entry", 0, entry_.crc);
    if (entry_.deflated && entry_.size > kLargestInflated) {
      fail(cat("expected at most ", kLargestInflated, " bytes inflated, got ", entry_.size));
    }
    const std::uint64_t most = kMostInflated + kMostInflatedPerByte * file_.size();
    inflated_ += entry_.deflated ? entry_.size : 0;
    if (inflated_ > most) {
      fail(cat("expected at most ", most, " bytes inflated in all, got ", inflated_));
    }
    expect("offset", position_, offset_);
  }

  void take_zip64(std::string_view extra) {
    const bool large = entry_.size == kFull;
    const bool far = offset_ == kFull;
    zip64_ = large || far;
    const std::size_t values = (large ? 16 : 0) + (far ? 8 : 0);
    expect("extra length in the directory", zip64_ ? values + 4 : 0, extra.size());
    if (!zip64_) return;
    expect("extra field", 1, load_u16(&extra[0]));
    expect("extra field size", values, load_u16(&extra[2]));
    if (large) {
      entry_.size = load_u64(&extra[4]);
      if (entry_.packed_size == kFull) entry_.packed_size = load_u64(&extra[12]);
      expect("packed size in the zip64 field", entry_.packed_size, load_u64(&extra[12]));
    }
    if (far) offset_ = load_u64(&extra[values - 4]);
    if ((large && entry_.size < kFull) || (far && offset_ < kFull)) {
      fail("the zip64 field holds a value that needs no zip64");
    }
  }

  void check_local() {
    const std::string fixed = file_.read(position_, 30);
    expect("local signature", kLocalSignature, load_u32(&fixed[0]));
    expect("local version needed", method_ == 8 ? 20 : 0, load_u16(&fixed[4]));
    expect("local flags", flags_, load_u16(&fixed[6]));
    expect("local method", method_, load_u16(&fixed[8]));
    expect("local time and date", 0, load_u32(&fixed[10]));
    expect("local CRC", 0, load_u32(&fixed[14]));
    expect("local packed size", 0, load_u32(&fixed[18]));
    expect("local size", 0, load_u32(&fixed[22]));
    expect("local name length", entry_.name.size(), load_u16(&fixed[26]));
    const std::uint16_t extra_length = load_u16(&fixed[28]);
    const std::string rest = file_.read(position_ + 30, entry_.name.size() + extra_length);
    if (rest.compare(0, entry_.name.size(), entry_.name) != 0) {
      fail(cat("local name: got ", quote(rest.substr(0, entry_.name.size()))));
    }
    check_local_extra(std::string_view(rest).substr(entry_.name.size()));
    entry_.data_offset = position_ + 30 + rest.size();
  }

  void check_local_extra(std::string_view extra) {
    if (zip64_) {
      const bool large = entry_.size >= kFull;
      const std::size_t values = (large ? 16 : 0) + (offset_ >= kFull ? 8 : 0);
      if (extra.size() < values + 4) fail("local extra: expected a zip64 field");
      expect("local extra field", 1, load_u16(&extra[0]));
      expect("local extra field size", values, load_u16(&extra[2]));
      if (large) {
        expect("local size in the zip64 field", entry_.size, load_u64(&extra[4]));
        // torch 2.13 writes the header before it knows: 0.
        if (const auto packed = load_u64(&extra[12]); packed != 0) {
          expect("local packed size in the zip64 field", entry_.packed_size, packed);
        }
      }
      if (offset_ >= kFull) {
        expect("local offset in the zip64 field", offset_, load_u64(&extra[values - 4]));
      }
      extra.remove_prefix(values + 4);
    }
    if (extra.size() < 4 || extra.substr(0, 2) != "FB") {
      fail("local extra: expected the field 'FB', which PyTorch pads with");
    }
    expect("padding length", extra.size() - 4, load_u16(&extra[2]));
    if (extra.find_first_not_of('Z', 4) != std::string_view::npos) {
      fail("padding: expected only 'Z' bytes");
    }
  }

  void check_descriptor() {
    const std::uint64_t data = entry_.data_offset;
    if (data > file_.size() || entry_.packed_size > file_.size() - data) {
      fail(cat("expected ", entry_.packed_size, " bytes at byte ", data, ", the file has ",
               file_.size()));
    }
    position_ = data + entry_.packed_size;
    if (entry_.size == 0) return;
    const std::size_t width = zip64_ ? 8 : 4;
    const std::string text = file_.read(position_, 8 + 2 * width);
    const auto size_at = [&](std::size_t at) {
      return zip64_ ? load_u64(&text[at]) : load_u32(&text[at]);
    };
    expect("descriptor signature", kDescriptorSignature, load_u32(&text[0]));
    expect("descriptor CRC", entry_.crc, load_u32(&text[4]));
    expect("descriptor packed size", entry_.packed_size, size_at(8));
    expect("descriptor size", entry_.size, size_at(8 + width));
    position_ += text.size();
  }

  void split_root(std::string& root) {
    const auto slash = entry_.name.find('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == entry_.name.size()) {
      fail("expected a name inside one root folder");
    }
    const std::string_view own = entry_.name.substr(0, slash);
    if (root.empty()) root = std::string(own);
    if (own != root) fail(cat("expected the root folder ", quote(root), ", got ", quote(own)));
    entry_.name.remove_prefix(slash + 1);
    if (entry_.deflated && !entry_.name.starts_with(kDeflatedFolder)) {
      fail("is compressed; only TorchScript's code may be, weights and pickles must be stored");
    }
  }

  std::string_view take(std::size_t count) {
    if (count > directory_.size()) {
      fail(cat("the directory ends early: expected ", count, " bytes, got ", directory_.size()));
    }
    const std::string_view taken = directory_.substr(0, count);
    directory_.remove_prefix(count);
    return taken;
  }

  void expect(std::string_view what, std::uint64_t expected, std::uint64_t got) {
    if (expected != got) fail(cat(what, ": expected ", hex(expected), ", got ", hex(got)));
  }

  [[noreturn]] void fail(std::string_view what) const { file_.fail(cat(where_, ": ", what)); }

  const File& file_;
  std::string_view directory_;
  std::uint64_t position_ = 0;
  std::uint64_t inflated_ = 0;

  ZipEntry entry_;
  std::string where_;
  std::uint64_t offset_ = 0;
  std::uint16_t flags_ = 0;
  std::uint16_t method_ = 0;
  bool zip64_ = false;
};

/// zlib's inflate for raw deflate data, which frees itself.
class Inflater {
 public:
  Inflater() { ok_ = inflateInit2(&stream_, -MAX_WBITS) == Z_OK; }
  ~Inflater() {
    if (ok_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool ok() const { return ok_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool ok_ = false;
};

std::uint32_t update_crc(std::uint32_t crc, const void* bytes, std::size_t count) {
  return static_cast<std::uint32_t>(crc32_z(crc, static_cast<const Bytef*>(bytes), count));
}

/// Inflates `entry` piece by piece; returns the CRC, or says why not in `problem`.
std::uint32_t inflated_crc(const File& file, const ZipEntry& entry, std::string& problem) {
  const auto in = std::make_unique_for_overwrite<char[]>(kChunk);
  const auto out = std::make_unique_for_overwrite<char[]>(kChunk);
  Inflater inflater;
  z_stream& stream = inflater.stream();
  std::uint64_t taken = 0;
  std::uint64_t made = 0;
  std::uint32_t crc = 0;
  int state = inflater.ok() ? Z_OK : Z_MEM_ERROR;
  while (state == Z_OK) {
    if (stream.avail_in == 0 && taken < entry.packed_size) {
      const auto part = std::min<std::uint64_t>(kChunk, entry.packed_size - taken);
      file.read(entry.data_offset + taken, in.get(), part);
      taken += part;
      stream.next_in = reinterpret_cast<Bytef*>(in.get());
      stream.avail_in = static_cast<uInt>(part);
    }
    stream.next_out = reinterpret_cast<Bytef*>(out.get());
    stream.avail_out = static_cast<uInt>(kChunk);
    state = inflate(&stream, Z_NO_FLUSH);
    const std::size_t fresh = kChunk - stream.avail_out;
    made += fresh;
    if (made > entry.size) break;
    crc = update_crc(crc, out.get(), fresh);
  }
  if (state != Z_STREAM_END || made != entry.size) {
    problem = cat("expected deflated data of ", entry.size, " bytes, got ",
                  made > entry.size ? "more" : "less or broken data");
  } else if (taken != entry.packed_size || stream.avail_in != 0) {
    problem = "bytes follow the deflated data";
  }
  return crc;
}

}  // namespace

ZipArchive::ZipArchive(const File& file) : file_(file) {
  const ZipDirectory directory = read_zip_directory(file);
  const std::string bytes = file.read(directory.offset, directory.size);
  EntryReader reader(file, bytes);
  std::size_t length = 0;
  if (directory.entries > bytes.size() / 46) {
    file.fail(cat("zip: ", directory.entries, " entries do not fit a directory of ", bytes.size(),
                  " bytes"));
  }
  entries_.reserve(directory.entries);
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    entries_.push_back(reader.next(root_));
    length += entries_.back().name.size();
  }
  names_.reserve(length);  // and does not move any more
  for (ZipEntry& entry : entries_) {
    const std::size_t at = names_.size();
    names_.insert(names_.end(), entry.name.begin(), entry.name.end());
    entry.name = {names_.data() + at, entry.name.size()};
  }
  if (!reader.done()) file.fail("zip: bytes follow the last directory entry");
  if (reader.position() != directory.offset) {
    file.fail(cat("zip: expected the central directory at byte ", reader.position(),
                  ", where the last entry ends, got ", directory.offset));
  }
  index_names();
}

void ZipArchive::index_names() {
  by_name_.resize(entries_.size());
  for (std::size_t i = 0; i < by_name_.size(); ++i) by_name_[i] = static_cast<std::uint32_t>(i);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](auto a, auto b) { return entries_[a].name < entries_[b].name; });
  for (std::size_t i = 1; i < by_name_.size(); ++i) {
    const ZipEntry& entry = entries_[by_name_[i]];
    if (entry.name == entries_[by_name_[i - 1]].name) fail(entry, "the name is there twice");
  }
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](auto index, auto wanted) { return entries_[index].name < wanted; });
  if (found == by_name_.end() || entries_[*found].name != name) return nullptr;
  return &entries_[*found];
}

void ZipArchive::read(const ZipEntry& entry, void* to) const {
  if (entry.deflated) fail(entry, "is compressed");
  std::uint32_t crc = 0;
  // In pieces, so that the CRC finds the bytes still in the processor's cache.
  for (std::uint64_t at = 0; at < entry.size;) {
    const auto part = std::min<std::uint64_t>(kChunk, entry.size - at);
    char* const piece = static_cast<char*>(to) + at;
    file_.read(entry.data_offset + at, piece, part);
    crc = update_crc(crc, piece, part);
    at += part;
  }
  check_crc(entry, crc);
}

void ZipArchive::verify(const ZipEntry& entry) const {
  if (entry.deflated) {
    std::string problem;
    const std::uint32_t crc = inflated_crc(file_, entry, problem);
    if (!problem.empty()) fail(entry, problem);
    check_crc(entry, crc);
    return;
  }
  const auto piece =
      std::make_unique_for_overwrite<char[]>(std::min<std::uint64_t>(kChunk, entry.size));
  std::uint32_t crc = 0;
  for (std::uint64_t at = 0; at < entry.size;) {
    const auto part = std::min<std::uint64_t>(kChunk, entry.size - at);
    file_.read(entry.data_offset + at, piece.get(), part);
    crc = update_crc(crc, piece.get(), part);
    at += part;
  }
  check_crc(entry, crc);
}

void ZipArchive::check_crc(const ZipEntry& entry, std::uint32_t crc) const {
  if (crc == entry.crc) return;
  // torch.serialization.set_crc32_options(False) makes every CRC 0.
  const bool all_zero = std::all_of(entries_.begin(), entries_.end(),
                                    [](const ZipEntry& other) { return other.crc == 0; });
  fail(entry, cat("expected CRC ", hex(entry.crc), ", got ", hex(crc), ": ",
                  all_zero ? "the file was saved without CRCs, save it again with them"
                           : "the file is damaged"));
}

void ZipArchive::fail(const ZipEntry& entry, std::string_view what) const {
  file_.fail(cat("zip entry ", quote(cat(root_, "/", entry.name)), ": ", what));
}

}  // namespace xattn::io
