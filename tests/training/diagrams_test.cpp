// The loss curve and the grid of pictures. XATTN_KEEP_DIAGRAMS names a folder where they are kept,
// to be looked at.
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "support/errors.h"
#include "training/axis.h"
#include "training/font.h"
#include "xattn/images/png.h"
#include "xattn/training/image_grid.h"
#include "xattn/training/loss_curve.h"

namespace xattn::testing {
namespace {

/// The loss of a run as they are: it falls fast, then slowly, with noise.
std::vector<TrainingLogEntry> drawn_losses(int64_t steps, int64_t each = 1) {
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, 0.25);
  std::vector<TrainingLogEntry> entries;
  for (int64_t step = each; step <= steps; step += each) {
    const auto part = static_cast<double>(step) / static_cast<double>(steps);
    entries.push_back(
        {step,
         (0.05 + 0.9 * std::exp(-30 * part) + 0.08 * std::exp(-4 * part)) * std::exp(noise(random)),
         0,
         0,
         0,
         {}});
  }
  return entries;
}

at::Tensor kept(const char* name, const at::Tensor& picture) {
  if (const char* folder = std::getenv("XATTN_KEEP_DIAGRAMS")) {
    save_png(std::string(folder) + "/" + name + ".png", picture);
  }
  return picture;
}

/// The pixels of one colour, and where the first and the last of them are along a dimension.
struct Spot {
  Spot(const at::Tensor& picture, int64_t red, int64_t green, int64_t blue) {
    const auto same = picture.select(2, 0)
                          .eq(red)
                          .logical_and(picture.select(2, 1).eq(green))
                          .logical_and(picture.select(2, 2).eq(blue));
    places = same.nonzero();
  }
  int64_t count() const { return places.size(0); }
  int64_t first(int64_t dim) const { return places.select(1, dim).min().item<int64_t>(); }
  int64_t last(int64_t dim) const { return places.select(1, dim).max().item<int64_t>(); }
  at::Tensor places;
};

Spot line_in(const at::Tensor& picture) {
  return {picture, 37, 99, 235};
}
Spot marks_in(const at::Tensor& picture) {
  return {picture, 220, 38, 38};
}

TEST(LossCurve, DrawsTheLossFromLeftToRight) {
  const auto picture = kept("run", draw_loss_curve(drawn_losses(5000)));
  EXPECT_EQ(picture.sizes(), (at::IntArrayRef{720, 1280, 3}));
  EXPECT_EQ(picture.scalar_type(), at::kByte);
  const auto line = line_in(picture);
  EXPECT_LT(line.first(1), 110);
  EXPECT_GT(line.last(1), 1235);
  EXPECT_EQ(marks_in(picture).count(), 0);
  // It falls: its left end is above its right one.
  const auto left = line_in(picture.narrow(1, 0, 130)),
             right = line_in(picture.narrow(1, 1100, 180));
  EXPECT_LT(left.first(0), right.first(0));
  // The twin: a rising loss rises.
  auto rising = drawn_losses(5000);
  for (auto& entry : rising) entry.loss = 1 / entry.loss;
  const auto other = draw_loss_curve(rising);
  EXPECT_GT(line_in(other.narrow(1, 0, 130)).first(0),
            line_in(other.narrow(1, 1100, 180)).first(0));
}

TEST(LossCurve, DrawsRunsOfEveryKind) {
  kept("short", draw_loss_curve(drawn_losses(60)));
  kept("long", draw_loss_curve(drawn_losses(3'000'000, 30)));
  kept("one", draw_loss_curve({{7, 0.5, 0, 0, 0, {}}}));
  kept("same", draw_loss_curve({{1, 2, 0, 0, 0, {}}, {2, 2, 0, 0, 0, {}}, {3, 2, 0, 0, 0, {}}}));
  kept("small", draw_loss_curve(drawn_losses(900), {.width = 480, .height = 320}));
  auto tiny = drawn_losses(20'000);
  for (auto& entry : tiny) entry.loss = std::pow(entry.loss, 6);
  kept("decades", draw_loss_curve(tiny, {.title = "loss of the autoencoder"}));
  auto negative = drawn_losses(500);
  for (auto& entry : negative) entry.loss -= 0.3;
  kept("linear", draw_loss_curve(negative, {.smoothing = 0}));
}

TEST(LossCurve, MarksLossesThatAreNotFinite) {
  auto entries = drawn_losses(400);
  entries[100].loss = std::nan("");
  entries[200].loss = std::numeric_limits<double>::infinity();
  const auto picture = kept("not_finite", draw_loss_curve(entries));
  const auto marks = marks_in(picture.narrow(0, 600, 120));
  EXPECT_GT(marks.count(), 10);
  EXPECT_GT(marks_in(picture.narrow(0, 0, 70)).count(), 10);  // the words
  for (auto& entry : entries) entry.loss = std::nan("");
  EXPECT_EQ(line_in(kept("none", draw_loss_curve(entries))).count(), 0);
}

TEST(LossCurve, OneSpikeDoesNotFlattenTheRest) {
  auto entries = drawn_losses(2000);
  entries[1500].loss = 1e9;
  const auto spiked = kept("spike", draw_loss_curve(entries, {.smoothing = 0}));
  const auto line = line_in(spiked.narrow(1, 300, 500));
  EXPECT_GT(line.last(0) - line.first(0), 100);
}

TEST(LossCurve, RefusesWhatItCannotDraw) {
  expect_value_error([] { draw_loss_curve({}); },
                     "[draw_loss_curve] entries: expected entries, got none");
  const auto entries = drawn_losses(10);
  expect_value_error_with([&] { draw_loss_curve(entries, {.width = 479}); },
                          "expected 480 x 320 to 16384 x 16384, got 479 x 720");
  expect_value_error_with([&] { draw_loss_curve(entries, {.height = 16385}); }, "got 1280 x 16385");
  for (const double smoothing : {-0.1, 1.1, std::nan("")}) {
    expect_value_error_with([&] { draw_loss_curve(entries, {.smoothing = smoothing}); },
                            "smoothing: expected 0 to 1");
  }
}

TEST(Axis, HasRoundNumbers) {
  const auto labels = [](double low, double high, bool is_logarithmic, int wanted) {
    std::string text;
    for (const auto& tick : training::Axis(low, high, is_logarithmic).ticks(wanted)) {
      EXPECT_GE(tick.value, low * (low > 0 ? 0.999 : 1.001));
      EXPECT_LE(tick.value, high * 1.001);
      text += (text.empty() ? "" : " ") + tick.label;
    }
    return text;
  };
  EXPECT_EQ(labels(0, 10, false, 5), "0 2 4 6 8 10");
  EXPECT_EQ(labels(1, 50000, false, 5), "10k 20k 30k 40k 50k");
  EXPECT_EQ(labels(-0.5, 0.5, false, 4), "-0.5 0 0.5");
  EXPECT_EQ(labels(0.04, 1.2, true, 5), "0.05 0.1 0.2 0.5 1");
  EXPECT_EQ(labels(1e-5, 200, true, 5), "1e-5 0.0001 0.001 0.01 0.1 1 10 100");
  EXPECT_EQ(labels(0.41, 0.43, true, 4), "0.41 0.415 0.42 0.425 0.43");
  EXPECT_EQ(training::number_label(2'500'000), "2.5M");
  EXPECT_EQ(training::number_label(1e12), "1e12");
}

TEST(Font, HasAGlyphForEveryNameAndNumber) {
  const auto box = training::glyph_of(U'바');
  for (const char c : std::string("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  " .,:;-+/%()=_'\"!?*#<>[]&")) {
    EXPECT_NE(training::glyph_of(static_cast<char32_t>(c)), box) << c;
  }
}

TEST(ImageGrid, PutsPicturesInRows) {
  std::vector<at::Tensor> pictures;
  for (int64_t i = 0; i < 5; ++i) pictures.push_back(at::full({4, 6, 3}, 40 * i, at::kByte));
  const auto grid = image_grid(pictures, {.columns = 3, .gap = 2});
  EXPECT_EQ(grid.sizes(), (at::IntArrayRef{2 + 2 * 6, 2 + 3 * 8, 3}));
  for (int64_t i = 0; i < 5; ++i) {
    const auto place = grid.narrow(0, 2 + i / 3 * 6, 4).narrow(1, 2 + i % 3 * 8, 6);
    EXPECT_TRUE(at::equal(place, pictures[static_cast<size_t>(i)])) << i;
  }
  EXPECT_TRUE(grid.narrow(0, 8, 6).narrow(1, 18, 8).eq(255).all().item<bool>());  // no sixth
  EXPECT_EQ(image_grid({pictures[0]}, {.columns = 9, .gap = 0}).sizes(),
            (at::IntArrayRef{4, 6, 3}));
  EXPECT_TRUE(at::equal(image_grid({at::full({4, 6, 2}, 7, at::kByte)}, {.gap = 0}),
                        at::full({4, 6, 3}, 7, at::kByte)));
}

TEST(ImageGrid, WritesLabelsBesideRows) {
  std::vector<at::Tensor> pictures;
  for (int64_t i = 0; i < 8; ++i) pictures.push_back(at::full({64, 64, 3}, 30 * i, at::kByte));
  const auto grid =
      kept("grid", image_grid(pictures, {.columns = 4, .row_labels = {"step 500", "step 12000"}}));
  EXPECT_EQ(grid.size(0), 4 + 2 * 68);
  const auto label_width = grid.size(1) - (4 + 4 * 68);
  EXPECT_EQ(label_width, 2 * (10 * 6 - 1) + 12);
  EXPECT_FALSE(grid.narrow(1, 0, label_width).eq(255).all().item<bool>());
}

TEST(ImageGrid, RefusesWhatItCannotUse) {
  const auto picture = at::zeros({4, 6, 3}, at::kByte);
  expect_value_error([] { image_grid({}); }, "[image_grid] pictures: expected pictures, got none");
  expect_value_error(
      [&] {
        image_grid({picture, picture.transpose(0, 1)});
      },
      "[image_grid] pictures[1]: expected 4 x 6 as the first, got 6 x 4");
  expect_value_error_with([&] { image_grid({picture, picture.to(at::kFloat)}); }, "pictures[1]");
  expect_value_error_with([&] { image_grid({picture}, {.columns = 0}); }, "columns");
  expect_value_error_with([&] { image_grid({picture}, {.gap = -1}); }, "gap");
  expect_value_error(
      [&] {
        image_grid({picture}, {.row_labels = {"a", "b"}});
      },
      "[image_grid] row_labels: expected none, or 1 labels, got 2");
  expect_value_error_with(
      [&] { image_grid({picture}, {.gap = std::numeric_limits<int64_t>::max()}); },
      "pixels in all");
}

}  // namespace
}  // namespace xattn::testing
