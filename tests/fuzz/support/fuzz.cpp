#include "fuzz/support/fuzz.h"

#include <fcntl.h>
#include <sanitizer/allocator_interface.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <variant>

#include "core/text.h"
#include "core/utf8.h"

extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, size_t),
                                                         void (*)(const volatile void*));

namespace xattn::fuzz {
namespace {

std::size_t live_bytes = 0, peak_bytes = 0;

void count_allocation(const volatile void*, std::size_t size) {
  live_bytes += size;
  if (live_bytes > peak_bytes) peak_bytes = live_bytes;
}

void count_release(const volatile void* memory) {
  if (!memory) return;
  const auto size = __sanitizer_get_allocated_size(const_cast<const void*>(memory));
  live_bytes -= size < live_bytes ? size : live_bytes;
}

void write_all(int descriptor, const void* data, std::size_t size) {
  if (::write(descriptor, data, size) != static_cast<ssize_t>(size)) broken("cannot write");
}

}  // namespace

void broken(std::string_view promise) {
  std::fprintf(stderr, "BROKEN: %.*s\n", static_cast<int>(promise.size()), promise.data());
  std::abort();
}

MemoryBound::MemoryBound(std::size_t most_bytes) : most_bytes_(most_bytes) {
  static const int installed =
      __sanitizer_install_malloc_and_free_hooks(count_allocation, count_release);
  static_cast<void>(installed);
  before_ = peak_bytes = live_bytes;
}

MemoryBound::~MemoryBound() {
  if (peak_bytes > before_ + most_bytes_) {
    broken(cat("memory: expected at most ", most_bytes_, " bytes, got ", peak_bytes - before_));
  }
}

std::string file_of(const std::uint8_t* data, std::size_t size) {
  static const int descriptor = ::memfd_create("fuzz", 0);
  if (::ftruncate(descriptor, 0) != 0 || ::lseek(descriptor, 0, SEEK_SET) != 0) broken("no file");
  write_all(descriptor, data, size);
  return cat("/proc/self/fd/", descriptor);
}

const std::string& folder() {
  struct Folder {
    std::string path = "/dev/shm/xattn-fuzz-XXXXXX";
    Folder() {
      if (!::mkdtemp(path.data())) broken("no folder");
    }
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static const Folder made;
  return made.path;
}

void write(std::string_view name, std::string_view bytes) {
  const auto path = cat(folder(), '/', name);
  if (bytes.empty()) {
    ::unlink(path.c_str());
    return;
  }
  const int descriptor = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  write_all(descriptor, bytes.data(), bytes.size());
  ::close(descriptor);
}

std::vector<std::string_view> parts_of(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = rest.find('\xff');
    parts.push_back(rest.substr(0, end));
    if (end == rest.npos) return parts;
    rest.remove_prefix(end + 1);
  }
}

void check_message(const char* message, std::string_view place) {
  expect(is_utf8(message), "a message is UTF-8");
  expect(std::string_view(message).starts_with(cat('[', place, "] ")), "a message says where");
  expect(std::string_view(message).size() < 2000, "a message is short");
}

void check_record(const io::TensorRecord& record, std::uint64_t storage_bytes) {
  using Wide = __int128;
  expect(is_utf8(record.name), "a name is UTF-8");
  expect(record.shape.size() == record.strides.size(), "a stride for each size");
  expect(record.offset >= 0, "an offset is not negative");
  Wide last = record.offset;
  bool empty = false;
  for (std::size_t i = 0; i < record.shape.size(); ++i) {
    expect(record.shape[i] >= 0 && record.strides[i] >= 0, "sizes and strides are not negative");
    empty |= record.shape[i] == 0;
    last += Wide{record.shape[i] - 1} * record.strides[i];
  }
  expect(empty || (last + 1) * item_size(record.dtype) <= Wide{storage_bytes},
         "a tensor lies in its storage");
}

void check_attributes(const io::Contents& contents) {
  for (const auto& [name, value] : contents.attributes) {
    expect(is_utf8(name), "a name is UTF-8");
    const auto* text = std::get_if<std::string>(&value);
    expect(!text || is_utf8(*text), "an attribute is UTF-8");
  }
}

}  // namespace xattn::fuzz
