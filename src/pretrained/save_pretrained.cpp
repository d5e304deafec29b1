#include "xattn/pretrained/save_pretrained.h"

#include <fmt/format.h>
#include <torch/nn/module.h>

#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "io/atomic_file.h"
#include "io/json.h"
#include "pretrained/folder.h"
#include "xattn/core/error.h"
#include "xattn/io/safetensors.h"
#include "xattn/io/state_dict.h"

namespace xattn {
namespace {

constexpr auto kSavePretrained = "save_pretrained";
namespace fs = std::filesystem;

/// The tensors of each file; a tensor larger than a file has one of its own, as in Python.
std::vector<StateDict> split(const StateDict& tensors, int64_t max_shard_size) {
  std::vector<StateDict> alone, shards(1);
  int64_t size = 0;
  for (const auto& item : tensors) {
    const auto bytes = static_cast<int64_t>(item.value().nbytes());
    if (bytes > max_shard_size) {
      alone.emplace_back();
      alone.back().insert(item.key(), item.value());
      continue;
    }
    if (size + bytes > max_shard_size && !shards.back().is_empty()) {
      shards.emplace_back();
      size = 0;
    }
    shards.back().insert(item.key(), item.value());
    size += bytes;
  }
  if (shards.back().is_empty() && !alone.empty()) shards.pop_back();
  shards.insert(shards.end(), alone.begin(), alone.end());
  return shards;
}

/// Whether a name is `start`, "-00001-of-00003" of any numbers, `end`.
bool is_shard(const std::string& name, const std::string& start, const std::string& end) {
  if (name.size() != start.size() + 15 + end.size() || !name.starts_with(start) ||
      !name.ends_with(end))
    return false;
  auto middle = name.substr(start.size(), 15);
  for (auto& c : middle) {
    if (std::isdigit(static_cast<unsigned char>(c))) c = '0';
  }
  return middle == "-00000-of-00000";
}

/// Removes the weights of an earlier save that Python, or we, would take for these.
void remove_stale(const fs::path& folder, pretrained::Library library, const std::string& variant,
                  const std::set<std::string>& written) {
  const auto file = pretrained::weights_file(library, variant);
  const auto start = file.substr(0, file.rfind('.')), end = file.substr(file.rfind('.'));
  const auto index = pretrained::weights_index(library, variant);
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    const bool ours = name == file || name == index || is_shard(name, start, end);
    if (ours && written.count(name) == 0) stale.push_back(entry.path());
  }
  for (const auto& path : stale) fs::remove(path);
}

}  // namespace

namespace detail {

void save_pretrained(const torch::nn::Module& module, const std::string& class_name,
                     const std::string& config, const std::string& folder,
                     const SavePretrainedOptions& options) {
  if (options.max_shard_size < 1) {
    throw ValueError(fmt::format("[{}] max_shard_size: expected 1 or more, got {}", kSavePretrained,
                                 options.max_shard_size));
  }
  auto fields = io::parse_json(config).value;
  const bool is_diffusers = fields.contains("_class_name");
  const auto library =
      is_diffusers ? pretrained::Library::kDiffusers : pretrained::Library::kTransformers;
  // Two classes may share a config.
  if (!is_diffusers) fields["architectures"] = {class_name};
  const auto tensors = state_dict(module);
  const auto shards = split(tensors, options.max_shard_size);
  try {
    io::make_folder({kSavePretrained, folder});
    const fs::path root = folder;
    std::set<std::string> written;
    nlohmann::ordered_json index;
    int64_t total = 0;
    for (size_t i = 0; i < shards.size(); ++i) {
      const auto name = shards.size() == 1 ? pretrained::weights_file(library, options.variant)
                                           : pretrained::weights_shard(library, options.variant,
                                                                       i + 1, shards.size());
      save_safetensors((root / name).string(), shards[i], {{"format", "pt"}});
      written.insert(name);
      for (const auto& item : shards[i]) {
        index["weight_map"][item.key()] = name;
        total += static_cast<int64_t>(item.value().nbytes());
      }
    }
    if (shards.size() > 1) {
      index["metadata"]["total_size"] = total;
      const auto name = pretrained::weights_index(library, options.variant);
      io::write_file(kSavePretrained, (root / name).string(), index.dump(2) + "\n");
      written.insert(name);
    }
    io::write_file(kSavePretrained, (root / "config.json").string(), fields.dump(2) + "\n");
    remove_stale(root, library, options.variant, written);
  } catch (const fs::filesystem_error& error) {
    throw FileError(fmt::format("[{}] {}: {}", kSavePretrained, folder, error.code().message()));
  }
}

}  // namespace detail
}  // namespace xattn
