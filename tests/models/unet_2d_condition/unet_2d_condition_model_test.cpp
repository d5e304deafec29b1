// UNet2DConditionModel and its blocks without golden data: errors, and what needs no original.

#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include <sstream>
#include <thread>
#include <vector>

#include "models/unet_2d_condition/unet_blocks.h"
#include "models/unet_2d_condition/unet_support.h"
#include "support/errors.h"
#include "xattn/io/state_dict.h"
#include "xattn/nn/initialization.h"

namespace xattn::testing {
namespace {

class UNet2DCondition : public ::testing::Test {
 protected:
  UNet2DCondition() { unet->eval(); }

  torch::Tensor forward(const UNet2DConditionArguments& arguments = {}) {
    return unet->forward(sample, timestep, text, arguments);
  }

  torch::NoGradGuard no_grad;
  UNet2DConditionModel unet{small_unet_config()};
  torch::Tensor sample = torch::randn({2, 4, 8, 6}), timestep = torch::tensor(7),
                text = torch::randn({2, 5, 6});
};

TEST_F(UNet2DCondition, ChecksItsInputs) {
  expect_value_error(
      [&] {
        unet->forward(torch::randn({2, 3, 8, 6}), timestep, text);
      },
      "[UNet2DConditionModel] sample: expected [B, 4, H, W], got [2, 3, 8, 6]");
  expect_value_error([&] { unet->forward(sample, torch::zeros({3}), text); },
                     "[UNet2DConditionModel] timestep: expected [] or [2], got [3]");
  expect_value_error(
      [&] {
        unet->forward(sample, timestep, torch::randn({3, 5, 6}));
      },
      "[UNet2DConditionModel] encoder_hidden_states: expected [2, T, S], got [3, 5, 6]");
  expect_value_error(
      [&] {
        unet->forward(sample, timestep, torch::randn({2, 5, 7}));
      },
      "[UNet2DConditionModel] down_blocks.0.attentions.0.transformer_blocks.0.attn2: "
      "encoder_hidden_states: expected [2, T, 6], got [2, 5, 7]");
  EXPECT_THROW(unet->forward(sample.to(torch::kDouble), timestep, text), ValueError);
  EXPECT_THROW(unet->forward(sample, {}, text), ValueError);
  EXPECT_THROW(unet->forward(sample, timestep, {}), ValueError);
  EXPECT_THROW(unet->forward({}, timestep, text), ValueError);
}

TEST_F(UNet2DCondition, ChecksItsArguments) {
  UNet2DConditionArguments arguments;
  arguments.class_labels = torch::zeros({2}, torch::kLong);
  expect_value_error(
      [&] { forward(arguments); },
      "[UNet2DConditionModel] class_labels: expected none without class_embed_type or "
      "num_class_embeds, got a tensor");
  arguments = {};
  arguments.timestep_cond = torch::zeros({2, 4});
  expect_value_error([&] { forward(arguments); },
                     "[UNet2DConditionModel] timestep_cond: expected none without "
                     "time_cond_proj_dim, got a tensor");
  arguments = {};
  arguments.text_embeds = torch::zeros({2, 4});
  EXPECT_THROW(forward(arguments), ValueError);
  arguments = {};
  arguments.encoder_attention_mask = torch::ones({2, 4});
  EXPECT_THROW(forward(arguments), ValueError);
  arguments.encoder_attention_mask = torch::ones({1, 5});
  EXPECT_THROW(forward(arguments), ValueError);
  arguments = {};
  arguments.mid_block_additional_residual = torch::zeros({2, 16, 4, 3});
  expect_value_error(
      [&] { forward(arguments); },
      "[UNet2DConditionModel] down_block_additional_residuals: expected given, as its counterpart "
      "is, got none");
  arguments.down_block_additional_residuals = {torch::zeros({2, 8, 8, 6})};
  expect_value_error(
      [&] { forward(arguments); },
      "[UNet2DConditionModel] down_block_additional_residuals: expected 4 tensors, got 1");
  arguments.down_block_additional_residuals.resize(4, torch::zeros({2, 8, 8, 6}));
  EXPECT_THROW(forward(arguments), ValueError);
}

TEST_F(UNet2DCondition, AsksForWhatItsConfigurationNeeds) {
  auto config = small_unet_config();
  config.num_class_embeds = 3;
  unet = UNet2DConditionModel(config);
  expect_value_error(
      [&] { forward(); },
      "[UNet2DConditionModel] class_labels: expected a tensor with class_embed_type or "
      "num_class_embeds, got none");
  config = small_unet_config();
  config.addition_embed_type = "text_time";
  config.addition_time_embed_dim = 4;
  config.projection_class_embeddings_input_dim = 20;
  unet = UNet2DConditionModel(config);
  expect_value_error(
      [&] { forward(); },
      "[UNet2DConditionModel] text_embeds: expected a tensor with addition_embed_type, got none");
  UNet2DConditionArguments arguments;
  arguments.text_embeds = torch::zeros({2, 8});
  arguments.time_ids = torch::zeros({2, 2});
  expect_value_error([&] { forward(arguments); },
                     "[UNet2DConditionModel] text_embeds and time_ids: expected widths P + "
                     "addition_time_embed_dim·K = 20, got 8 + 8");
  arguments.time_ids = torch::zeros({2, 3});
  EXPECT_EQ(forward(arguments).sizes(), sample.sizes());
}

TEST_F(UNet2DCondition, RefusesATextThatIsNotItsOwn) {
  const auto own = unet->prepare(text);
  EXPECT_EQ(own.layers().size(), 4u);  // down 1, mid 1, up 2
  UNet2DConditionModel other(small_unet_config());
  expect_value_error(
      [&] { other->forward_prepared(sample, timestep, own); },
      "[UNet2DConditionModel] down_blocks.0.attentions.0.transformer_blocks.0.attn2: text "
      "(prepared): expected one that this layer prepared, got another's");
  PreparedTexts none;
  expect_value_error(
      [&] { unet->forward_prepared(sample, timestep, none); },
      "[UNet2DConditionModel] down_blocks.0.attentions.0.transformer_blocks.0.attn2: text "
      "(prepared): expected one that this layer prepared, got none");
  UNet2DConditionArguments arguments;
  arguments.encoder_attention_mask = torch::ones({2, 5});
  expect_value_error(
      [&] { unet->forward_prepared(sample, timestep, own, arguments); },
      "[UNet2DConditionModel] encoder_attention_mask: expected none, as the text was prepared with "
      "its own, got a tensor");
  EXPECT_THROW(unet->forward_prepared(sample.narrow(0, 0, 1), timestep, own), ValueError);
}

TEST_F(UNet2DCondition, HoldsOnlyKeysAndValuesForSdpa) {
  const auto prepared = unet->prepare(text, std::nullopt, AttentionPath::kSdpa);
  for (const auto& [name, layer] : prepared.layers()) {
    EXPECT_FALSE(layer.blocks);
    EXPECT_EQ(layer.key.sizes(),
              (std::vector<int64_t>{2, 2, 5, layer.weights.query_weight.size(0) / 2}));
  }
}

TEST_F(UNet2DCondition, AnEmptyTextAndAnEmptyBatch) {
  text = torch::randn({2, 0, 6});
  EXPECT_TRUE(forward().isfinite().all().item<bool>());
  sample = sample.narrow(0, 0, 0);
  text = torch::randn({0, 5, 6});
  EXPECT_EQ(forward().sizes(), sample.sizes());
}

TEST_F(UNet2DCondition, ACloneIsAModelOfItsOwn) {
  const auto expected = forward();
  auto clone = std::dynamic_pointer_cast<UNet2DConditionModelImpl>(unet->clone());
  EXPECT_TRUE(torch::equal(clone->forward(sample, timestep, text), expected));
  EXPECT_EQ(state_dict(*clone).keys(), state_dict(*unet).keys());
  clone->conv_out->weight.zero_();
  EXPECT_TRUE(torch::equal(forward(), expected));
}

TEST_F(UNet2DCondition, KeepsNothingOfAPass) {
  // Threads with texts of their own, raw and prepared, through one module.
  std::vector<torch::Tensor> texts, expected, outputs(4);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    texts.push_back(torch::randn({2, 3 + i, 6}));
    expected.push_back(unet->forward(sample, timestep, texts[i]));
  }
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      torch::NoGradGuard no_grad_here;
      const auto prepared = unet->prepare(texts[i]);
      for (int j = 0; j < 5; ++j) {
        outputs[i] = i % 2 == 0 ? unet->forward(sample, timestep, texts[i])
                                : unet->forward_prepared(sample, timestep, prepared);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (int i = 0; i < 4; ++i)
    EXPECT_TRUE(torch::allclose(outputs[i], expected[i], 1e-4, 1e-5)) << i;
}

TEST_F(UNet2DCondition, RunsInBfloat16) {
  const auto expected = forward();
  unet->to(torch::kBFloat16);
  sample = sample.to(torch::kBFloat16);
  text = text.to(torch::kBFloat16);
  const auto output = forward();
  EXPECT_EQ(output.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(torch::allclose(output.to(torch::kFloat), expected, 0.1, 0.1));
}

TEST_F(UNet2DCondition, RunsUnderAutocast) {
  const auto expected = forward();
  const auto prepared = unet->prepare(text);
  for (const bool with_gradient : {false, true}) {
    const torch::AutoGradMode mode(with_gradient);
    torch::Tensor output, from_prepared;
    at::autocast::set_autocast_enabled(at::kCPU, true);
    output = forward();
    from_prepared = unet->forward_prepared(sample, timestep, prepared);
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
    EXPECT_EQ(output.scalar_type(), torch::kBFloat16);
    EXPECT_TRUE(torch::allclose(output.to(torch::kFloat), expected, 0.1, 0.1));
    EXPECT_TRUE(torch::allclose(from_prepared.to(torch::kFloat), expected, 0.1, 0.1));
    if (with_gradient) {
      output.to(torch::kFloat).sum().backward();
      EXPECT_EQ(unet->conv_in->weight.grad().scalar_type(), torch::kFloat);
    }
  }
}

TEST_F(UNet2DCondition, NamesTheLayerThatRefuses) {
  // Dtypes are checked where the user calls, and blocks are called by users too.
  expect_value_error([&] { unet->forward(sample.to(torch::kDouble), timestep, text); },
                     "[UNet2DConditionModel] sample: expected float32 as the weights, got float64");
  expect_value_error(
      [&] {
        unet->mid_block->forward(torch::randn({2, 16, 4, 3}, torch::kDouble), text[0]);
      },
      "[UNetMidBlock2DCrossAttn] hidden_states: expected float32 as the weights, got float64");
  UNet2DConditionArguments arguments;
  arguments.down_intrablock_additional_residuals = {torch::randn({2, 8, 8, 5})};
  expect_value_error([&] { forward(arguments); },
                     "[UNet2DConditionModel] down_blocks.0: additional_residuals: expected [2, 8, "
                     "8, 6], got [2, 8, 8, 5]");
  arguments.down_intrablock_additional_residuals = {
      torch::randn({2, 8, 8, 6}), torch::randn({2, 16, 4, 3}), torch::randn({2, 16, 4, 2})};
  expect_value_error([&] { forward(arguments); },
                     "[UNet2DConditionModel] down_intrablock_additional_residuals: expected 2 "
                     "tensors, and one of the middle's shape at most, got 3");
}

TEST_F(UNet2DCondition, Prints) {
  std::ostringstream stream;
  stream << *unet;
  EXPECT_NE(
      stream.str().find("xattn::UNet2DConditionModel(in_channels=4, out_channels=4, blocks=2)"),
      std::string::npos);
  EXPECT_NE(stream.str().find(
                "xattn::Attention(query_dim=8, cross_attention_dim=6, heads=2, dim_head=4)"),
            std::string::npos);
}

nlohmann::json published_config(int64_t sample_size) {
  return {{"_class_name", "UNet2DConditionModel"},
          {"_diffusers_version", "0.6.0"},
          {"act_fn", "silu"},
          {"attention_head_dim", 8},
          {"block_out_channels", {320, 640, 1280, 1280}},
          {"center_input_sample", false},
          {"cross_attention_dim", 768},
          {"down_block_types",
           {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"}},
          {"downsample_padding", 1},
          {"flip_sin_to_cos", true},
          {"freq_shift", 0},
          {"in_channels", 4},
          {"layers_per_block", 2},
          {"mid_block_scale_factor", 1},
          {"norm_eps", 1e-5},
          {"norm_num_groups", 32},
          {"out_channels", 4},
          {"sample_size", sample_size},
          {"up_block_types",
           {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"}}};
}

/// The parameters of a published model, whose weights are never touched.
int64_t count_parameters(const nlohmann::json& config) {
  const SkipInitialization skip;
  const UNet2DConditionModel unet(UNet2DConditionConfig::from_json(config.dump()));
  int64_t count = 0;
  for (const auto& parameter : unet->parameters()) count += parameter.numel();
  return count;
}

TEST(UNet2DConditionPublished, HasAsManyParameters) {
  auto config = published_config(64);
  EXPECT_EQ(count_parameters(config), 859520964) << "Stable Diffusion 1.5";
  config["in_channels"] = 9;
  EXPECT_EQ(count_parameters(config), 859535364) << "Stable Diffusion 1.5, inpainting";
  config = published_config(96);
  config.update({{"attention_head_dim", {5, 10, 20, 20}},
                 {"cross_attention_dim", 1024},
                 {"dual_cross_attention", false},
                 {"num_class_embeds", nullptr},
                 {"only_cross_attention", false},
                 {"upcast_attention", true},
                 {"use_linear_projection", true}});
  EXPECT_EQ(count_parameters(config), 865910724) << "Stable Diffusion 2.1";
  config = published_config(128);
  config.update(
      {{"addition_embed_type", "text_time"},
       {"addition_embed_type_num_heads", 64},
       {"addition_time_embed_dim", 256},
       {"attention_head_dim", {5, 10, 20}},
       {"block_out_channels", {320, 640, 1280}},
       {"class_embed_type", nullptr},
       {"class_embeddings_concat", false},
       {"conv_in_kernel", 3},
       {"cross_attention_dim", 2048},
       {"cross_attention_norm", nullptr},
       {"down_block_types", {"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"}},
       {"encoder_hid_dim", nullptr},
       {"mid_block_only_cross_attention", nullptr},
       {"mid_block_type", "UNetMidBlock2DCrossAttn"},
       {"num_attention_heads", nullptr},
       {"projection_class_embeddings_input_dim", 2816},
       {"resnet_out_scale_factor", 1.0},
       {"resnet_skip_time_act", false},
       {"resnet_time_scale_shift", "default"},
       {"time_cond_proj_dim", nullptr},
       {"time_embedding_type", "positional"},
       {"transformer_layers_per_block", {1, 2, 10}},
       {"up_block_types", {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}},
       {"upcast_attention", nullptr},
       {"use_linear_projection", true}});
  EXPECT_EQ(count_parameters(config), 2567463684) << "Stable Diffusion XL";
}

TEST(UNetBlocks, RefuseOptionsThatCannotBe) {
  using Json = nlohmann::json;
  const std::vector<std::pair<std::string, Json>> blocks = {
      {"Timesteps", {{"num_channels", 1}}},
      {"TimestepEmbedding", {{"in_channels", 4}, {"time_embed_dim", 4}, {"act_fn", "tanh"}}},
      {"GELU", {{"dim_in", 4}, {"dim_out", 4}, {"approximate", "sigmoid"}}},
      {"FeedForward", {{"dim", 4}, {"activation_fn", "swiglu"}}},
      {"Downsample2D", {{"channels", 0}}},
      {"Downsample2D", {{"channels", 4}, {"out_channels", 8}}},
      {"Upsample2D", {{"channels", 0}}},
      {"ResnetBlock2D", {{"in_channels", 0}}},
      {"ResnetBlock2D", {{"in_channels", 6}, {"groups", 4}}},
      {"ResnetBlock2D", {{"in_channels", 8}, {"groups", 4}, {"groups_out", 3}}},
      {"ResnetBlock2D", {{"in_channels", 8}, {"groups", 4}, {"time_embedding_norm", "ada_group"}}},
      {"Attention", {{"query_dim", 0}}},
      {"Attention", {{"query_dim", 4}, {"heads", 0}}},
      {"Attention", {{"query_dim", 4}, {"norm_num_groups", 3}}},
      {"Transformer2DModel",
       {{"num_attention_heads", 2},
        {"attention_head_dim", 2},
        {"in_channels", 6},
        {"norm_num_groups", 4}}},
      {"DownBlock2D", {{"in_channels", 8}, {"temb_channels", 8}, {"num_layers", 0}}},
      {"CrossAttnDownBlock2D",
       {{"in_channels", 32}, {"temb_channels", 8}, {"num_attention_heads", 0}}},
      {"CrossAttnDownBlock2D",
       {{"in_channels", 32}, {"temb_channels", 8}, {"num_attention_heads", 64}}},
      {"CrossAttnUpBlock2D",
       {{"in_channels", 32},
        {"temb_channels", 8},
        {"num_layers", 3},
        {"transformer_layers_per_block", {1, 2}}}},
  };
  for (const auto& [name, arguments] : blocks) {
    EXPECT_THROW(make_block(name, arguments), ValueError) << name << " " << arguments;
  }
}

TEST(UNetBlocks, CheckTheirInputs) {
  const auto attention =
      make_block("Attention", {{"query_dim", 8}, {"cross_attention_dim", 6}, {"heads", 2}});
  expect_value_error(
      [&] {
        attention.call({{"hidden_states", torch::randn({2, 3, 7})}});
      },
      "[Attention] hidden_states: expected [B, N, 8], got [2, 3, 7]");
  expect_value_error(
      [&] {
        attention.call({{"hidden_states", torch::randn({2, 3, 8})}});
      },
      "[Attention] encoder_hidden_states: expected [B, T, 6], got none");
  expect_value_error(
      [&] {
        attention.call({{"hidden_states", torch::randn({2, 3, 8})},
                        {"encoder_hidden_states", torch::randn({2, 5, 6})},
                        {"attention_mask", torch::randn({2, 1, 4})}});
      },
      "[Attention] attention_mask: expected [2, 1, 5], got [2, 1, 4]");
  const auto resnet =
      make_block("ResnetBlock2D", {{"in_channels", 8}, {"groups", 4}, {"temb_channels", 6}});
  expect_value_error(
      [&] {
        resnet.call({{"input_tensor", torch::randn({2, 8, 4, 4})}});
      },
      "[ResnetBlock2D] temb: expected a tensor, as temb_channels is given, got none");
  const auto up = make_block(
      "UpBlock2D",
      {{"in_channels", 8}, {"prev_output_channel", 8}, {"temb_channels", 6}, {"resnet_groups", 4}});
  expect_value_error(
      [&] {
        up.call({{"hidden_states", torch::randn({2, 8, 4, 4})}, {"temb", torch::randn({2, 6})}});
      },
      "[UpBlock2D] res_hidden_states_tuple: expected 1, one for each layer, got 0");
  const auto embedding =
      make_block("TimestepEmbedding", {{"in_channels", 4}, {"time_embed_dim", 4}});
  expect_value_error(
      [&] {
        embedding.call({{"sample", torch::randn({2, 4})}, {"condition", torch::randn({2, 4})}});
      },
      "[TimestepEmbedding] condition: expected none without cond_proj_dim, got a tensor");
}

}  // namespace
}  // namespace xattn::testing
