#include "xattn/io/safetensors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/imag.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/quantize_per_tensor.h>
#include <gtest/gtest.h>

#include "io/support/temporary_folder.h"
#include "xattn/core/error.h"
#include "xattn/io/checkpoint.h"

namespace xattn::testing {
namespace {

const std::vector<at::ScalarType> kTypes = {at::kBool,
                                            at::kByte,
                                            at::kChar,
                                            at::ScalarType::UInt16,
                                            at::kShort,
                                            at::ScalarType::UInt32,
                                            at::kInt,
                                            at::ScalarType::UInt64,
                                            at::kLong,
                                            at::ScalarType::Float8_e4m3fn,
                                            at::ScalarType::Float8_e5m2,
                                            at::kHalf,
                                            at::kBFloat16,
                                            at::kFloat,
                                            at::kDouble,
                                            at::kComplexFloat};

StateDict every_kind() {
  StateDict tensors;
  for (const auto type : kTypes) {
    tensors.insert(toString(type), at::arange(5, at::kDouble).to(type));
  }
  const auto base = at::arange(24, at::kFloat).reshape({4, 6});
  tensors.insert("base", base);
  tensors.insert("transposed", base.t());
  tensors.insert("strided", base.slice(0, 1, 4, 2).slice(1, 0, 6, 3));
  tensors.insert("expanded", base[0].expand({3, 6}));
  tensors.insert("scalar", at::ones({}));
  tensors.insert("empty", at::empty({0, 7}));
  tensors.insert("", at::ones({1}));
  tensors.insert("quote\" and \\ and ☃\n", at::ones({2}));
  tensors.insert("conjugate", at::complex(base, base).conj());
  tensors.insert("negative", at::imag(at::complex(base, base).conj()));
  tensors.insert("learned", at::ones({2}).requires_grad_());
  return tensors;
}

std::size_t files_in(const TemporaryFolder& folder) {
  const std::filesystem::directory_iterator files(folder.path());
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

TEST(SaveSafetensors, RoundTripKeepsEverything) {
  TemporaryFolder folder;
  const auto tensors = every_kind();
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"ünï", "\"☃\"\n"}};
  save_safetensors(folder / "a.safetensors", tensors, metadata);
  const auto read = load_checkpoint(folder / "a.safetensors");
  EXPECT_EQ(read.format, CheckpointFormat::kSafetensors);
  EXPECT_EQ(read.tensors.keys(), tensors.keys());
  for (const auto& item : tensors) {
    const auto& got = read.tensors[item.key()];
    EXPECT_EQ(got.scalar_type(), item.value().scalar_type()) << item.key();
    EXPECT_EQ(got.sizes(), item.value().sizes()) << item.key();
    EXPECT_TRUE(got.is_contiguous());
    const auto expected = item.value().detach().resolve_conj().resolve_neg().contiguous();
    EXPECT_EQ(std::memcmp(got.const_data_ptr(), expected.const_data_ptr(), got.nbytes()), 0)
        << item.key();
  }
  EXPECT_FALSE(read.tensors["base"].is_alias_of(read.tensors["transposed"]));
  ASSERT_EQ(read.attributes.size(), 2u);
  EXPECT_EQ(read.attributes.at("ünï"), Attribute("\"☃\"\n"));

  save_safetensors(folder / "b.safetensors", tensors, metadata);
  EXPECT_EQ(read_bytes(folder / "a.safetensors"), read_bytes(folder / "b.safetensors"));
  save_safetensors(folder / "b.safetensors", read.tensors, metadata);
  EXPECT_EQ(read_bytes(folder / "a.safetensors"), read_bytes(folder / "b.safetensors"));
  EXPECT_EQ(files_in(folder), 2u);
}

TEST(SaveSafetensors, NoTensorsAtAll) {
  TemporaryFolder folder;
  save_safetensors(folder / "file", StateDict());
  EXPECT_TRUE(load_checkpoint(folder / "file").tensors.is_empty());
}

TEST(SaveSafetensors, LargeTensorsThatAreNotContiguousArePieced) {
  TemporaryFolder folder;
  StateDict tensors;
  tensors.insert("rows", at::arange(20, at::kInt).unsqueeze(1).expand({20, 1 << 20}));  // 80 MiB
  tensors.insert("wide", at::arange(2, at::kInt).reshape({1, 2, 1}).expand({1, 2, 17 << 20}));
  save_safetensors(folder / "file", tensors);
  const auto read = load_checkpoint(folder / "file");
  for (const auto& item : tensors) {
    EXPECT_TRUE(at::equal(read.tensors[item.key()], item.value())) << item.key();
  }
}

TEST(SaveSafetensors, RefusesByNameBeforeAnythingIsWritten) {
  TemporaryFolder folder;
  const auto path = write_bytes(folder / "file", "old");
  const auto refused = [&](const at::Tensor& tensor, const std::string& got) {
    StateDict tensors;
    tensors.insert("good", at::ones({2}));
    tensors.insert("bad", tensor);
    try {
      save_safetensors(path, tensors);
      ADD_FAILURE() << "expected an error about " << got;
    } catch (const ValueError& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with("[save_safetensors] " + path + ": tensor 'bad': expected "))
          << message;
      EXPECT_NE(message.find(got), std::string::npos) << message;
    }
    EXPECT_EQ(read_bytes(path), "old");
    EXPECT_EQ(files_in(folder), 1u);
  };
  refused({}, "undefined");
  refused(at::ones({1}, at::kComplexDouble), "complex128");
  refused(at::ones({1}).to_sparse(), "Sparse");
  refused(at::quantize_per_tensor(at::ones({1}), 0.1, 0, at::kQInt8), "Q");
  refused(at::empty({1}, at::TensorOptions().device(at::kMeta)), "dense tensor that holds data");
}

TEST(SaveSafetensors, FailsWithoutALeftover) {
  TemporaryFolder folder;
  StateDict tensors;
  tensors.insert("a", at::ones({2}));
  EXPECT_THROW(save_safetensors(folder.path().string(), tensors), FileError);
  EXPECT_THROW(save_safetensors(folder / "missing/file", tensors), FileError);
  EXPECT_THROW(save_safetensors("/dev/full", tensors), FileError);
  EXPECT_THROW(save_safetensors(folder / "file", tensors, {{"k", "\xff"}}), FileError);
  EXPECT_EQ(files_in(folder), 0u);
}

}  // namespace
}  // namespace xattn::testing
