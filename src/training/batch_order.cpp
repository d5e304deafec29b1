#include "xattn/training/batch_order.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randperm.h>

#include "core/check.h"
#include "core/text.h"

namespace xattn {
namespace {

constexpr auto kOrder = "BatchOrder";

/// splitmix64: neighbouring numbers become numbers that have nothing in common.
uint64_t mixed(uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

}  // namespace

at::Generator PictureTurn::generator() const {
  return at::make_generator<at::CPUGeneratorImpl>(seed);
}

BatchOrder::BatchOrder(int64_t size, int64_t batch_size, uint64_t seed)
    : size_(size), batch_size_(batch_size), seed_(seed) {
  check_at_least(kOrder, "size", size, 1);
  check_at_least(kOrder, "batch_size", batch_size, 1);
}

void BatchOrder::shuffle() {
  const auto generator =
      at::make_generator<at::CPUGeneratorImpl>(seed_ + static_cast<uint64_t>(place_.epoch));
  const auto drawn = at::randperm(size_, generator, at::TensorOptions().dtype(at::kLong));
  const auto* first = drawn.const_data_ptr<int64_t>();
  permutation_.assign(first, first + size_);
  shuffled_epoch_ = place_.epoch;
}

std::vector<PictureTurn> BatchOrder::next() {
  std::vector<PictureTurn> turns;
  turns.reserve(static_cast<size_t>(batch_size_));
  for (int64_t i = 0; i < batch_size_; ++i) {
    if (shuffled_epoch_ != place_.epoch) shuffle();
    const auto picture = permutation_[static_cast<size_t>(place_.index)];
    const auto seed = mixed(mixed(mixed(seed_) ^ static_cast<uint64_t>(place_.epoch)) ^
                            static_cast<uint64_t>(picture));
    turns.push_back({picture, place_, seed});
    if (++place_.index == size_) place_ = {place_.epoch + 1, 0};
  }
  return turns;
}

void BatchOrder::seek(const DataPlace& place) {
  if (place.epoch < 0 || place.index < 0 || place.index >= size_) {
    throw_value_error(kOrder, "place",
                      cat("an epoch of 0 or more and an index from 0 to ", size_ - 1),
                      cat("epoch ", place.epoch, ", index ", place.index));
  }
  place_ = place;
}

}  // namespace xattn
