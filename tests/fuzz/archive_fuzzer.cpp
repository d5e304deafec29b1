// Archives of PyTorch whose checksums, sizes and offsets are right whatever is in them: without
// that, hardly a mutation comes past the first checksum.
#include <cstring>
#include <random>

#include "fuzz/support/read_weights.h"
#include "fuzz/support/zip_repair.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace {

using xattn::fuzz::PackedEntry;

std::string mutated(const std::string& bytes, std::size_t most) {
  std::string buffer = bytes;
  buffer.resize(std::max(most, bytes.size()) + 1);
  buffer.resize(
      LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(buffer.data()), bytes.size(), most));
  return buffer;
}

void mutate(std::vector<PackedEntry>& entries, std::minstd_rand& random) {
  const auto any = [&]() -> PackedEntry& { return entries[random() % entries.size()]; };
  const auto what = random() % 20;
  if (what < 14) {
    for (auto& entry : entries) {
      if (!entry.name.ends_with("/data.pkl")) continue;
      entry.packed = mutated(entry.packed, entry.packed.size() + 256);
    }
  } else if (what < 16) {
    auto& entry = any();
    entry.packed = mutated(entry.packed, entry.packed.size() + 64);
  } else if (what == 16) {
    auto& name = any().name;
    const auto root = name.find('/') + 1;
    name = name.substr(0, root) + mutated(name.substr(root), 40);
  } else if (what == 17) {
    auto copy = any();
    const auto root = copy.name.substr(0, copy.name.find('/') + 1);
    if (random() % 2 == 0) copy.name = root + (random() % 2 ? "constants.pkl" : "code/x.py");
    entries.insert(entries.begin() + random() % (entries.size() + 1), copy);
  } else if (what == 18 && entries.size() > 1) {
    entries.erase(entries.begin() + random() % entries.size());
  } else {
    std::swap(any(), any());
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  std::minstd_rand random(seed);
  auto entries = xattn::fuzz::unpack_zip({reinterpret_cast<const char*>(data), size});
  // Now and then the structure itself.
  if (entries.empty() || random() % 10 == 0) return LLVMFuzzerMutate(data, size, most);
  mutate(entries, random);
  const auto bytes = xattn::fuzz::pack_zip(entries, random() % 4 == 0 ? random() % 64 : 0);
  if (bytes.size() > most) return size;
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  xattn::fuzz::read_weights(data, size);
  return 0;
}
