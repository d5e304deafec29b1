// Files that Python wrote, good and hostile: every value, stride, alias and attribute, every
// refusal.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "io/support/reading.h"
#include "io/support/temporary_folder.h"
#include "io/weights_file.h"
#include "xattn/core/error.h"

namespace xattn::testing {
namespace {

using nlohmann::json;

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param.empty() ? "no_golden_data" : info.param;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

std::string hex_text(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xf];
  }
  return text;
}

template <class Real>
void negate_real(char* element) {
  Real value;
  std::memcpy(&value, element, sizeof value);
  value = -value;
  std::memcpy(element, &value, sizeof value);
}

/// The elements of a strided view in row-major order, as Python's contiguous() gives them.
std::string elements(const io::TensorRecord& record, const std::string& storage) {
  const auto size = static_cast<std::size_t>(item_size(record.dtype));
  std::string bytes;
  std::vector<std::int64_t> index(record.shape.size(), 0);
  std::int64_t count = 1;
  for (const std::int64_t extent : record.shape) count *= extent;
  for (std::int64_t n = 0; n < count; ++n) {
    std::int64_t at = record.offset;
    for (std::size_t d = 0; d < index.size(); ++d) at += index[d] * record.strides[d];
    std::string element = storage.substr(static_cast<std::size_t>(at) * size, size);
    if (record.conjugate) negate_real<float>(element.data() + 4);
    if (record.negative) negate_real<float>(element.data());
    bytes += element;
    for (std::size_t d = index.size(); d > 0 && ++index[d - 1] == record.shape[d - 1]; --d) {
      index[d - 1] = 0;
    }
  }
  return bytes;
}

void expect_attribute(const std::string& name, const Attribute& got, const json& expected) {
  const std::string type = expected[0];
  const json& value = expected[1];
  if (type == "NoneType") {
    EXPECT_TRUE(std::holds_alternative<std::monostate>(got)) << name;
  } else if (type == "bool") {
    EXPECT_EQ(got, Attribute(value.get<bool>())) << name;
  } else if (type == "int") {
    EXPECT_EQ(got, Attribute(value.get<std::int64_t>())) << name;
  } else if (type == "float") {
    EXPECT_EQ(got, Attribute(value.get<double>())) << name;
  } else {
    EXPECT_EQ(got, Attribute(value.get<std::string>())) << name;
  }
}

class GoodFile : public ::testing::TestWithParam<std::string> {};

TEST_P(GoodFile, ReadsAsPythonWroteIt) {
  if (GetParam().empty()) GTEST_SKIP() << "no golden data";
  const auto path = (golden_files() / "good" / GetParam()).string();
  const json expected = json::parse(read_bytes(path + ".expected.json"));
  const auto file = io::WeightsFile::open("test", path);
  file->verify_rest();
  const auto& contents = file->contents();

  std::vector<std::string> order;
  std::map<std::size_t, std::vector<std::string>> sharing;
  for (const auto& record : contents.tensors) {
    SCOPED_TRACE(record.name);
    order.push_back(record.name);
    sharing[record.storage].push_back(record.name);
    ASSERT_TRUE(expected["tensors"].contains(record.name));
    const json& tensor = expected["tensors"][record.name];
    EXPECT_EQ(name(record.dtype), tensor["dtype"].get<std::string>());
    EXPECT_EQ(record.shape, tensor["shape"].get<std::vector<std::int64_t>>());
    if (contents.format != CheckpointFormat::kSafetensors) {
      EXPECT_EQ(record.strides, tensor["stride"].get<std::vector<std::int64_t>>());
    }
    std::string storage(file->storage_size(record.storage), '\0');
    file->read_storage(record.storage, storage.data());
    EXPECT_EQ(hex_text(elements(record, storage)), tensor["bytes"].get<std::string>());
  }
  EXPECT_EQ(order, expected["order"].get<std::vector<std::string>>());

  std::vector<std::vector<std::string>> shared;
  for (const auto& [storage, names] : sharing) {
    if (names.size() > 1) shared.push_back(names);
  }
  auto expected_shared = expected["shared"].get<std::vector<std::vector<std::string>>>();
  std::sort(shared.begin(), shared.end());
  std::sort(expected_shared.begin(), expected_shared.end());
  EXPECT_EQ(shared, expected_shared);

  const std::map<std::string, Attribute> attributes(contents.attributes.begin(),
                                                    contents.attributes.end());
  for (const auto& [name, value] : expected["attributes"].items()) {
    ASSERT_TRUE(attributes.contains(name)) << name;
    expect_attribute(name, attributes.at(name), value);
  }
  // TorchScript keeps more than the expectation lists (`training` of every module).
  if (contents.format != CheckpointFormat::kTorchScript) {
    EXPECT_EQ(attributes.size(), expected["attributes"].size());
  }
}

TEST_P(GoodFile, InspectsWithoutReadingData) {
  if (GetParam().empty()) GTEST_SKIP() << "no golden data";
  const auto path = (golden_files() / "good" / GetParam()).string();
  const json expected = json::parse(read_bytes(path + ".expected.json"));
  const auto info = inspect_checkpoint(path);
  std::vector<std::string> order;
  for (const auto& tensor : info.tensors) {
    order.push_back(tensor.name);
    EXPECT_EQ(tensor.dtype, expected["tensors"][tensor.name]["dtype"].get<std::string>());
  }
  EXPECT_EQ(order, expected["order"].get<std::vector<std::string>>());
}

INSTANTIATE_TEST_SUITE_P(Golden, GoodFile,
                         ::testing::ValuesIn(golden_names("good", ".expected.json")), test_name);

class RefusedFile : public ::testing::TestWithParam<std::string> {};

TEST_P(RefusedFile, SaysWhyAndRunsNothing) {
  if (GetParam().empty()) GTEST_SKIP() << "no golden data";
  const auto marker = read_bytes((golden_files() / "marker.txt").string());
  const auto path = (golden_files() / "refused" / GetParam()).string();
  expect_refused(path, read_bytes(path + ".txt"));
  EXPECT_THROW(inspect_checkpoint(path), FileError);
  EXPECT_FALSE(std::filesystem::exists(marker)) << "a hostile pickle ran";
}

INSTANTIATE_TEST_SUITE_P(Golden, RefusedFile, ::testing::ValuesIn(golden_names("refused", ".txt")),
                         test_name);

}  // namespace
}  // namespace xattn::testing
