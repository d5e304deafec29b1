#include "dataset.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <xattn/core/error.h>
#include <xattn/images/png.h>

#include <atomic>
#include <exception>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "captions.h"
#include "evaluation.h"
#include "io/atomic_file.h"
#include "pixels.h"
#include "renderer.h"

namespace bada {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Picture i of a data set has a seed of its own.
uint64_t picture_seed(uint64_t seed, int64_t index) {
  return mix_seed(seed, static_cast<uint64_t>(index));
}

std::string picture_name(int64_t index) {
  return fmt::format("{:06}.png", index + 1);
}

void add_scene(Json& line, const Scene& scene) {
  line["sky"] = name(scene.sky);
  line["ground"] = name(scene.ground);
  line["thing"] = name(scene.thing);
}

void make_folder(const DatasetOptions& options) {
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error || !fs::is_directory(options.folder))
    throw xattn::FileError(
        fmt::format("[bada] {}: expected a folder, or a place for one", options.folder));
  const bool is_empty = fs::is_empty(options.folder, error);
  if (error) throw xattn::FileError(fmt::format("[bada] {}: cannot be read", options.folder));
  if (!is_empty && !options.force) {
    throw xattn::ValueError(
        fmt::format("[bada] {}: expected an empty folder, got one with files; with --force they "
                    "are written over",
                    options.folder));
  }
}

}  // namespace

void write_dataset(const DatasetOptions& options, const std::function<void(int64_t)>& progress) {
  make_folder(options);
  const fs::path folder(options.folder);
  const auto metadata = (folder / "metadata.jsonl").string();
  // While pictures change, nothing tells of them.
  std::error_code error;
  fs::remove(metadata, error);

  std::atomic<int64_t> next{0};
  int64_t done = 0;
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (int64_t i = next++; i < options.count; i = next++) {
        const auto seed = picture_seed(options.seed, i);
        xattn::save_png((folder / picture_name(i)).string(),
                        to_tensor(render(sample_scene(seed), seed)));
        const std::lock_guard lock(mutex);
        progress(++done);
      }
    } catch (...) {
      next = options.count;
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) others.emplace_back(work);
  work();
  for (auto& other : others) other.join();
  if (failure) std::rethrow_exception(failure);

  std::string lines;
  for (int64_t i = 0; i < options.count; ++i) {
    const auto seed = picture_seed(options.seed, i);
    const auto scene = sample_scene(seed);
    Json line{{"file_name", picture_name(i)}, {"text", captions(scene, options.captions, seed)}};
    add_scene(line, scene);
    lines += line.dump() + "\n";
  }
  xattn::io::write_file("bada", metadata, lines);
}

void write_contact_sheet(const std::string& path, uint64_t seed) {
  constexpr int kColumns = 8, kRows = 5;
  auto sheet = at::empty({kRows * kSize, kColumns * kSize, 3}, at::kByte);
  for (int i = 0; i < kColumns * kRows; ++i) {
    const auto own = picture_seed(seed, i);
    sheet.narrow(0, i / kColumns * kSize, kSize)
        .narrow(1, i % kColumns * kSize, kSize)
        .copy_(to_tensor(render(sample_scene(own), own)));
  }
  xattn::save_png(path, sheet);
}

void write_prompts(const std::string& path) {
  std::string lines;
  for (const auto& prompt : evaluation_prompts()) {
    Json line{{"text", prompt.text},
              {"language", prompt.language == Language::kEnglish ? "en" : "ko"}};
    add_scene(line, prompt.scene);
    line["held_out"] = prompt.held_out;
    lines += line.dump() + "\n";
  }
  xattn::io::write_file("bada", path, lines);
}

}  // namespace bada
