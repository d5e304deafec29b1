#include "xattn/training/picture_loader.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>

#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "support/errors.h"
#include "training/support/drawn_pictures.h"

namespace xattn::testing {
namespace {

const ImageTransform& random_transform() {
  static const ImageTransform transform(
      {.resolution = 8, .crop = Crop::kRandom, .random_flip = true});
  return transform;
}

TEST(PictureLoader, BatchesAreTheSameForAnyNumberOfThreads) {
  const TemporaryFolder folder;
  const auto pictures = drawn_pictures(folder, 11);
  PictureLoader one(pictures, random_transform(), BatchOrder(11, 4, 5), {.batches_ahead = 1});
  PictureLoader many(pictures, random_transform(), BatchOrder(11, 4, 5),
                     {.batches_ahead = 9, .threads = 3});
  for (int i = 0; i < 12; ++i) {
    const auto expected = one.next(), got = many.next();
    EXPECT_EQ(got.pixel_values.sizes(), (at::IntArrayRef{4, 3, 8, 8}));
    EXPECT_TRUE(at::equal(got.pixel_values, expected.pixel_values)) << i;
    EXPECT_EQ(got.captions, expected.captions);
    EXPECT_EQ(got.next_place, expected.next_place);
  }
}

TEST(PictureLoader, BatchesAreThoseOfTheOrder) {
  const TemporaryFolder folder;
  const auto pictures = drawn_pictures(folder, 5);
  PictureLoader loader(pictures, random_transform(), BatchOrder(5, 2, 5));
  BatchOrder order(5, 2, 5);
  std::map<int64_t, std::set<std::string>> captions;
  for (int i = 0; i < 60; ++i) {
    const auto batch = loader.next();
    const auto turns = order.next();
    EXPECT_EQ(batch.next_place, order.place());
    for (size_t j = 0; j < 2; ++j) {
      EXPECT_EQ(batch.turns[j].picture, turns[j].picture);
      EXPECT_EQ(batch.turns[j].seed, turns[j].seed);
      captions[turns[j].picture].insert(batch.captions[j]);
    }
  }
  // Each caption comes up, and only a picture's own.
  for (const auto& [picture, seen] : captions) {
    const auto& own = pictures[static_cast<size_t>(picture)].captions;
    EXPECT_EQ(seen, std::set<std::string>(own.begin(), own.end()));
  }
}

TEST(PictureLoader, GoesOnFromAPlace) {
  const TemporaryFolder folder;
  const auto pictures = drawn_pictures(folder, 7);
  PictureLoader whole(pictures, random_transform(), BatchOrder(7, 3, 5));
  DataPlace place;
  for (int i = 0; i < 4; ++i) place = whole.next().next_place;
  BatchOrder order(7, 3, 5);
  order.seek(place);
  PictureLoader rest(pictures, random_transform(), order);
  for (int i = 0; i < 4; ++i) {
    const auto expected = whole.next(), got = rest.next();
    EXPECT_TRUE(at::equal(got.pixel_values, expected.pixel_values));
    EXPECT_EQ(got.captions, expected.captions);
  }
  // The twin: without the place it is another batch.
  PictureLoader first(pictures, random_transform(), BatchOrder(7, 3, 5));
  EXPECT_FALSE(at::equal(first.next().pixel_values, whole.next().pixel_values));
}

TEST(PictureLoader, LeavesTorchAsItIs) {
  const TemporaryFolder folder;
  const auto threads = at::get_num_threads();
  at::manual_seed(1);
  const auto expected = at::rand({3});
  at::manual_seed(1);
  PictureLoader loader(drawn_pictures(folder, 5), random_transform(), BatchOrder(5, 2, 5));
  for (int i = 0; i < 5; ++i) loader.next();
  EXPECT_TRUE(at::equal(at::rand({3}), expected));
  EXPECT_EQ(at::get_num_threads(), threads);
}

TEST(PictureLoader, NamesAPictureThatCannotBeRead) {
  const TemporaryFolder folder;
  const auto pictures = drawn_pictures(folder, 5);
  write_bytes(folder / "3.png", "no picture");
  PictureLoader loader(pictures, random_transform(), BatchOrder(5, 1, 5), {.threads = 2});
  int good = 0;
  const auto read_all = [&] {
    for (int i = 0; i < 5; ++i) {
      loader.next();
      ++good;
    }
  };
  for (int again = 0; again < 2; ++again) {
    try {
      read_all();
      ADD_FAILURE() << "no error";
    } catch (const FileError& error) {
      EXPECT_NE(std::string(error.what()).find("/3.png: "), std::string::npos) << error.what();
    }
  }
  EXPECT_LT(good, 5);
}

TEST(PictureLoader, EndsWhileItReads) {
  const TemporaryFolder folder;
  const auto pictures = drawn_pictures(folder, 20);
  for (int i = 0; i < 30; ++i) {
    PictureLoader loader(pictures, random_transform(), BatchOrder(20, 4, 5),
                         {.batches_ahead = 50, .threads = 2});
    if (i % 2 == 0) loader.next();
    std::this_thread::sleep_for(std::chrono::microseconds(50 * i));
    auto moved = std::move(loader);
    if (i % 3 == 0) moved.next();
  }
}

TEST(PictureLoader, RefusesWhatItCannotUse) {
  const TemporaryFolder folder;
  const auto pictures = drawn_pictures(folder, 2);
  const auto make = [&](int64_t size, const PictureLoaderOptions& options) {
    return [&, size, options] {
      PictureLoader(pictures, random_transform(), BatchOrder(size, 1, 0), options);
    };
  };
  expect_value_error(make(3, {}), "[PictureLoader] order: expected one of 2 pictures, got 3");
  expect_value_error(make(2, {.batches_ahead = 0}),
                     "[PictureLoader] batches_ahead: expected 1 or more, got 0");
  expect_value_error(make(2, {.threads = 0}), "[PictureLoader] threads: expected 1 or more, got 0");
  at::Generator none;
  expect_value_error_with([&] { draw_caption({"p", "p.png", {}}, none); }, "p.png");
}

}  // namespace
}  // namespace xattn::testing
