// A PyTorch archive's entries, below the root folder:
//
//   data.pkl         what was saved; its tensors refer to storages by key
//   data/<key>       the bytes of a storage
//   version          the format's number and a newline, "3\n"
//   byteorder        "little" or "big"; not there before PyTorch 2.1
//   constants.pkl, constants/<n>, code/…     only in TorchScript
//
// Others (.format_version, .storage_alignment, .data/serialization_id, traced_inputs.pkl, extra/…)
// hold nothing of the weights: their checksums are checked and their contents left alone.
#include "io/torch_archive.h"

#include <algorithm>

#include "core/text.h"
#include "io/flatten.h"
#include "io/pickle.h"

namespace xattn::io {
namespace {

constexpr int kOldestVersion = 1;
constexpr int kNewestVersion = 10;

}  // namespace

TorchArchive::TorchArchive(std::unique_ptr<File> file) : file_(std::move(file)), zip_(*file_) {
  check_kind();
  check_version();
  const ZipEntry* const entry = zip_.find("data.pkl");
  std::string bytes(entry->size, '\0');
  zip_.read(*entry, bytes.data());
  // Reading may take the file's size and 64 MiB. The pickle's own bytes are held, half of the rest
  // pays for the directory: the other half lets models of many tensors have many containers.
  Pickle::Options options;
  options.torchscript = contents_.format == CheckpointFormat::kTorchScript;
  options.most_bytes += (file_->size() - bytes.size()) / 2;
  const Pickle pickle(file_->subject(), "data.pkl", std::move(bytes), options);
  flatten(pickle, zip_, contents_, storages_);
}

void TorchArchive::check_kind() {
  if (zip_.find("archive_format") || zip_.find("archive_version") ||
      zip_.find("models/model.json")) {
    file_->fail(
        "is a .pt2 archive of torch.export, which is not read; in Python, save "
        "exported_program.state_dict with torch.save instead");
  }
  if (zip_.find(".data/extern_modules")) {
    file_->fail(
        "is an archive of torch.package, which is not read; in Python, save model.state_dict() "
        "with "
        "torch.save instead");
  }
  if (!zip_.find("data.pkl")) file_->fail("zip: expected an entry 'data.pkl', got none");
  contents_.format =
      zip_.find("constants.pkl") ? CheckpointFormat::kTorchScript : CheckpointFormat::kTorchSave;
}

void TorchArchive::check_version() const {
  std::string version = read_small("version");
  if (version.ends_with('\n')) version.pop_back();
  int number = 0;
  const auto [end, error] =
      std::from_chars(version.data(), version.data() + version.size(), number);
  if (error != std::errc() || end != version.data() + version.size() || number < kOldestVersion ||
      number > kNewestVersion) {
    file_->fail(cat("version: expected ", kOldestVersion, " to ", kNewestVersion, ", got ",
                    quote(version)));
  }
  if (!zip_.find("byteorder")) return;
  if (const std::string order = read_small("byteorder"); order != "little") {
    file_->fail(cat("byteorder: expected 'little', got ", quote(order)));
  }
}

std::string TorchArchive::read_small(std::string_view name) const {
  const ZipEntry* const entry = zip_.find(name);
  if (!entry) file_->fail(cat("zip: expected an entry ", quote(name), ", got none"));
  if (entry->size > 32) zip_.fail(*entry, cat("expected a few bytes, got ", entry->size));
  std::string bytes(entry->size, '\0');
  zip_.read(*entry, bytes.data());
  return bytes;
}

void TorchArchive::read_storage(std::size_t storage, void* to) const {
  zip_.read(*storages_[storage], to);
}

void TorchArchive::verify_rest() const {
  std::vector<const ZipEntry*> used = storages_;
  std::sort(used.begin(), used.end());
  for (const ZipEntry& entry : zip_.entries()) {
    if (!std::binary_search(used.begin(), used.end(), &entry)) zip_.verify(entry);
  }
}

}  // namespace xattn::io
