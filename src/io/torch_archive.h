#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/weights_file.h"
#include "io/zip_archive.h"

namespace xattn::io {

/// A zip of `torch.save` or `torch.jit.save`: its pickle is read into tensor records and
/// attributes.
class TorchArchive : public WeightsFile {
 public:
  explicit TorchArchive(std::unique_ptr<File> file);

  const Contents& contents() const override { return contents_; }
  std::size_t storage_count() const override { return storages_.size(); }
  std::uint64_t storage_size(std::size_t storage) const override {
    return storages_[storage]->size;
  }
  void read_storage(std::size_t storage, void* to) const override;
  void verify_storage(std::size_t storage) const override { zip_.verify(*storages_[storage]); }
  void verify_rest() const override;

 private:
  void check_kind();
  void check_version() const;
  std::string read_small(std::string_view name) const;

  std::unique_ptr<File> file_;
  ZipArchive zip_;
  Contents contents_;
  std::vector<const ZipEntry*> storages_;
};

}  // namespace xattn::io
