#include "io/mistaken.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "core/text.h"

namespace xattn::io {
namespace {

/// The first name, of those in a folder, that begins so.
std::string first_name(const std::filesystem::path& folder, std::string_view start) {
  std::string first;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const auto name = at->path().filename().string();
    if (name.starts_with(start) && (first.empty() || name < first)) first = name;
  }
  return first;
}

}  // namespace

std::string_view mistaken_bytes(std::string_view start) {
  if (start.starts_with("version https://git-lfs.github.com/spec/")) {
    return "is a Git LFS pointer, which stands for the file: run git lfs pull in its repository";
  }
  if (start.starts_with("GGUF")) {
    return "is a GGUF file, quantized weights that are not read: take the model's safetensors";
  }
  const auto text = start.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (text == start.npos) return {};
  for (const std::string_view tag : {"<!doctype html", "<html"}) {
    const auto first = start.substr(text, tag.size());
    const auto same = [](unsigned char a, char b) { return std::tolower(a) == b; };
    if (std::equal(first.begin(), first.end(), tag.begin(), tag.end(), same)) {
      return "is a web page (HTML): download the file itself, on the hub from …/resolve/main/…";
    }
  }
  return {};
}

std::string_view mistaken_tensor(std::string_view name) {
  const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
  if (has("model.diffusion_model.") || has("first_stage_model.") || has("cond_stage_model.")) {
    return "is a single-file checkpoint with Stable Diffusion's own names "
           "(model.diffusion_model.…): in Python, "
           "StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER)";
  }
  for (const auto* part : {"lora_unet_", "lora_te", ".lora_A.", ".lora_B.", ".lora_down.",
                           ".lora_up.", ".lora.down.", ".lora.up."}) {
    if (has(part)) {
      return "is a LoRA, changes to a model and no model: in Python, load_lora_weights(FILE), "
             "fuse_lora() and save_pretrained(FOLDER) of the pipeline";
    }
  }
  return {};
}

std::string_view mistaken_path(const std::string& path) {
  const auto is_letter = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '/';
  };
  const auto slash = path.find('/');
  const auto slashes = std::count(path.begin(), path.end(), '/');
  if (slash == 0 || slash == path.npos || path[0] == '.' || slashes > 2 || path.back() == '/' ||
      !std::all_of(path.begin(), path.end(), is_letter)) {
    return {};
  }
  for (const auto* ending : {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".json"}) {
    if (path.ends_with(ending)) return {};
  }
  std::error_code error;
  if (std::filesystem::exists(path.substr(0, slash), error)) return {};
  return "; if a name on the Hugging Face hub is meant: nothing is downloaded here, so run hf "
         "download with it and give the folder that it prints";
}

std::string mistaken_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path path(folder);
  const auto has = [&](const char* name) { return fs::exists(path / name, error); };
  if (has("model_index.json")) {
    return "is a pipeline's folder: expected a model's, such as its subfolder unet";
  }
  if (has("snapshots")) {
    return cat("is a repository in the hub's cache: expected a model's folder in it, such as ",
               quote(cat("snapshots/", first_name(path / "snapshots", ""), "/unet")));
  }
  if (const auto name = first_name(path, "models--"); !name.empty()) {
    return cat("is the hub's cache: expected a model's folder in it, such as ",
               quote(cat(name, "/snapshots/…/unet")));
  }
  if (has("tokenizer_config.json") || has("tokenizer.json") || has("vocab.json")) {
    return "is a tokenizer's folder, for CLIPTokenizer or xattn tokenize: expected a model's";
  }
  if (has("scheduler_config.json")) return "is a scheduler's folder: expected a model's";
  if (has("preprocessor_config.json")) return "is an image processor's folder: expected a model's";
  if (has("pytorch_lora_weights.safetensors") || has("adapter_config.json")) {
    return std::string(mistaken_tensor("lora_unet_"));
  }
  return {};
}

}  // namespace xattn::io
