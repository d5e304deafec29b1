#include "training/picture_batches.h"

#include <ATen/ops/stack.h>

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "xattn/images/load_image.h"

namespace xattn {
namespace {

BatchOrder order_from(const DataPlace& place, std::size_t pictures,
                      const TrainingOptions& options) {
  BatchOrder order(static_cast<int64_t>(pictures), options.train_batch_size, options.seed);
  order.seek(place);
  return order;
}

}  // namespace

PictureBatches::PictureBatches(std::vector<CaptionedPicture> pictures,
                               const TrainingOptions& options)
    : pictures_(std::move(pictures)), options_(options) {
  order_from(place_, pictures_.size(), options_);  // throws for what cannot be
}

PictureBatch PictureBatches::next() {
  if (!loader_) {
    loader_.emplace(pictures_, ImageTransform(options_.transform),
                    order_from(place_, pictures_.size(), options_),
                    PictureLoaderOptions{.threads = options_.dataloader_num_workers});
  }
  auto batch = loader_->next();
  place_ = batch.next_place;
  batch.pixel_values = placed(batch.pixel_values, options_);
  return batch;
}

void PictureBatches::seek(const DataPlace& place) {
  order_from(place, pictures_.size(), options_);
  place_ = place;
  loader_.reset();
}

std::vector<std::string> PictureBatches::names(const std::vector<PictureTurn>& turns) const {
  std::vector<std::string> names;
  for (const auto& turn : turns)
    names.push_back(pictures_[static_cast<std::size_t>(turn.picture)].name);
  return names;
}

at::Tensor PictureBatches::chosen(int64_t count) const {
  auto options = options_.transform;
  options.crop = Crop::kCenter;
  options.random_flip = false;
  const ImageTransform transform(options);
  const auto all = static_cast<int64_t>(pictures_.size());
  count = std::min(count, all);
  std::vector<at::Tensor> images;
  auto generator = PictureTurn{}.generator();  // of which nothing is drawn
  for (int64_t i = 0; i < count; ++i) {
    const auto& picture = pictures_[static_cast<std::size_t>(i * all / count)];
    images.push_back(transform(load_image(picture.path), generator));
  }
  return placed(at::stack(images), options_);
}

at::Tensor placed(const at::Tensor& images, const TrainingOptions& options) {
  const auto moved = images.to(options.device);
  return options.channels_last ? moved.contiguous(at::MemoryFormat::ChannelsLast) : moved;
}

}  // namespace xattn
