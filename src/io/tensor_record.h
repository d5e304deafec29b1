#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/pickle.h"
#include "io/weights_file.h"
#include "io/zip_archive.h"

namespace xattn::io {

/// Reads the calls that rebuild tensors (`torch._utils._rebuild_tensor_v2` and its kin) into
/// records.
class TensorReader {
 public:
  /// `shown_name` says the name of the tensor that is read, for messages.
  TensorReader(const Pickle& pickle, const ZipArchive& zip, std::vector<const ZipEntry*>& storages,
               std::function<std::string()> shown_name)
      : pickle_(pickle), zip_(zip), storages_(storages), shown_name_(std::move(shown_name)) {}

  static bool is_tensor(std::string_view callee);

  TensorRecord read(const PickleNode& call);

 private:
  TensorRecord read(const PickleNode& call, int depth);
  void read_storage(const PickleValue& value, TensorRecord& record, std::int64_t& bytes);
  std::vector<std::int64_t> sizes(const PickleValue& value, std::string_view what) const;
  void read_metadata(const PickleValue& value, TensorRecord& record) const;
  void check_bounds(TensorRecord& record, std::int64_t storage_bytes) const;
  const std::vector<PickleValue>& arguments(const PickleNode& call, std::size_t least,
                                            std::size_t most) const;
  [[noreturn]] void fail(std::string_view what) const;

  const Pickle& pickle_;
  const ZipArchive& zip_;
  std::vector<const ZipEntry*>& storages_;
  std::unordered_map<const ZipEntry*, std::size_t> index_;
  std::function<std::string()> shown_name_;
};

}  // namespace xattn::io
