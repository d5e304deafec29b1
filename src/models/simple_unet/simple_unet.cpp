#include "xattn/models/simple_unet/simple_unet.h"

#include <torch/utils.h>

#include <algorithm>
#include <vector>

#include "core/call.h"
#include "core/check.h"
#include "ops/check_prepared.h"

namespace xattn {
namespace {

constexpr auto kSimpleUNet = "SimpleUNet";
constexpr int64_t kImageChannels = 3;
// Kernel 4, stride 2, padding 1 halve and double a size exactly.
constexpr int64_t kKernel = 4, kStride = 2, kPadding = 1;

void check_images(const torch::Tensor& images, const torch::Tensor& weight) {
  check_input(kSimpleUNet, "images", images, {"B", kImageChannels, "H", "W"}, weight);
  if (images.size(2) < kStride || images.size(3) < kStride) {
    throw_value_error(kSimpleUNet, "images", "[B, 3, H, W] with H and W of 2 or more",
                      shape_text(images.sizes()));
  }
}

/// Whether autograd is to see a module's own parameters or this input.
bool wants_gradient(const torch::nn::Module& module, const torch::Tensor& input) {
  if (!torch::GradMode::is_enabled()) return false;
  if (input.requires_grad()) return true;
  const auto parameters = module.parameters();
  return std::any_of(parameters.begin(), parameters.end(),
                     [](const torch::Tensor& parameter) { return parameter.requires_grad(); });
}

}  // namespace

SimpleUNetImpl::SimpleUNetImpl(const SimpleUNetOptions& options_) : options(options_) {
  reset();
}

void SimpleUNetImpl::reset() {
  const auto embed_dim = options.embed_dim();
  check_at_least(kSimpleUNet, "embed_dim", embed_dim, 1);
  downsample = register_module(
      "downsample",
      Conv2d(Conv2dOptions(kImageChannels, embed_dim, kKernel).stride(kStride).padding(kPadding)));
  upsample =
      register_module("upsample", torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(
                                                                 embed_dim, kImageChannels, kKernel)
                                                                 .stride(kStride)
                                                                 .padding(kPadding)));
  cross_attention = register_module(
      "cross_attention",
      CrossAttention(
          CrossAttentionOptions(embed_dim).num_heads(options.num_heads()).path(options.path())));
}

void SimpleUNetImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::SimpleUNet(embed_dim=" << options.embed_dim()
         << ", num_heads=" << options.num_heads() << ", token_layout="
         << (options.token_layout() == TokenLayout::kSpatial ? "spatial" : "reinterpret") << ")";
}

torch::Tensor SimpleUNetImpl::forward(const torch::Tensor& images,
                                      const torch::Tensor& text_features) {
  const Call call(*this, kSimpleUNet);
  check_images(images, downsample->inputs_like());
  const auto tokens = (images.size(2) / kStride) * (images.size(3) / kStride);
  return forward_any(images, prepare_for(text_features, std::nullopt, tokens));
}

PreparedText SimpleUNetImpl::prepare(const torch::Tensor& text_features,
                                     const std::optional<torch::Tensor>& text_mask) {
  const Call call(*this, kSimpleUNet);
  return prepare_for(text_features, text_mask, std::nullopt);
}

PreparedText SimpleUNetImpl::prepare_for(const torch::Tensor& text_features,
                                         const std::optional<torch::Tensor>& text_mask,
                                         std::optional<int64_t> image_tokens) {
  check_input(kSimpleUNet, "text_features", text_features, {"B", "T", options.embed_dim()},
              downsample->inputs_like());
  std::optional<torch::Tensor> mask;
  if (text_mask) mask = check_text_mask(kSimpleUNet, *text_mask, text_features);
  auto weights = latent_weights();
  const bool blocks =
      options.path() != AttentionPath::kExplicit && options.path() != AttentionPath::kSdpa;
  if (blocks && options.token_layout() == TokenLayout::kSpatial &&
      !wants_gradient(*this, text_features) && can_use_blocks(weights, text_features)) {
    weights = pixel_weights();
  }
  return prepare_text(weights, text_features, mask, options.path(), image_tokens);
}

torch::Tensor SimpleUNetImpl::forward_prepared(const torch::Tensor& images,
                                               const PreparedText& text) {
  const Call call(*this, kSimpleUNet);
  check_images(images, downsample->inputs_like());
  check_prepared(kSimpleUNet, text, latent_weights());
  return forward_any(images, text);
}

torch::Tensor SimpleUNetImpl::forward_any(const torch::Tensor& images, const PreparedText& text) {
  const auto batch = text.batch_size();
  if (batch != 1 && batch != images.size(0)) {
    throw_value_error(kSimpleUNet, "images", "the text's batch of " + std::to_string(batch),
                      shape_text(images.sizes()));
  }
  const bool for_pixels =
      !text.weights.query_weight.is_same(cross_attention->query_proj->effective_weight());
  if (!for_pixels) return forward_latent(images, text);
  if (!wants_gradient(*this, images) && options.token_layout() == TokenLayout::kSpatial)
    return forward_pixels(images, text);
  // The keys and values are those of either way; the rest would leave the convolutions out of the
  // graph.
  auto latent_text = text;
  latent_text.weights = latent_weights();
  latent_text.path = AttentionPath::kSdpa;
  latent_text.blocks.reset();
  return forward_latent(images, latent_text);
}

torch::Tensor SimpleUNetImpl::forward_latent(const torch::Tensor& images,
                                             const PreparedText& text) {
  const auto latent = downsample(images);
  const auto tokens = xattn::cross_attention(tokens_of(latent), text);
  return upsample(map_of(tokens, latent.size(2), latent.size(3)));
}

// The convolutions are linear, and so are the projections beside them. So for every token, the
// query comes straight from the 3·4·4 pixels under the kernel, and the output goes straight to the
// pixels there: the attention is that of a layer with these widths, and the latent is never made.

CrossAttentionWeights SimpleUNetImpl::latent_weights() const {
  auto weights = cross_attention->weights();
  // The convolutions too: a text prepared for pixels depends on them.
  weights.parameters = parameters();
  return weights;
}

CrossAttentionWeights SimpleUNetImpl::pixel_weights() const {
  auto weights = latent_weights();
  const auto up = upsample->weight.flatten(1).t();  // [48, E]
  // What is multiplied here is as wide as what it is multiplied with later.
  const auto wide = [&](const torch::Tensor& weight) { return weight.to(up.scalar_type()); };
  const auto down = wide(downsample->effective_weight()).flatten(1);  // [E, 48]
  const auto query = wide(weights.query_weight);
  weights.query_bias = torch::addmv(weights.query_bias, query, downsample->bias);
  weights.query_weight = query.mm(down);
  weights.out_bias = up.mv(weights.out_bias);
  weights.out_weight = up.mm(wide(weights.out_weight));
  return weights;
}

torch::Tensor SimpleUNetImpl::forward_pixels(const torch::Tensor& images,
                                             const PreparedText& text) {
  const auto pair = [](int64_t value) { return std::vector<int64_t>{value, value}; };
  const auto height = images.size(2) / kStride, width = images.size(3) / kStride;
  const auto patches = torch::im2col(images, pair(kKernel), pair(1), pair(kPadding), pair(kStride));
  const auto outputs = xattn::cross_attention(patches.transpose(1, 2), text).transpose(1, 2);
  const auto output = torch::col2im(outputs, {kStride * height, kStride * width}, pair(kKernel),
                                    pair(1), pair(kPadding), pair(kStride));
  return output.add_(upsample->bias.view({1, kImageChannels, 1, 1}));
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
