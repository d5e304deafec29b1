// The end of a zip, as PyTorch writes it (offsets in bytes):
//
//   zip64 end record, 56:  0 "PK\6\6"  4 u64 44  12 u16 0x031e  14 u16 45  16 u32 0  20 u32 0
//                          24 u64 entries  32 u64 entries  40 u64 directory size  48 u64 its offset
//   zip64 locator, 20:     0 "PK\6\7"  4 u32 0  8 u64 offset of the record above  16 u32 1
//   end record, 22:        0 "PK\5\6"  4 u16 0  6 u16 0  8 u16 entries  10 u16 entries
//                          12 u32 directory size  16 u32 its offset  20 u16 comment length, 0
//
// Values that do not fit the end record are there all ones. An archive without the zip64 records is
// taken too, if all its values fit.
#include "io/zip_directory.h"

#include <algorithm>

#include "core/text.h"
#include "io/little_endian.h"

namespace xattn::io {
namespace {

constexpr std::uint64_t kEndSize = 22;
constexpr std::uint64_t kLocatorSize = 20;
constexpr std::uint64_t kEnd64Size = 56;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kLocatorSignature = 0x07064b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
// A directory entry takes 46 bytes and more, so the count is bounded by the file's size as well.
constexpr std::uint64_t kMostEntries = 1 << 18;

class EndRecords {
 public:
  explicit EndRecords(const File& file) : file_(file) {}

  ZipDirectory read() {
    if (file_.size() < kEndSize) fail("end record", "22 bytes", cat(file_.size(), " bytes"));
    const std::uint64_t end_at = file_.size() - kEndSize;
    end_ = file_.read(end_at, kEndSize);
    if (load_u32(end_.data()) != kEndSignature) {
      file_.fail(cat("zip: expected the end record at byte ", end_at,
                     ", got other bytes: the file is cut short, or something follows the archive"));
    }
    expect("end record: disk", 0, load_u16(&end_[4]));
    expect("end record: disk of the directory", 0, load_u16(&end_[6]));
    expect("end record: comment length", 0, load_u16(&end_[20]));

    const bool has_zip64 =
        end_at >= kLocatorSize &&
        load_u32(file_.read(end_at - kLocatorSize, 4).data()) == kLocatorSignature;
    const std::uint64_t directory_end = has_zip64 ? read_zip64(end_at) : end_at;
    if (!has_zip64) {
      directory_ = {load_u32(&end_[16]), load_u32(&end_[12]), load_u16(&end_[8])};
    }
    check_totals();
    if (directory_.offset > directory_end || directory_.size != directory_end - directory_.offset) {
      file_.fail(cat("zip: central directory: expected to end at byte ", directory_end, ", got ",
                     directory_.size, " bytes from byte ", directory_.offset));
    }
    if (directory_.entries > kMostEntries) {
      file_.fail(cat("zip: expected at most ", kMostEntries, " entries, got ", directory_.entries));
    }
    if (directory_.entries == 0) file_.fail("zip: expected entries, got an empty archive");
    return directory_;
  }

 private:
  // Returns where the record starts, which is where the directory must end.
  std::uint64_t read_zip64(std::uint64_t end_at) {
    const std::uint64_t locator_at = end_at - kLocatorSize;
    const std::string locator = file_.read(locator_at, kLocatorSize);
    if (locator_at < kEnd64Size) fail("zip64 end record", "56 bytes", "none");
    const std::uint64_t record_at = locator_at - kEnd64Size;
    expect("zip64 locator: disk", 0, load_u32(&locator[4]));
    expect("zip64 locator: offset", record_at, load_u64(&locator[8]));
    expect("zip64 locator: disks", 1, load_u32(&locator[16]));

    const std::string record = file_.read(record_at, kEnd64Size);
    expect("zip64 end record: signature", kEnd64Signature, load_u32(&record[0]));
    expect("zip64 end record: size", kEnd64Size - 12, load_u64(&record[4]));
    expect("zip64 end record: version made by", 0x031e, load_u16(&record[12]));
    expect("zip64 end record: version needed", 45, load_u16(&record[14]));
    expect("zip64 end record: disk", 0, load_u32(&record[16]));
    expect("zip64 end record: disk of the directory", 0, load_u32(&record[20]));
    directory_ = {load_u64(&record[48]), load_u64(&record[40]), load_u64(&record[24])};
    expect("zip64 end record: total entries", directory_.entries, load_u64(&record[32]));
    return record_at;
  }

  void check_totals() {
    const auto entries = std::min<std::uint64_t>(directory_.entries, 0xffff);
    expect("end record: entries", entries, load_u16(&end_[8]));
    expect("end record: total entries", entries, load_u16(&end_[10]));
    expect("end record: directory size", std::min<std::uint64_t>(directory_.size, 0xffffffff),
           load_u32(&end_[12]));
    expect("end record: directory offset", std::min<std::uint64_t>(directory_.offset, 0xffffffff),
           load_u32(&end_[16]));
  }

  void expect(std::string_view what, std::uint64_t expected, std::uint64_t got) {
    if (expected != got) fail(what, std::to_string(expected), std::to_string(got));
  }

  [[noreturn]] void fail(std::string_view what, std::string_view expected, std::string_view got) {
    file_.fail(cat("zip ", what, ": expected ", expected, ", got ", got));
  }

  const File& file_;
  std::string end_;
  ZipDirectory directory_;
};

}  // namespace

ZipDirectory read_zip_directory(const File& file) {
  return EndRecords(file).read();
}

}  // namespace xattn::io
