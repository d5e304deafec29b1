// A model's folder, as diffusers' or transformers' save_pretrained writes it:
//
//   config.json
//   diffusion_pytorch_model.safetensors      transformers: model.safetensors
//   diffusion_pytorch_model.bin              transformers: pytorch_model.bin
//
// or, instead of one file, shards and an index {"metadata": …, "weight_map": {"key": "file", …}}
// beside them. A variant ("fp16") stands before the last dot: ….fp16.safetensors,
// ….safetensors.index.fp16.json.
#include "pretrained/folder.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>
#include <vector>

#include "core/text.h"
#include "io/json.h"
#include "io/mistaken.h"

namespace xattn::pretrained {
namespace {

std::string join(const std::string& folder, std::string_view name) {
  return folder.empty() || folder.ends_with('/') ? cat(folder, name) : cat(folder, '/', name);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += cat(text.empty() ? "" : ", ", name);
  return text;
}

std::string with_variant(std::string name, const std::string& variant) {
  if (!variant.empty()) name.insert(name.rfind('.'), "." + variant);
  return name;
}

std::string stem(Library library, bool safetensors) {
  if (library == Library::kDiffusers) return "diffusion_pytorch_model";
  return safetensors ? "model" : "pytorch_model";
}

/// What the library looks for, first to last.
std::vector<std::string> candidates(Library library, const std::string& variant) {
  std::vector<std::string> names;
  for (const bool safetensors : {true, false}) {
    const auto file = stem(library, safetensors) + (safetensors ? ".safetensors" : ".bin");
    names.push_back(with_variant(file, variant));
    names.push_back(with_variant(file + ".index.json", variant));
    // diffusers looks for shards first.
    if (library == Library::kDiffusers) std::swap(names.back(), names[names.size() - 2]);
  }
  return names;
}

/// The files in the folder that look like weights, for an error.
std::string weights_there(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const auto name = at->path().filename().string();
    if (name.ends_with(".safetensors") || name.ends_with(".bin") || name.ends_with(".index.json")) {
      names.push_back(quote(name));
    }
  }
  std::sort(names.begin(), names.end());
  if (names.size() > 8) names.resize(8);
  return names.empty() ? "none" : "only " + listed(names);
}

/// Which keys an index gives to each shard, in their order. They are the JSON's own texts.
using Shards = std::map<std::string_view, std::vector<std::string_view>>;

Shards read_index(const io::File& file, const nlohmann::json& index) {
  const auto found = index.find("weight_map");
  if (found == index.end() || !found->is_object() || found->empty()) {
    file.fail("expected a weight_map that gives each tensor's file");
  }
  Shards shards;
  for (auto item = found->begin(); item != found->end(); ++item) {
    const auto& key = item.key();
    if (!item->is_string()) {
      file.fail(cat("weight_map: ", quote(key), ": expected the name of a file"));
    }
    const auto& name = item->get_ref<const std::string&>();
    if (name.empty() || name == "." || name == ".." ||
        name.find_first_of(std::string_view("/\0", 2)) != name.npos) {
      file.fail(
          cat("weight_map: ", quote(key), ": expected a file of this folder, got ", quote(name)));
    }
    shards[name].push_back(key);
  }
  return shards;
}

/// Throws where a shard holds other tensors than the index says.
void check_keys(const io::File& index, std::string_view shard,
                const std::vector<std::string_view>& keys, const io::WeightsFile& weights) {
  std::vector<bool> is_there(keys.size());
  for (const auto& record : weights.contents().tensors) {
    const auto found = std::lower_bound(keys.begin(), keys.end(), record.name);
    if (found == keys.end() || *found != record.name) {
      index.fail(cat("the shard ", quote(shard), " holds the tensor ", quote(record.name),
                     ", which the index does not place there"));
    }
    is_there[static_cast<std::size_t>(found - keys.begin())] = true;
  }
  const auto lacking = std::count(is_there.begin(), is_there.end(), false);
  if (lacking == 0) return;
  const auto first = std::find(is_there.begin(), is_there.end(), false) - is_there.begin();
  index.fail(cat("the shard ", quote(shard), " lacks ", lacking, " of its tensors, such as ",
                 quote(keys[static_cast<std::size_t>(first)])));
}

std::vector<std::unique_ptr<io::WeightsFile>> open_shards(const std::string& place,
                                                          const std::string& folder,
                                                          const std::string& path) {
  const io::File file(place, path);
  const auto index = io::read_json_object(file);
  const auto shards = read_index(file, index);
  for (const auto& [name, keys] : shards) {
    if (!io::exists({place, join(folder, name)})) {
      file.fail(cat("names the shard ", quote(name), ", which is not in the folder"));
    }
  }
  std::vector<std::unique_ptr<io::WeightsFile>> files;
  for (const auto& [name, keys] : shards) {
    files.push_back(io::WeightsFile::open(place, join(folder, name)));
    check_keys(file, name, keys, *files.back());
  }
  return files;
}

/// Throws where something else than a model's folder is there, and says what.
void refuse_others(const io::Subject& subject) {
  std::error_code error;
  if (!std::filesystem::exists(subject.path, error)) {
    const auto mistake = io::mistaken_path(subject.path);
    if (!mistake.empty()) subject.fail(cat("no such folder", mistake));
  }
  if (std::filesystem::is_regular_file(subject.path, error)) {
    const auto file = io::WeightsFile::open(subject.place, subject.path);
    for (const auto& record : file->contents().tensors) {
      const auto mistake = io::mistaken_tensor(record.name);
      if (!mistake.empty()) subject.fail(mistake);
    }
    subject.fail("is a file: expected a folder that save_pretrained wrote");
  }
  const auto mistake = io::mistaken_folder(subject.path);
  if (!mistake.empty()) subject.fail(mistake);
}

}  // namespace

FolderConfig read_folder_config(const std::string& place, const std::string& folder) {
  FolderConfig config;
  config.path = join(folder, "config.json");
  if (!io::exists({place, config.path})) refuse_others({place, folder});
  const io::File file(place, config.path);
  config.text = io::read_text(file);
  const auto json = io::read_json_object(file.subject(), config.text);
  if (const auto name = json.find("_class_name"); name != json.end() && name->is_string()) {
    config.classes.push_back(name->get<std::string>());
    return config;
  }
  const auto names = json.find("architectures");
  if (names != json.end() || json.contains("model_type")) config.library = Library::kTransformers;
  if (names != json.end() && names->is_array()) {
    for (const auto& name : *names) {
      if (name.is_string()) config.classes.push_back(name.get<std::string>());
    }
  }
  return config;
}

std::string weights_file(Library library, const std::string& variant) {
  return with_variant(stem(library, true) + ".safetensors", variant);
}

std::string weights_shard(Library library, const std::string& variant, std::size_t number,
                          std::size_t count) {
  const auto digits = [](std::size_t value) {
    const auto text = std::to_string(value);
    return std::string(text.size() < 5 ? 5 - text.size() : 0, '0') + text;
  };
  auto name = weights_file(library, variant);
  return name.insert(name.rfind('.'), cat('-', digits(number), "-of-", digits(count)));
}

std::string weights_index(Library library, const std::string& variant) {
  return with_variant(stem(library, true) + ".safetensors.index.json", variant);
}

std::vector<std::unique_ptr<io::WeightsFile>> open_weights(const std::string& place,
                                                           const std::string& folder,
                                                           Library library,
                                                           const std::string& variant) {
  const io::Subject subject{place, folder};
  if (variant.find_first_of(std::string_view("/\0", 2)) != variant.npos) {
    subject.fail(cat("variant: expected a word such as fp16, got ", quote(variant)));
  }
  const auto names = candidates(library, variant);
  for (const auto& name : names) {
    const auto path = join(folder, name);
    if (!io::exists({place, path})) continue;
    if (name.ends_with(".json")) return open_shards(place, folder, path);
    std::vector<std::unique_ptr<io::WeightsFile>> files;
    files.push_back(io::WeightsFile::open(place, path));
    return files;
  }
  subject.fail(cat("expected one of the files ", listed(names), ", got ", weights_there(folder)));
}

}  // namespace xattn::pretrained
