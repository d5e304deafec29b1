// Where the embedded model is looked for.

#include "xattn/pretrained/embedded_model.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "io/support/temporary_folder.h"
#include "xattn/core/error.h"

namespace xattn::testing {
namespace {

namespace fs = std::filesystem;

class EmbeddedModelTest : public ::testing::Test {
 protected:
  EmbeddedModelTest() {
    if (const char* value = std::getenv(kName)) before_ = value;
    ::unsetenv(kName);
  }
  ~EmbeddedModelTest() override {
    before_ ? ::setenv(kName, before_->c_str(), 1) : ::unsetenv(kName);
  }

  static void name(const std::string& folder) { ::setenv(kName, folder.c_str(), 1); }
  static std::string refusal() {
    try {
      share_dir();
    } catch (const FileError& error) {
      return error.what();
    }
    return "no error";
  }

  const TemporaryFolder folder_;

 private:
  static constexpr auto kName = "XATTN_SHARE_DIR";
  std::optional<std::string> before_;
};

TEST_F(EmbeddedModelTest, IsInTheSourceTree) {
  EXPECT_TRUE(fs::equivalent(share_dir(), XATTN_SOURCE_SHARE)) << share_dir();
  const auto model = embedded_model();
  EXPECT_EQ(model.folder, share_dir() + "/bada");
  EXPECT_TRUE(fs::exists(model.folder + "/unet/config.json"));
  name("");
  EXPECT_EQ(embedded_model().folder, model.folder) << "an empty variable is as none";
}

TEST_F(EmbeddedModelTest, TheVariableNamesAnotherPlace) {
  fs::create_directories(folder_ / "bada");
  name(folder_.path().string());
  const auto rule =
      "[share_dir] XATTN_SHARE_DIR: expected a folder with bada/model_index.json, got ";
  EXPECT_EQ(refusal(), rule + folder_.path().string() + ", which has none");
  EXPECT_THROW(embedded_model(), FileError);
  write_bytes(folder_ / "bada/model_index.json", "{}");
  EXPECT_EQ(share_dir(), folder_.path().string());
  EXPECT_EQ(embedded_model().folder, folder_ / "bada");
  name("/not/there");
  EXPECT_EQ(refusal(), std::string(rule) + "/not/there, which is no folder");
}

}  // namespace
}  // namespace xattn::testing
