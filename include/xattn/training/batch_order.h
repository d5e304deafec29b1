#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// A place in the data: the next picture is the one of that index in that epoch's order.
struct DataPlace {
  int64_t epoch = 0;
  int64_t index = 0;

  bool operator==(const DataPlace&) const = default;
};

/// A picture's turn: which one, when, and what its draws begin with.
struct XATTN_API PictureTurn {
  /// From 0.
  int64_t picture = 0;
  DataPlace place;
  /// Seeds a generator for all that is drawn for this turn (caption, crop, flip), so that nothing
  /// depends on which thread reads the picture or when.
  uint64_t seed = 0;

  /// A generator of the CPU with that seed.
  at::Generator generator() const;
};

/// In which order pictures are learned from: each epoch has a permutation of its own, which depends
/// on the seed and the epoch's number alone.
///
/// Epoch e has the order `torch.randperm(size, generator=torch.Generator().manual_seed(seed + e))`.
/// A batch that an epoch's end would cut is filled up from the next one, so that all have the same
/// size and no picture is left out. A turn's seed is a mix of the seed, the epoch and the picture's
/// number.
///
/// Not for use by several threads at once.
///
/// Throws: `ValueError` for a size or batch size below 1 and for a place that is not in the order.
///
/// Reference: torch 2.13.0, torch/utils/data/distributed.py, `DistributedSampler` of one replica.
class XATTN_API BatchOrder {
 public:
  BatchOrder(int64_t size, int64_t batch_size, uint64_t seed);

  /// The turns of the next batch.
  std::vector<PictureTurn> next();

  /// Where the next batch begins; saved, and given to `seek`, the order goes on from there.
  DataPlace place() const { return place_; }
  void seek(const DataPlace& place);

  int64_t size() const { return size_; }
  int64_t batch_size() const { return batch_size_; }
  uint64_t seed() const { return seed_; }

 private:
  void shuffle();

  int64_t size_, batch_size_;
  uint64_t seed_;
  DataPlace place_;
  /// The order of `shuffled_epoch_`.
  std::vector<int64_t> permutation_;
  int64_t shuffled_epoch_ = -1;
};

}  // namespace xattn
