#include "xattn/models/simple_unet.h"

#include "check.h"

namespace xattn {
namespace {

constexpr auto kPlace = "SimpleUNet";
constexpr int64_t kImageChannels = 3;
// Kernel 4, stride 2, padding 1 halve and double a size exactly.
constexpr int64_t kKernel = 4, kStride = 2, kPadding = 1;

}  // namespace

SimpleUNetImpl::SimpleUNetImpl(const SimpleUNetOptions& options_) : options(options_) {
  reset();
}

void SimpleUNetImpl::reset() {
  const auto embed_dim = options.embed_dim();
  if (embed_dim < 1) throw_value_error(kPlace, "embed_dim", "1 or more", std::to_string(embed_dim));
  downsample = register_module(
      "downsample", torch::nn::Conv2d(torch::nn::Conv2dOptions(kImageChannels, embed_dim, kKernel)
                                          .stride(kStride)
                                          .padding(kPadding)));
  upsample =
      register_module("upsample", torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(
                                                                 embed_dim, kImageChannels, kKernel)
                                                                 .stride(kStride)
                                                                 .padding(kPadding)));
  cross_attention = register_module(
      "cross_attention",
      CrossAttention(CrossAttentionOptions(embed_dim).num_heads(options.num_heads())));
}

void SimpleUNetImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::SimpleUNet(embed_dim=" << options.embed_dim()
         << ", num_heads=" << options.num_heads() << ", token_layout="
         << (options.token_layout() == TokenLayout::kSpatial ? "spatial" : "reinterpret") << ")";
}

torch::Tensor SimpleUNetImpl::forward(const torch::Tensor& images, const torch::Tensor& text) {
  return forward_prepared(images, prepare(text));
}

PreparedText SimpleUNetImpl::prepare(const torch::Tensor& text,
                                     const std::optional<torch::Tensor>& text_mask) {
  check_input(kPlace, "text", text, {"B", "T", options.embed_dim()}, downsample->weight);
  return cross_attention->prepare(text, text_mask);
}

torch::Tensor SimpleUNetImpl::forward_prepared(const torch::Tensor& images,
                                               const PreparedText& text) {
  check_input(kPlace, "images", images, {"B", kImageChannels, "H", "W"}, downsample->weight);
  if (images.size(2) < kStride || images.size(3) < kStride) {
    throw_value_error(kPlace, "images", "[B, 3, H, W] with H and W of 2 or more",
                      shape_text(images.sizes()));
  }
  if (text.key.defined() && text.key.size(0) != images.size(0)) {
    throw_value_error(kPlace, "images", "the text's batch of " + std::to_string(text.key.size(0)),
                      shape_text(images.sizes()));
  }
  const auto latent = downsample(images);
  const auto tokens = cross_attention->forward_prepared(tokens_of(latent), text);
  return upsample(map_of(tokens, latent.size(2), latent.size(3)));
}

torch::Tensor SimpleUNetImpl::tokens_of(const torch::Tensor& latent) const {
  const auto batch = latent.size(0), count = latent.size(2) * latent.size(3);
  if (options.token_layout() == TokenLayout::kSpatial) {
    return latent.flatten(2).transpose(1, 2);
  }
  return latent.reshape({batch, count, options.embed_dim()});
}

torch::Tensor SimpleUNetImpl::map_of(const torch::Tensor& tokens, int64_t height,
                                     int64_t width) const {
  const auto in_order =
      options.token_layout() == TokenLayout::kSpatial ? tokens.transpose(1, 2) : tokens;
  return in_order.reshape({tokens.size(0), options.embed_dim(), height, width});
}

}  // namespace xattn
