// Every module of the library in LibTorch's own containers, which take the address of `forward`.

#include <gtest/gtest.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/utils.h>

#include "support/parity.h"
#include "xattn/xattn.h"

namespace xattn {
namespace {

using testing::is_same;
using torch::nn::AnyModule;
using torch::nn::Sequential;

class InContainers : public ::testing::Test {
 protected:
  InContainers() { torch::manual_seed(4); }

  /// `forward` by its required arguments alone, by AnyModule and by Sequential, is the module's.
  template <typename Module, typename... Arguments>
  void expect_same(Module module, const Arguments&... arguments) {
    module->eval();
    const auto expected = module->forward(arguments...);
    using Output = std::decay_t<decltype(expected)>;
    AnyModule any(module);
    compare(any.template forward<Output>(arguments...), expected);
    Sequential sequential(module);
    compare(sequential->template forward<Output>(arguments...), expected);
  }

  void compare(const torch::Tensor& actual, const torch::Tensor& expected) {
    EXPECT_TRUE(is_same("output", actual, expected));
  }
  void compare(const DownBlockOutput& actual, const DownBlockOutput& expected) {
    compare(actual.hidden_states, expected.hidden_states);
  }
  void compare(const CLIPTextOutput& actual, const CLIPTextOutput& expected) {
    compare(actual.last_hidden_state, expected.last_hidden_state);
  }

  torch::NoGradGuard no_grad;
  torch::Tensor tokens = torch::randn({2, 9, 8}), image = torch::randn({2, 8, 6, 6}),
                temb = torch::randn({2, 12});
};

TEST_F(InContainers, Primitives) {
  expect_same(Linear(8, 4), tokens);
  expect_same(Conv2d(Conv2dOptions(8, 4, 3)), image);
  expect_same(GELU(GELUOptions(8, 4)), tokens);
  expect_same(GEGLU(GEGLUOptions(8, 4)), tokens);
  expect_same(FeedForward(FeedForwardOptions(8)), tokens);
  expect_same(Attention(AttentionOptions(8).heads(2).dim_head(4)), tokens);
  expect_same(CrossAttention(CrossAttentionOptions(8).num_heads(2)), tokens, tokens);
  expect_same(ResnetBlock2D(ResnetBlock2DOptions(8).groups(4).temb_channels(std::nullopt)), image);
  expect_same(Downsample2D(Downsample2DOptions(8).use_conv(true)), image);
  expect_same(Upsample2D(Upsample2DOptions(8).use_conv(true)), image);
}

TEST_F(InContainers, BlocksOfTheUNet) {
  const auto resnets = UNetResnetOptions(12).resnet_groups(4);
  const auto transformers = UNetTransformerOptions().num_attention_heads(2).cross_attention_dim(8);
  const TextContext text(torch::randn({2, 5, 8}));
  expect_same(Timesteps(TimestepsOptions(8)), torch::arange(3));
  expect_same(TimestepEmbedding(TimestepEmbeddingOptions(8, 12)), torch::randn({2, 8}));
  expect_same(BasicTransformerBlock(BasicTransformerBlockOptions(8, 2, 4)), tokens);
  expect_same(Transformer2DModel(Transformer2DModelOptions(2, 4, 8).norm_num_groups(4)), image);
  expect_same(DownBlock2D(DownBlock2DOptions(8, 8, resnets)), image, temb);
  expect_same(CrossAttnDownBlock2D(DownBlock2DOptions(8, 8, resnets), transformers), image, temb,
              text);
  expect_same(UNetMidBlock2DCrossAttn(UNetMidBlock2DCrossAttnOptions(8, resnets, transformers)),
              image, temb, text);
  const std::vector<torch::Tensor> residuals = {image};
  expect_same(UpBlock2D(UpBlock2DOptions(8, 8, 8, resnets)), image, residuals, temb);
  expect_same(CrossAttnUpBlock2D(UpBlock2DOptions(8, 8, 8, resnets), transformers), image,
              residuals, temb, text);
}

TEST_F(InContainers, BlocksOfTheAutoencoder) {
  expect_same(Encoder(EncoderOptions(3, 4).block_out_channels({8}).norm_num_groups(4)),
              torch::randn({1, 3, 8, 8}));
  expect_same(Decoder(DecoderOptions(4, 3).block_out_channels({8}).norm_num_groups(4)),
              torch::randn({1, 4, 4, 4}));
  expect_same(DownEncoderBlock2D(DownEncoderBlock2DOptions(8, 8).resnet_groups(4)), image);
  expect_same(UpDecoderBlock2D(UpDecoderBlock2DOptions(8, 8).resnet_groups(4)), image);
  expect_same(UNetMidBlock2D(UNetMidBlock2DOptions(8).resnet_groups(4).attention_head_dim(8)),
              image);
}

TEST_F(InContainers, BlocksOfClip) {
  expect_same(CLIPAttention(CLIPAttentionOptions(8, 2)), tokens);
  expect_same(CLIPMLP(CLIPMLPOptions(8, 16)), tokens);
  const CLIPEncoderLayerOptions layer(8, 16, 2);
  expect_same(CLIPEncoderLayer(layer), tokens);
  expect_same(CLIPEncoder(CLIPEncoderOptions(2, layer)), tokens);
  expect_same(CLIPTextEmbeddings(CLIPTextEmbeddingsOptions(20, 8)),
              torch::randint(20, {2, 5}, torch::kLong));
}

TEST_F(InContainers, Models) {
  expect_same(SimpleUNet(8), torch::randn({1, 3, 6, 6}), torch::randn({1, 5, 8}));

  UNet2DConditionConfig unet;
  unet.block_out_channels = {8};
  unet.down_block_types = {"CrossAttnDownBlock2D"};
  unet.up_block_types = {"CrossAttnUpBlock2D"};
  unet.norm_num_groups = 4;
  unet.cross_attention_dim = {8};
  unet.attention_head_dim = {2};
  expect_same(UNet2DConditionModel(unet), torch::randn({1, 4, 4, 4}), torch::tensor(3),
              torch::randn({1, 5, 8}));

  AutoencoderKLConfig autoencoder;
  autoencoder.block_out_channels = {8};
  autoencoder.norm_num_groups = 4;
  expect_same(AutoencoderKL(autoencoder), torch::randn({1, 3, 8, 8}));

  CLIPTextConfig text;
  text.vocab_size = 20;
  text.hidden_size = 8;
  text.intermediate_size = 16;
  text.num_hidden_layers = 2;
  text.num_attention_heads = 2;
  text.projection_dim = 4;
  const auto ids = torch::randint(20, {2, 5}, torch::kLong);
  expect_same(CLIPTextTransformer(text), ids);
  expect_same(CLIPTextModel(text), ids);
  expect_same(CLIPTextModelWithProjection(text), ids);
}

}  // namespace
}  // namespace xattn
