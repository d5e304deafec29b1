#include "io/weights_file.h"

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>

#include "core/text.h"
#include "io/hash_buckets.h"
#include "io/little_endian.h"
#include "io/mistaken.h"
#include "io/safetensors_file.h"
#include "io/torch_archive.h"

namespace xattn::io {
namespace {

using namespace std::string_view_literals;

struct Refused {
  std::string_view magic;
  std::size_t offset;
  std::string_view what;
};

constexpr std::string_view kAdvice =
    "; in Python, load it and save model.state_dict() again with torch.save, or as safetensors";

constexpr Refused kRefused[] = {
    {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv, 0,
     "is a torch.save file from before PyTorch 1.6 (not a zip), which is not read"},
    {"PYTORCH1"sv, 0, "is an archive of a PyTorch preview release, which is not read"},
    {"\x80\x02"sv, 0, "is a bare pickle, which is not read"},
    {"\x80\x03"sv, 0, "is a bare pickle, which is not read"},
    {"\x80\x04"sv, 0, "is a bare pickle, which is not read"},
    {"\x80\x05"sv, 0, "is a bare pickle, which is not read"},
    {"ustar"sv, 257, "is a tar archive, as PyTorch wrote before 0.1.10, which is not read"},
    {"\x89HDF\r\n\x1a\n"sv, 0, "is an HDF5 (Keras) file, which is not read"},
    {"\x93NUMPY"sv, 0, "is a NumPy array, which is not read"},
};

// Formats that are zips too, by the first entry's name.
constexpr std::pair<std::string_view, std::string_view> kRefusedZips[] = {
    {"serialized_exported_program", "is a .pt2 archive of torch.export, which is not read"},
    {"serialized_state_dict", "is a .pt2 archive of torch.export, which is not read"},
    {"version", "is a zip that PyTorch did not write (a .pt2 archive of torch.export?)"},
    {".npy", "is a NumPy .npz archive, which is not read"},
};

constexpr std::uint64_t kLargestHeader = 100'000'000;

void refuse_foreign_zip(const File& file) {
  const std::string fixed = file.read(0, std::min<std::uint64_t>(file.size(), 30));
  if (fixed.size() < 30) return;
  const std::uint64_t length = load_u16(&fixed[26]);
  const std::string name = file.read(30, std::min<std::uint64_t>(file.size() - 30, length));
  if (name.find('/') != std::string::npos) return;  // inside a root folder, as PyTorch's are
  for (const auto& [part, what] : kRefusedZips) {
    if (name.find(part) != std::string::npos) file.fail(cat(what, kAdvice));
  }
}

std::unique_ptr<WeightsFile> open_by_content(std::unique_ptr<File> file) {
  if (file->size() == 0) file->fail("is empty");
  const std::string start = file->read(0, std::min<std::uint64_t>(file->size(), 512));
  // A safetensors file begins with its header's length, and no magic below is a length that it may
  // have.
  const bool brace = start.size() > 8 && start[8] == '{';
  if (brace && load_u64(start.data()) <= kLargestHeader) {
    return std::make_unique<SafetensorsFile>(std::move(file));
  }
  if (start.starts_with("PK\3\4")) {
    refuse_foreign_zip(*file);
    return std::make_unique<TorchArchive>(std::move(file));
  }
  if (const auto mistake = mistaken_bytes(start); !mistake.empty()) file->fail(mistake);
  for (const Refused& refused : kRefused) {
    if (std::string_view(start)
            .substr(std::min(refused.offset, start.size()))
            .starts_with(refused.magic)) {
      file->fail(cat(refused.what, kAdvice));
    }
  }
  if (brace) return std::make_unique<SafetensorsFile>(std::move(file));
  file->fail(
      cat("is no file of weights that is known: expected a zip of torch.save or torch.jit.save, "
          "or safetensors, got a file that begins with ",
          quote(start.substr(0, 16))));
}

void refuse_colliding_names(const Subject& subject, const Contents& contents) {
  HashBuckets buckets(contents.tensors.size());
  for (const auto& tensor : contents.tensors) {
    if (buckets.add(tensor.name)) continue;
    subject.fail(cat("tensor ", quote(tensor.name), ": ", HashBuckets::kProblem));
  }
}

}  // namespace

void WeightsFile::read_piece(std::size_t, std::uint64_t, void*, std::size_t) const {
  throw std::logic_error("read_piece: the format has none");
}

std::unique_ptr<WeightsFile> WeightsFile::open(std::string place, const std::string& path) {
  const Subject subject{std::move(place), path};
  auto file = open_by_content(std::make_unique<File>(subject.place, path));
  refuse_colliding_names(subject, file->contents());
  return file;
}

bool contiguous_bytes(const std::vector<std::int64_t>& shape, DType dtype, std::int64_t& bytes) {
  std::int64_t product = item_size(dtype);
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) return false;
    empty |= size == 0;
    if (__builtin_mul_overflow(product, std::max<std::int64_t>(size, 1), &product)) return false;
  }
  bytes = empty ? 0 : product;
  return true;
}

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i > 0; --i) {
    strides[i - 1] = stride;
    stride *= std::max<std::int64_t>(shape[i - 1], 1);
  }
  return strides;
}

}  // namespace xattn::io
