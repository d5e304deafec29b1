// config.json and an index of shards, apart by 0xff; two good shards lie beside them.
#include "core/text.h"
#include "core/utf8.h"
#include "fuzz/support/fuzz.h"
#include "pretrained/folder.h"
#include "xattn/core/error.h"

namespace xattn::fuzz {
namespace {

void write_shard(const std::string& name) {
  const auto json = cat("{\"", name, "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
  std::string file(8, '\0');
  file[0] = static_cast<char>(json.size());
  write(name + ".safetensors", file + json + "x");
}

void run(const std::vector<std::string_view>& parts) {
  static const bool shards_are_there = [] {
    write_shard("a");
    write_shard("b");
    return true;
  }();
  static_cast<void>(shards_are_there);
  const auto index = parts.size() > 1 ? parts[1] : std::string_view();
  write("config.json", parts[0]);
  write("diffusion_pytorch_model.safetensors.index.json", index);
  write("model.safetensors.index.fp16.json", index);
  const MemoryBound bound(parts[0].size() + index.size() + kMostMemory);
  auto library = pretrained::Library::kDiffusers;
  try {
    const auto config = pretrained::read_folder_config("fuzz", folder());
    library = config.library;
    for (const auto& name : config.classes) expect(is_utf8(name), "a class is UTF-8");
  } catch (const FileError& error) {
    check_message(error.what(), "fuzz");
  }
  try {
    const bool diffusers = library == pretrained::Library::kDiffusers;
    for (const auto& file : open_weights("fuzz", folder(), library, diffusers ? "" : "fp16")) {
      for (const auto& record : file->contents().tensors) {
        check_record(record, file->storage_size(record.storage));
      }
    }
  } catch (const FileError& error) {
    check_message(error.what(), "fuzz");
  }
}

}  // namespace
}  // namespace xattn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  xattn::fuzz::run(xattn::fuzz::parts_of(data, size));
  return 0;
}
