#include "xattn/training/picture_loader.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randint.h>
#include <omp.h>

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "core/check.h"
#include "core/text.h"
#include "xattn/images/load_image.h"

namespace xattn {
namespace {

constexpr auto kLoader = "PictureLoader";

/// A batch that is to be read, and its number.
struct BatchTask {
  int64_t number = 0;
  std::vector<PictureTurn> turns;
  DataPlace next_place;
};

}  // namespace

const std::string& draw_caption(const CaptionedPicture& picture, at::Generator& generator) {
  const auto count = static_cast<int64_t>(picture.captions.size());
  if (count == 0) throw_value_error("draw_caption", picture.name, "a caption", "none");
  if (count == 1) return picture.captions.front();
  const auto drawn = at::randint(count, {1}, generator, at::TensorOptions().dtype(at::kLong));
  return picture.captions[static_cast<size_t>(drawn.item<int64_t>())];
}

struct PictureLoader::Reading {
  Reading(std::vector<CaptionedPicture> pictures, const ImageTransform& transform,
          const BatchOrder& order, const PictureLoaderOptions& options)
      : pictures(std::move(pictures)), transform(transform), order(order), options(options) {
    try {
      for (int64_t i = 0; i < options.threads; ++i) threads.emplace_back([this] { run(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  ~Reading() { stop(); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopped = true;
    }
    changed.notify_all();
    for (auto& thread : threads) thread.join();
    threads.clear();
  }

  void run() {
    // Of this thread alone. torch sets it anew where a thread asks for the first time, so it is
    // asked before.
    at::get_num_threads();
    omp_set_num_threads(1);
    const at::NoGradGuard no_gradients;
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return stopped || started < taken + options.batches_ahead; });
      if (stopped) return;
      BatchTask task;
      PictureBatch batch;
      std::exception_ptr problem;
      task.number = started++;
      try {
        task.turns = order.next();
        task.next_place = order.place();
        lock.unlock();
        batch = read(task);
      } catch (...) {
        problem = std::current_exception();
      }
      if (!lock.owns_lock()) lock.lock();
      done.emplace(task.number, std::pair(std::move(batch), problem));
      changed.notify_all();
    }
  }

  PictureBatch read(const BatchTask& task) const {
    PictureBatch batch;
    const auto resolution = transform.options().resolution;
    const auto count = static_cast<int64_t>(task.turns.size());
    batch.pixel_values = at::empty({count, 3, resolution, resolution}, at::kFloat);
    for (int64_t i = 0; i < count; ++i) {
      const auto& turn = task.turns[static_cast<size_t>(i)];
      const auto& picture = pictures[static_cast<size_t>(turn.picture)];
      auto generator = turn.generator();
      batch.captions.push_back(draw_caption(picture, generator));
      const auto pixels = load_image(picture.path, options.read);
      batch.pixel_values[i].copy_(transform(pixels, generator));
    }
    batch.turns = task.turns;
    batch.next_place = task.next_place;
    return batch;
  }

  PictureBatch next() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done.contains(taken); });
    auto& [batch, problem] = done.at(taken);
    if (problem) std::rethrow_exception(problem);  // and stays, for the next call
    auto result = std::move(batch);
    done.erase(taken++);
    changed.notify_all();
    return result;
  }

  const std::vector<CaptionedPicture> pictures;
  const ImageTransform transform;
  BatchOrder order;
  const PictureLoaderOptions options;

  std::mutex mutex;
  std::condition_variable changed;
  bool stopped = false;
  /// Batches that a thread has begun to read, and that `next` has given.
  int64_t started = 0, taken = 0;
  std::map<int64_t, std::pair<PictureBatch, std::exception_ptr>> done;
  std::vector<std::thread> threads;
};

PictureLoader::PictureLoader(std::vector<CaptionedPicture> pictures,
                             const ImageTransform& transform, const BatchOrder& order,
                             const PictureLoaderOptions& options) {
  check_at_least(kLoader, "batches_ahead", options.batches_ahead, 1);
  check_at_least(kLoader, "threads", options.threads, 1);
  const auto count = static_cast<int64_t>(pictures.size());
  if (order.size() != count) {
    throw_value_error(kLoader, "order", cat("one of ", count, " pictures"),
                      std::to_string(order.size()));
  }
  reading_ = std::make_unique<Reading>(std::move(pictures), transform, order, options);
}

PictureLoader::~PictureLoader() = default;
PictureLoader::PictureLoader(PictureLoader&&) noexcept = default;
PictureLoader& PictureLoader::operator=(PictureLoader&&) noexcept = default;

PictureBatch PictureLoader::next() {
  return reading_->next();
}

}  // namespace xattn
