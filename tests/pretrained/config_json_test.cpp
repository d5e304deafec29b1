// config.json as hostile as it may be: one error that names the class, or the file.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/support/temporary_folder.h"
#include "xattn/core/error.h"
#include "xattn/models/clip/clip_text_config.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_config.h"
#include "xattn/pretrained/any_model.h"

namespace xattn::testing {
namespace {

using namespace std::string_literals;

template <typename Error, typename Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_LT(std::string(error.what()).size(), 1000u);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

const std::vector<std::pair<std::string, std::string>> kHostile = {
    {std::string(200'000, '['), "JSON: expected at most 64 levels, got more at byte 64"},
    {R"({"a":1e400})", "JSON: expected numbers that a double holds, got '1e400'"},
    {"{}\0junk"s, "JSON: expected a JSON object in UTF-8, got a zero byte at byte 2"},
    {"\xef\xbb\xbf{}", "JSON: expected no byte order mark before it, got one"},
    {"{} {}", "expected a JSON object, got an error at byte 4"},
};

TEST(ConfigJson, RefusesHostileTexts) {
  for (const auto& [text, reason] : kHostile) {
    EXPECT_EQ(message_of<ValueError>([&] { UNet2DConditionConfig::from_json(text); }),
              "[UNet2DConditionModel] config.json: " + reason);
    EXPECT_EQ(message_of<ValueError>([&] { CLIPTextConfig::from_json(text); }),
              "[CLIPTextModel] config.json: " + reason);
  }
}

TEST(ConfigJson, RefusesHostileFiles) {
  const TemporaryFolder folder;
  for (const auto& [text, reason] : kHostile) {
    const auto path = write_bytes(folder / "config.json", text);
    EXPECT_EQ(message_of<FileError>([&] { pretrained_classes(folder.path().string()); }),
              "[from_pretrained] " + path + ": " + reason);
  }
  std::filesystem::resize_file(folder / "config.json", (16u << 20) + 1);
  EXPECT_NE(message_of<FileError>([&] {
              pretrained_classes(folder.path().string());
            }).find("expected at most 16777216 bytes"),
            std::string::npos);
}

TEST(ConfigJson, RefusesFoldersThatCannotBeExamined) {
  const TemporaryFolder folder;
  const auto long_name = folder / std::string(300, 'a');
  EXPECT_EQ(message_of<FileError>([&] { pretrained_classes(long_name); }),
            "[from_pretrained] " + long_name +
                "/config.json: cannot be examined: "
                "File name too long");
  std::filesystem::create_symlink("config.json", folder / "config.json");
  EXPECT_NE(message_of<FileError>([&] {
              pretrained_classes(folder.path().string());
            }).find("cannot be examined"),
            std::string::npos);
}

TEST(ConfigJson, RefusesNumbersBeyond64Bits) {
  // It was read as -1.
  EXPECT_EQ(message_of<ValueError>([] {
              UNet2DConditionConfig::from_json(R"({"in_channels": 18446744073709551615})");
            }),
            "[UNet2DConditionModel] config.json: in_channels: expected a whole number, got "
            "18446744073709551615");
}

TEST(ConfigJson, ShortensWhatItShows) {
  std::string list = "[0";
  for (int i = 0; i < 100'000; ++i) list += ",0";
  const auto message = message_of<ValueError>(
      [&] { UNet2DConditionConfig::from_json("{\"in_channels\": " + list + "]}"); });
  EXPECT_NE(message.find("in_channels: expected a whole number, got [0,0,0"), std::string::npos);
}

TEST(ConfigJson, WarnsOfTenUnknownFieldsAndCountsTheRest) {
  std::string text = "{\"evil\\nname\": 1";
  for (int i = 0; i < 5'000; ++i) text += ",\"x" + std::to_string(i) + "\":0";
  ::testing::internal::CaptureStderr();
  UNet2DConditionConfig::from_json(text + "}");
  const auto warnings = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(warnings.find("config.json: evil\\x0aname, x0"), std::string::npos) << warnings;
  EXPECT_NE(warnings.find(" and 4991 more: unknown, ignored"), std::string::npos) << warnings;
  EXPECT_LT(warnings.size(), 5'000u);
}

}  // namespace
}  // namespace xattn::testing
