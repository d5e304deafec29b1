// checkpoint-000500/    NAME.safetensors, …, state.json, and manifest.json, written last
// .tmp-NAME             a folder that is being written, or removed
#include "training/checkpoint_folder.h"

#include <fcntl.h>
#include <stdio.h>  // renameat2
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "core/text.h"
#include "io/atomic_file.h"
#include "io/file.h"
#include "io/json.h"

namespace xattn::training {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kCheckpoint = "checkpoint-";
constexpr std::string_view kTemporary = ".tmp-";
constexpr auto kManifest = "manifest.json";
constexpr std::size_t kStepDigits = 6;

std::string in_folder(const std::string& folder, std::string_view name) {
  return (fs::path(folder) / name).string();
}

std::uint32_t crc32_of(const io::File& file) {
  constexpr std::uint64_t kPart = std::uint64_t{4} << 20;
  std::string part;
  auto checksum = ::crc32(0, nullptr, 0);
  for (std::uint64_t at = 0; at < file.size(); at += part.size()) {
    part.resize(static_cast<std::size_t>(std::min(kPart, file.size() - at)));
    file.read(at, part.data(), part.size());
    checksum = ::crc32(checksum, reinterpret_cast<const Bytef*>(part.data()),
                       static_cast<uInt>(part.size()));
  }
  return static_cast<std::uint32_t>(checksum);
}

/// Some file systems cannot sync a folder; then there is nothing more to be done.
void sync_folder(const std::string& path) {
  const io::Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
}

/// The names in a folder; of one that is not there, none.
std::vector<std::string> names_in(const io::Subject& folder) {
  std::vector<std::string> names;
  if (!io::exists(folder)) return names;
  std::error_code error;
  fs::directory_iterator next(folder.path, error);
  for (; !error && next != fs::directory_iterator(); next.increment(error)) {
    names.push_back(next->path().filename().string());
  }
  if (error) folder.fail(cat("cannot be listed: ", error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

/// The step of a checkpoint's name; −1 for another name.
std::int64_t step_of(const std::string& name) {
  constexpr std::size_t kMostDigits = 18;
  if (!name.starts_with(kCheckpoint)) return -1;
  const auto digits = std::string_view(name).substr(kCheckpoint.size());
  if (digits.empty() || digits.size() > kMostDigits) return -1;
  std::int64_t step = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return -1;
    step = 10 * step + (c - '0');
  }
  return checkpoint_name(step) == name ? step : -1;
}

/// Gives a folder another's name, and the other its own.
bool exchange_folders(const std::string& one, const std::string& other) {
#ifdef RENAME_EXCHANGE
  return ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0;
#else
  return false;
#endif
}

}  // namespace

std::string checkpoint_name(std::int64_t step) {
  const auto digits = std::to_string(step);
  return cat(kCheckpoint, std::string(kStepDigits - std::min(kStepDigits, digits.size()), '0'),
             digits);
}

std::vector<std::pair<std::int64_t, std::string>> checkpoints_in(const io::Subject& folder) {
  std::vector<std::pair<std::int64_t, std::string>> found;
  for (const auto& name : names_in(folder)) {
    if (const auto step = step_of(name); step >= 0) found.emplace_back(step, name);
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

void write_manifest(const std::string& place, const std::string& folder) {
  json files = json::object();
  for (const auto& name : names_in({place, folder})) {
    const io::File file(place, in_folder(folder, name));
    files[name] = {{"bytes", file.size()}, {"crc32", crc32_of(file)}};
  }
  io::write_file(place, in_folder(folder, kManifest), json{{"files", files}}.dump(1) + "\n");
}

std::vector<std::string> read_manifest(const std::string& place, const std::string& folder) {
  const io::File manifest(place, in_folder(folder, kManifest));
  const auto object = io::read_json_object(manifest);
  const auto files = object.find("files");
  if (files == object.end() || !files->is_object()) manifest.fail("files: expected an object");
  std::vector<std::string> names;
  for (const auto& [name, facts] : files->items()) {
    const bool is_plain = !name.empty() && name.find('/') == std::string::npos &&
                          name.find('\0') == std::string::npos && name != "..";
    const auto number = [&, &facts = facts](const char* key) {
      const bool is_there = facts.is_object() && facts.contains(key);
      return is_there && facts[key].is_number_unsigned();
    };
    if (!is_plain || !number("bytes") || !number("crc32")) {
      manifest.fail(cat("files: ", quote(name), ": expected a name, bytes and crc32, got ",
                        io::shown(facts)));
    }
    const io::File file(place, in_folder(folder, name));
    if (const auto bytes = facts["bytes"].get<std::uint64_t>(); file.size() != bytes) {
      file.fail(cat("expected ", bytes, " bytes, as the manifest says, got ", file.size()));
    }
    const auto checksum = crc32_of(file);
    if (const auto expected = facts["crc32"].get<std::uint64_t>(); checksum != expected) {
      file.fail(cat("expected the checksum ", hex(expected), ", as the manifest says, got ",
                    hex(checksum)));
    }
    names.push_back(name);
  }
  return names;
}

AtomicFolder::AtomicFolder(std::string place, std::string parent, std::string name)
    : subject_{std::move(place), in_folder(parent, name)},
      parent_(std::move(parent)),
      temporary_(in_folder(parent_, cat(kTemporary, name))) {
  io::make_folder({subject_.place, parent_});
  std::error_code error;
  for (const auto& left : names_in({subject_.place, parent_})) {
    if (left.starts_with(cat(kTemporary, kCheckpoint))) {
      fs::remove_all(in_folder(parent_, left), error);
    }
  }
  if (!fs::create_directory(temporary_, error)) {
    subject_.fail(cat("cannot be made: ", error ? error.message() : "something is in its place"));
  }
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  sync_folder(temporary_);
  const auto& target = subject_.path;
  std::error_code error;
  if (::rename(temporary_.c_str(), target.c_str()) == 0) {  // which an empty folder does not hinder
    temporary_.clear();
  } else if (errno == ENOTEMPTY || errno == EEXIST) {
    if (!exchange_folders(temporary_, target)) {
      const auto aside = temporary_ + "-old";
      fs::rename(target, aside, error);
      if (!error) fs::rename(temporary_, target, error);
      if (error) subject_.fail(cat("cannot take the place of the old one: ", error.message()));
      temporary_ = aside;
    }
    sync_folder(parent_);
    fs::remove_all(temporary_, error);  // the old one
    temporary_.clear();
  } else {
    subject_.fail(cat("cannot be given its name: ", std::strerror(errno)));
  }
  sync_folder(parent_);
}

void remove_folder(const std::string& place, const std::string& parent, const std::string& name) {
  std::error_code error;
  const auto aside = in_folder(parent, cat(kTemporary, name));
  fs::rename(in_folder(parent, name), aside, error);
  if (error)
    io::Subject{place, in_folder(parent, name)}.fail("cannot be removed: " + error.message());
  fs::remove_all(aside, error);  // what cannot be removed now, the next save tries again
}

}  // namespace xattn::training
