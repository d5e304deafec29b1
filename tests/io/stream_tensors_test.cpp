// Streaming of files into tensors: views, conversions, and memory that torch's threads may touch.

#include "io/stream_tensors.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/scalar_type.h"
#include "io/support/temporary_folder.h"
#include "xattn/io/safetensors.h"

namespace xattn::testing {
namespace {

constexpr at::ScalarType kFloats[] = {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16};

/// A file of safetensors with one tensor.
class OneTensor {
 public:
  explicit OneTensor(const at::Tensor& tensor) {
    StateDict tensors;
    tensors.insert("x", tensor);
    const auto path = folder_ / "x.safetensors";
    save_safetensors(path, tensors);
    file_ = io::WeightsFile::open("test", path);
  }

  const io::TensorRecord& record() const { return file_->contents().tensors.front(); }
  io::StreamedTensor streamed(io::StridedView view, at::Tensor to) const {
    return {file_.get(), &record(), std::move(view), std::move(to)};
  }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<io::WeightsFile> file_;
};

at::Tensor stream(const OneTensor& file, const io::StridedView& view, at::ScalarType dtype) {
  auto to = at::zeros(view.shape, dtype);
  io::stream_tensors({file.streamed(view, to)});
  return to;
}

/// Bits that all conversions must agree on: what is large, small, subnormal, halfway, infinite.
at::Tensor awkward_values() {
  auto values = at::randn({4096}, at::kDouble);
  values = values * at::arange(4096, at::kDouble).sub(2048).div(40).exp2();
  for (int64_t i = 0; i < 64; ++i) values[i] = (i - 32) * 0x1p-26;
  values[70] = std::numeric_limits<double>::infinity();
  values[71] = -std::numeric_limits<double>::infinity();
  values[72] = 65520.0;
  values[73] = -0.0;
  values[74] = 1.0 + 0x1p-8;
  values[75] = 1.0 + 0x1p-11;
  return values;
}

TEST(StreamTensors, ConvertsAsCopyDoes) {
  for (const auto from : kFloats) {
    const auto values = awkward_values().to(from);
    const OneTensor file(values);
    for (const auto to : kFloats) {
      const auto streamed = stream(file, io::view_of(file.record()), to);
      EXPECT_TRUE(at::equal(streamed, values.to(to))) << toString(from) << " " << toString(to);
      EXPECT_TRUE(at::equal(streamed.signbit(), values.to(to).signbit()));
    }
  }
}

TEST(StreamTensors, ANaNStaysOne) {
  auto values = at::zeros({40});
  values[3] = std::numeric_limits<float>::quiet_NaN();
  for (const auto from : kFloats) {
    const OneTensor file(values.to(from));
    for (const auto to : kFloats) {
      const auto streamed = stream(file, io::view_of(file.record()), to);
      EXPECT_TRUE(at::equal(at::isnan(streamed), at::isnan(values)));
    }
  }
}

TEST(StreamTensors, ReadsFloat8) {
  const auto values = at::arange(-8, 8, at::kFloat).to(at::kFloat8_e4m3fn);
  const OneTensor file(values);
  EXPECT_TRUE(
      at::equal(stream(file, io::view_of(file.record()), at::kFloat), values.to(at::kFloat)));
}

TEST(StreamTensors, TakesSlicesAndTransposes) {
  const auto values = at::randn({30, 7, 5});
  const OneTensor file(values);
  const auto all = io::view_of(file.record());
  for (const auto dtype : kFloats) {
    const auto expect = [&](const io::StridedView& view, const at::Tensor& expected) {
      EXPECT_TRUE(at::equal(stream(file, view, dtype), expected.to(dtype)));
    };
    expect(*io::narrow(all, 0, 10, 10), values.narrow(0, 10, 10));
    expect(*io::narrow(all, 1, 2, 3), values.narrow(1, 2, 3));
    expect(*io::narrow(all, 2, 4, 1), values.narrow(2, 4, 1));
    expect(*io::transpose(all, 0, 1), values.transpose(0, 1));
    expect(*io::transpose(all, 0, 2), values.transpose(0, 2));
    expect(*io::transpose(*io::narrow(all, 1, 2, 3), 1, 2), values.narrow(1, 2, 3).transpose(1, 2));
    expect(*io::with_ones_of(all, {1, 30, 7, 1, 5}), values.view({1, 30, 7, 1, 5}));
    expect(*io::narrow(all, 0, 30, 0), values.narrow(0, 30, 0));
  }
}

TEST(StreamTensors, RefusesViewsThatAreNotThere) {
  const OneTensor file(at::zeros({4, 1, 5}));
  const auto all = io::view_of(file.record());
  EXPECT_FALSE(io::narrow(all, 3, 0, 1));
  EXPECT_FALSE(io::narrow(all, -1, 0, 1));
  EXPECT_FALSE(io::narrow(all, 0, 3, 2));
  EXPECT_FALSE(io::narrow(all, 0, -1, 2));
  EXPECT_FALSE(io::narrow(all, 0, 1, std::numeric_limits<int64_t>::max()));
  EXPECT_FALSE(io::transpose(all, 0, 3));
  EXPECT_FALSE(io::with_ones_of(all, {5, 4}));
  EXPECT_FALSE(io::with_ones_of(all, {4}));
  EXPECT_FALSE(io::with_ones_of(all, {4, 5, 2}));
  EXPECT_TRUE(io::with_ones_of(all, {4, 5, 1}));
}

/// Larger than what is read at once, in each direction.
TEST(StreamTensors, TakesLargeViewsPieceByPiece) {
  const auto values = at::randn({3, 1100, 1030});
  const OneTensor file(values);
  const auto all = io::view_of(file.record());
  for (const auto dtype : {at::kFloat, at::kHalf}) {
    for (const auto& [a, b] : {std::pair(0, 1), std::pair(1, 2), std::pair(0, 2)}) {
      EXPECT_TRUE(at::equal(stream(file, *io::transpose(all, a, b), dtype),
                            values.transpose(a, b).to(dtype)));
    }
    EXPECT_TRUE(at::equal(stream(file, *io::narrow(all, 2, 7, 1000), dtype),
                          values.narrow(2, 7, 1000).to(dtype)));
  }
}

TEST(StreamTensors, WritesIntoTensorsOfAnyStride) {
  const auto values = at::randn({6, 9});
  const OneTensor file(values);
  for (const auto dtype : {at::kFloat, at::kHalf}) {
    const auto to = at::zeros({9, 12}, dtype).transpose(0, 1).narrow(0, 3, 6);
    io::stream_tensors({file.streamed(io::view_of(file.record()), to)});
    EXPECT_TRUE(at::equal(to, values.to(dtype)));
  }
}

/// The way of tensors that are on another device.
TEST(StreamTensors, ReadsThroughAFewBytesOfMemory) {
  const auto values = at::randn({50, 11});
  const OneTensor file(values), scalar(at::zeros({}).add(3));
  const auto all = io::view_of(file.record());
  for (const int64_t most : {1, 100, 1000, 1'000'000}) {
    const auto same = at::zeros({50, 11}), other = at::zeros({11, 50}, at::kHalf),
               one = at::zeros({});
    io::stream_through_memory(
        {file.streamed(all, same), file.streamed(*io::transpose(all, 0, 1), other),
         scalar.streamed(io::view_of(scalar.record()), one)},
        most);
    EXPECT_TRUE(at::equal(same, values)) << most;
    EXPECT_TRUE(at::equal(other, values.t().to(at::kHalf))) << most;
    EXPECT_EQ(one.item<float>(), 3) << most;
  }
}

TEST(StreamTensors, WorksUnderInferenceMode) {
  const auto values = at::randn({300, 11});
  const OneTensor file(values);
  const c10::InferenceMode inference;
  EXPECT_TRUE(at::equal(stream(file, io::view_of(file.record()), at::kHalf), values.to(at::kHalf)));
}

TEST(StreamTensors, ChangesTheVersion) {
  const OneTensor file(at::randn({3}));
  const auto to = at::zeros({3});
  const auto before = to._version();
  io::stream_tensors({file.streamed(io::view_of(file.record()), to)});
  EXPECT_GT(to._version(), before);
}

}  // namespace
}  // namespace xattn::testing
