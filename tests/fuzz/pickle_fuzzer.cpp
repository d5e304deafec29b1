// One byte, whether it is TorchScript's, then a pickle. Its storages are those of one archive.
#include "fuzz/support/fuzz.h"
#include "fuzz/support/zip_repair.h"
#include "io/flatten.h"
#include "io/pickle.h"
#include "io/zip_archive.h"
#include "xattn/core/error.h"

namespace xattn::fuzz {
namespace {

const io::ZipArchive& storages() {
  static const io::File file("fuzz", [] {
    std::vector<PackedEntry> entries;
    for (int i = 0; i < 12; ++i) {
      entries.push_back({"a/data/" + std::to_string(i), std::string(16, 'x'), false});
    }
    write("storages.pt", pack_zip(entries, 0));
    return folder() + "/storages.pt";
  }());
  static const io::ZipArchive zip(file);
  return zip;
}

void run(std::string bytes, bool torchscript) {
  const io::Subject subject{"fuzz", "file"};
  const auto size = bytes.size();
  const auto& zip = storages();
  try {
    io::Contents contents;
    std::vector<const io::ZipEntry*> used;
    {
      const MemoryBound bound(size + kMostMemory);
      io::Pickle::Options options;
      options.torchscript = torchscript;
      const io::Pickle pickle(subject, "data.pkl", std::move(bytes), options);
      flatten(pickle, zip, contents, used);
    }
    for (const auto& record : contents.tensors) {
      expect(record.storage < used.size(), "a tensor's storage is there");
      check_record(record, used[record.storage]->size);
    }
    check_attributes(contents);
  } catch (const FileError& error) {
    check_message(error.what(), "fuzz");
  }
}

}  // namespace
}  // namespace xattn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  xattn::fuzz::run(std::string(reinterpret_cast<const char*>(data) + 1, size - 1), data[0] & 1);
  return 0;
}
