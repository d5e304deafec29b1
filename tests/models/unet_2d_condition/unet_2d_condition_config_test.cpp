// UNet2DConditionConfig: what it reads, refuses and warns of.

#include "xattn/models/unet_2d_condition/unet_2d_condition_config.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/errors.h"

namespace xattn::testing {
namespace {

using Json = nlohmann::json;

/// Collects warnings while it lives.
class Warnings : public c10::WarningHandler {
 public:
  Warnings() : before_(c10::WarningUtils::get_warning_handler()) {
    c10::WarningUtils::set_warning_handler(this);
  }
  ~Warnings() override { c10::WarningUtils::set_warning_handler(before_); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;

  void process(const c10::Warning& warning) override { texts.push_back(warning.msg()); }

  std::vector<std::string> texts;

 private:
  c10::WarningHandler* before_;
};

UNet2DConditionConfig read(const Json& json) {
  return UNet2DConditionConfig::from_json(json.dump());
}

TEST(UNet2DConditionConfig, HasTheOriginalsDefaults) {
  const auto config = read(Json::object());
  EXPECT_EQ(config.to_json(), UNet2DConditionConfig().to_json());
  EXPECT_EQ(config.block_out_channels, (std::vector<int64_t>{320, 640, 1280, 1280}));
  EXPECT_EQ(config.attention_head_dim, std::vector<int64_t>{8});
}

TEST(UNet2DConditionConfig, WarnsOfFieldsThatTheOriginalDoesNotKnow) {
  Warnings warnings;
  read({{"decay", 0.9999}, {"_class_name", "UNet2DConditionModel"}, {"in_channels", 9}});
  EXPECT_EQ(warnings.texts, std::vector<std::string>{
                                "[UNet2DConditionModel] config.json: decay: unknown, ignored"});
}

TEST(UNet2DConditionConfig, RefusesWhatOnlyTheOriginalImplements) {
  const std::vector<std::pair<std::string, Json>> fields = {
      {"reverse_transformer_layers_per_block", {{1, 2}, 1, 1, 1}},
      {"encoder_hid_dim", 8},
      {"encoder_hid_dim_type", "text_proj"},
      {"num_attention_heads", 8},
      {"dual_cross_attention", true},
      {"resnet_skip_time_act", true},
      {"resnet_out_scale_factor", 2.0},
      {"time_embedding_type", "fourier"},
      {"attention_type", "gated"},
      {"mid_block_only_cross_attention", true},
      {"cross_attention_norm", "layer_norm"},
      {"addition_embed_type_num_heads", 8},
      {"transformer_layers_per_block", {1, {1, 2}, 1, 1}},
      {"norm_num_groups", nullptr},
  };
  for (const auto& [name, value] : fields) {
    try {
      read({{name, value}});
      ADD_FAILURE() << name << " was accepted";
    } catch (const ValueError& error) {
      EXPECT_EQ(std::string(error.what())
                    .rfind("[UNet2DConditionModel] config.json: " + name + ": expected ", 0),
                0)
          << error.what();
    }
  }
}

TEST(UNet2DConditionConfig, RefusesTypesByName) {
  expect_value_error(
      [] {
        read({{"encoder_hid_dim", 8}});
      },
      "[UNet2DConditionModel] config.json: encoder_hid_dim: expected null, the only value "
      "implemented, got 8");
  expect_value_error(
      [] {
        read({{"mid_block_type", "UNetMidBlock2DSimpleCrossAttn"}});
      },
      "[UNet2DConditionModel] mid_block_type: expected UNetMidBlock2DCrossAttn or none, the only "
      "ones implemented, got UNetMidBlock2DSimpleCrossAttn");
  expect_value_error(
      [] {
        read({{"addition_embed_type", "image"}});
      },
      "[UNet2DConditionModel] addition_embed_type: expected none or text_time, the only ones "
      "implemented, got image");
  expect_value_error(
      [] {
        read({{"down_block_types",
               {"AttnDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"}}});
      },
      "[UNet2DConditionModel] down_block_types: expected CrossAttnDownBlock2D or DownBlock2D, the "
      "only ones "
      "implemented, got AttnDownBlock2D");
}

TEST(UNet2DConditionConfig, RefusesValuesThatNoModelCanHave) {
  const std::vector<std::pair<std::string, Json>> fields = {
      {"down_block_types", Json::array()},
      {"up_block_types", {"UpBlock2D"}},
      {"block_out_channels", {320, 640}},
      {"block_out_channels", {320, 640, 1280, 0}},
      {"layers_per_block", {2, 2}},
      {"layers_per_block", 0},
      {"layers_per_block", 1000000000},
      {"transformer_layers_per_block", 1000000000},
      {"block_out_channels", {320, 640, 1280, int64_t{1} << 40}},
      {"attention_head_dim", {8, 8}},
      {"attention_head_dim", "8"},
      {"cross_attention_dim", 0},
      {"only_cross_attention", {true, false}},
      {"only_cross_attention", 1},
      {"transformer_layers_per_block", -1},
      {"in_channels", 0},
      {"out_channels", 0},
      {"norm_num_groups", 0},
      {"conv_in_kernel", 2},
      {"conv_out_kernel", 0},
      {"downsample_padding", -1},
      {"sample_size", {64, 64, 64}},
      {"sample_size", "64"},
      {"class_embed_type", "other"},
      {"class_embed_type", "projection"},
      {"addition_embed_type", "text_time"},
      {"num_class_embeds", 0},
      {"time_cond_proj_dim", 0},
  };
  for (const auto& [name, value] : fields) {
    EXPECT_THROW(read({{name, value}}), ValueError) << name << " " << value;
  }
  expect_value_error([] { UNet2DConditionConfig::from_json("[]"); },
                     "[UNet2DConditionModel] config.json: expected a JSON object");
}

TEST(UNet2DConditionConfig, KeepsTheFormOfItsFields) {
  const Json fields = {
      {"sample_size", {64, 96}},   {"attention_head_dim", {5, 10, 20, 20}},
      {"layers_per_block", 3},     {"only_cross_attention", {true, true, true, false}},
      {"mid_block_type", nullptr}, {"freq_shift", 0.5}};
  const auto written = Json::parse(read(fields).to_json());
  for (const auto& [name, value] : fields.items()) EXPECT_EQ(written.at(name), value) << name;
}

}  // namespace
}  // namespace xattn::testing
