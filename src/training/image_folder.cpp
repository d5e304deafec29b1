#include "xattn/training/image_folder.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "core/text.h"
#include "images/jpeg_reader.h"
#include "images/orientation.h"
#include "images/picture_format.h"
#include "images/png_reader.h"
#include "training/image_folder_layouts.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

using training::FolderEntry;

constexpr auto kReadFolder = "read_image_folder";

template <class Reader>
void check_pixels_of(const io::File& file, PictureCheck check, int64_t max_pixels) {
  Reader reader(file, max_pixels);
  if (check == PictureCheck::kHeader) return;
  std::vector<std::uint8_t> pixels(reader.size().bytes());
  reader.read(pixels.data());
}

void check_picture(FolderEntry& entry, PictureCheck check, int64_t max_pixels) {
  if (!entry.problem.empty()) return;
  try {
    const io::File file(kReadFolder, entry.picture.path);
    images::picture_format(file) == images::PictureFormat::kPng
        ? check_pixels_of<images::PngReader>(file, check, max_pixels)
        : check_pixels_of<images::JpegReader>(file, check, max_pixels);
    images::orientation(file);
  } catch (const FileError& error) {
    entry.problem = entry.named_by + without_place(error.what());
  }
}

/// Calls `work` with 0 … count − 1, on all processors. What it throws is thrown here.
void for_each_index(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr problem;
  std::mutex mutex;
  const auto run = [&] {
    try {
      for (auto i = next++; i < count; i = next++) work(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      problem = std::current_exception();
      next = count;
    }
  };
  constexpr std::size_t kWorthAThread = 32;
  const auto most = std::min<std::size_t>(std::thread::hardware_concurrency(),
                                          (count + kWorthAThread - 1) / kWorthAThread);
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < most; ++i) {
    try {
      threads.emplace_back(run);
    } catch (const std::system_error&) {
      break;  // fewer threads do it too
    }
  }
  run();
  for (auto& thread : threads) thread.join();
  if (problem) std::rethrow_exception(problem);
}

std::string problems_of(const std::vector<std::string>& problems, std::size_t entries) {
  constexpr std::size_t kShown = 10;
  auto text = problems.size() == 1
                  ? std::string()
                  : cat(problems.size(), " of ", entries, " pictures cannot be used: ");
  for (std::size_t i = 0; i < std::min(problems.size(), kShown); ++i) {
    text += (i == 0 ? "" : "; ") + problems[i];
  }
  if (problems.size() > kShown) text += cat("; and ", problems.size() - kShown, " more");
  return text;
}

}  // namespace

ImageFolder read_image_folder(const std::string& folder, const ImageFolderOptions& options) {
  const io::Subject subject{kReadFolder, folder};
  auto found = training::read_folder_entries(folder);
  auto& entries = found.entries;
  const auto check = options.skip_bad ? PictureCheck::kWhole : options.check;
  for_each_index(entries.size(),
                 [&](std::size_t i) { check_picture(entries[i], check, options.read.max_pixels); });

  ImageFolder result{folder, {}, {}, std::move(found.notes)};
  for (auto& entry : entries) {
    if (entry.problem.empty()) {
      result.pictures.push_back(std::move(entry.picture));
    } else {
      result.skipped.push_back(std::move(entry.problem));
    }
  }
  if (!result.skipped.empty() && (!options.skip_bad || result.pictures.empty())) {
    subject.fail(problems_of(result.skipped, entries.size()));
  }
  if (result.pictures.empty()) {
    subject.fail(
        "expected pictures and captions, got none: a metadata.jsonl, or PNG and JPEG "
        "files beside .txt files of the same name");
  }
  return result;
}

}  // namespace xattn
