// Every byte of a .bin has a checksum, and each is checked: also of what goes into no parameter.
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include "io/support/pickle_writer.h"
#include "io/support/temporary_folder.h"
#include "io/support/zip_writer.h"
#include "pretrained/config_json.h"
#include "xattn/core/error.h"
#include "xattn/pretrained/from_pretrained.h"

namespace xattn::testing {
namespace {

struct OneConfig {
  static OneConfig from_json(const std::string& /*text*/) { return {}; }
  std::string to_json() const { return "{}"; }
};

class OneImpl : public torch::nn::Module {
 public:
  using Config = OneConfig;
  static constexpr const char* kClassName = "One";
  explicit OneImpl(const OneConfig& config_) : config(config_) {
    weight = register_parameter("weight", torch::zeros({4}));
  }
  static std::vector<KeyTarget> map_key(const OneConfig& /*config*/, const std::string& key) {
    if (key == "position_ids") return {};
    return {KeyTarget{.key = key}};
  }
  OneConfig config;
  torch::Tensor weight;
};
TORCH_MODULE(One);

TEST(DamagedBin, IsRefusedWhereverTheDamageIs) {
  using namespace pickles;
  const TemporaryFolder folder;
  write_bytes(folder / "config.json", R"({"_class_name": "One"})");
  const auto floats = [](const char* key) {
    return tensor(
        {.storage = storage("FloatStorage", key, 4), .size = "K\4\x85", .stride = "K\1\x85"});
  };
  const auto good = make_zip({{"data.pkl", program("}(" + text("weight") + floats("0") +
                                                   text("position_ids") + floats("1") + "u")},
                              {"byteorder", "little"},
                              {"version", "3\n"},
                              {"data/0", "weight.weight..."},
                              {"data/1", "position.ids...."},
                              {"extra/notes", "notes that nobody reads"}});
  const auto path = folder / "diffusion_pytorch_model.bin";
  write_bytes(path, good);
  from_pretrained<One>(folder.path().string());
  for (const std::string part : {"weight.weight", "position.ids", "notes that"}) {
    write_bytes(path, good);
    write_byte_at(path, good.find(part), '!');
    try {
      from_pretrained<One>(folder.path().string());
      ADD_FAILURE() << part << ": was read";
    } catch (const FileError& error) {
      EXPECT_NE(std::string(error.what()).find("the file is damaged"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace xattn::testing
