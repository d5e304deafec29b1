// Files that Python wrote, read as tensors.
#include "xattn/io/checkpoint.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/scalar_type.h"
#include "io/stream_tensors.h"
#include "io/support/colliding_names.h"
#include "io/support/pickle_writer.h"
#include "io/support/temporary_folder.h"
#include "io/support/zip_writer.h"
#include "xattn/core/error.h"
#include "xattn/io/safetensors.h"

namespace xattn::testing {
namespace {

using nlohmann::json;

std::string hex_of(const at::Tensor& tensor) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto plain = tensor.resolve_conj().resolve_neg().contiguous();
  const auto* bytes = static_cast<const unsigned char*>(plain.const_data_ptr());
  std::string text;
  for (std::size_t i = 0; i < plain.nbytes(); ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 0xf];
  }
  return text;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param.empty() ? "no_golden_data" : info.param;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

class GoodCheckpoint : public ::testing::TestWithParam<std::string> {};

TEST_P(GoodCheckpoint, HasPythonsTensors) {
  if (GetParam().empty()) GTEST_SKIP() << "no golden data";
  const auto path = (golden_files() / "good" / GetParam()).string();
  const json expected = json::parse(read_bytes(path + ".expected.json"));
  const auto checkpoint = load_checkpoint(path);
  EXPECT_EQ(checkpoint.tensors.keys(), expected["order"].get<std::vector<std::string>>());
  for (const auto& item : checkpoint.tensors) {
    SCOPED_TRACE(item.key());
    const json& tensor = expected["tensors"][item.key()];
    EXPECT_EQ(name(to_dtype(item.value().scalar_type()).value()),
              tensor["dtype"].get<std::string>());
    EXPECT_EQ(item.value().sizes().vec(), tensor["shape"].get<std::vector<std::int64_t>>());
    if (checkpoint.format != CheckpointFormat::kSafetensors) {
      EXPECT_EQ(item.value().strides().vec(), tensor["stride"].get<std::vector<std::int64_t>>());
    }
    EXPECT_EQ(hex_of(item.value()), tensor["bytes"].get<std::string>());
    EXPECT_FALSE(item.value().requires_grad());
  }
  for (const auto& group : expected["shared"].get<std::vector<std::vector<std::string>>>()) {
    for (const auto& name : group) {
      EXPECT_TRUE(checkpoint.tensors[name].is_alias_of(checkpoint.tensors[group[0]])) << name;
    }
  }
  const auto info = inspect_checkpoint(path);
  EXPECT_EQ(info.format, checkpoint.format);
  EXPECT_EQ(info.attributes, checkpoint.attributes);
  EXPECT_EQ(info.tensors.size(), checkpoint.tensors.size());
}

TEST_P(GoodCheckpoint, StreamsPythonsTensors) {
  if (GetParam().empty()) GTEST_SKIP() << "no golden data";
  const auto path = (golden_files() / "good" / GetParam()).string();
  const auto expected = load_checkpoint(path).tensors;
  const auto file = io::WeightsFile::open("test", path);
  std::vector<io::StreamedTensor> streamed;
  for (const auto& record : file->contents().tensors) {
    const auto to = at::zeros(record.shape, to_scalar_type(record.dtype).value());
    streamed.push_back({file.get(), &record, io::view_of(record), to});
  }
  io::stream_tensors(streamed);
  for (const auto& tensor : streamed) {
    EXPECT_EQ(hex_of(tensor.to), hex_of(expected[tensor.record->name])) << tensor.record->name;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, GoodCheckpoint,
                         ::testing::ValuesIn(golden_names("good", ".expected.json")), test_name);

TEST(Checkpoint, ModulesKeepTheirAttributes) {
  if (golden_files().empty()) GTEST_SKIP() << "no golden data";
  const auto scripted = load_checkpoint((golden_files() / "good" / "scripted.pt").string());
  EXPECT_EQ(scripted.format, CheckpointFormat::kTorchScript);
  EXPECT_EQ(to_string(scripted.format), "TorchScript");
  EXPECT_EQ(scripted.attributes.at("num_heads"), Attribute(std::int64_t{8}));
  const auto traced = load_checkpoint((golden_files() / "good" / "traced.pt").string());
  EXPECT_EQ(traced.format, CheckpointFormat::kTorchScript);
  EXPECT_FALSE(traced.attributes.contains("num_heads"));
}

/// An archive of `count` storages of a megabyte each, large enough to be read by several threads.
std::string large_archive(int count) {
  std::vector<std::string> storages;
  std::string items = "}(";
  for (int i = 0; i < count; ++i) {
    storages.emplace_back(1 << 20, static_cast<char>(i));
    pickles::Tensor parts;
    parts.storage = pickles::storage("ByteStorage", std::to_string(i), 1 << 20);
    parts.size = "(" + pickles::integer(1 << 20) + "t";
    parts.stride = "(" + pickles::integer(1) + "t";
    items += pickles::text(std::to_string(i)) + pickles::tensor(parts);
  }
  return make_archive(pickles::program(items + "u"), storages);
}

TEST(Checkpoint, LargeFilesAreReadByThreads) {
  TemporaryFolder folder;
  std::string bytes = large_archive(24);
  const auto path = write_bytes(folder / "large.pt", bytes);
  const auto checkpoint = load_checkpoint(path);
  ASSERT_EQ(checkpoint.tensors.size(), 24u);
  for (int i = 0; i < 24; ++i) {
    const auto& tensor = checkpoint.tensors[std::to_string(i)];
    EXPECT_TRUE(tensor.eq(i).all().item<bool>()) << i;
  }
  // One flipped bit in the middle: its thread's error reaches the caller.
  bytes[bytes.size() / 2] ^= 1;
  write_bytes(path, bytes);
  EXPECT_EQ(inspect_checkpoint(path).tensors.size(), 24u);  // reads no data
  try {
    load_checkpoint(path);
    FAIL() << "a flipped bit was not noticed";
  } catch (const FileError& error) {
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with("[load_checkpoint] " + path + ": zip entry 'm/data/"))
        << message;
    EXPECT_NE(message.find("expected CRC 0x"), std::string::npos) << message;
    EXPECT_EQ(message.find("Exception raised from"), std::string::npos) << message;
  }
}

TEST(Checkpoint, AFilesNamesCannotCollide) {
  TemporaryFolder folder;
  std::string items = "}(";
  for (const auto& name : names_with_a_crowd("", 200, 17)) {
    items += pickles::text(name) + pickles::tensor();
  }
  const auto path = write_bytes(
      folder / "file.pt", make_archive(pickles::program(items + "u"), {std::string(16, '\1')}));
  EXPECT_THROW(load_checkpoint(path), FileError);
  EXPECT_THROW(inspect_checkpoint(path), FileError);
}

TEST(Checkpoint, APartsNamesCannotCollide) {
  const auto with = [](std::size_t crowd) {
    Checkpoint checkpoint{CheckpointFormat::kTorchSave, StateDict(), {}};
    for (const auto& name : names_with_a_crowd("model.", 200, crowd)) {
      checkpoint.tensors.insert(name, at::zeros({0}));
    }
    checkpoint.tensors.insert("other", at::zeros({0}));
    return checkpoint;
  };
  EXPECT_EQ(part_of(with(16), "model.").tensors.size(), 200u);
  try {
    part_of(with(17), "model.");
    FAIL() << "names that collide were taken";
  } catch (const ValueError& error) {
    EXPECT_TRUE(std::string_view(error.what()).starts_with("[part_of] 'model.': tensor '"))
        << error.what();
  }
}

TEST(Checkpoint, ErrorsNameTheFileAndTheFunction) {
  for (const bool inspect : {false, true}) {
    try {
      inspect ? void(inspect_checkpoint("missing.pt")) : void(load_checkpoint("missing.pt"));
      FAIL();
    } catch (const FileError& error) {
      EXPECT_STREQ(error.what(),
                   inspect ? "[inspect_checkpoint] missing.pt: cannot be opened: No such "
                             "file or directory"
                           : "[load_checkpoint] missing.pt: cannot be opened: No such file "
                             "or directory");
    }
  }
}

}  // namespace
}  // namespace xattn::testing
