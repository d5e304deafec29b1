#include "contender.h"

#include <map>

#include "xattn/pretrained/from_checkpoint.h"

namespace xattn::apps {
namespace {

const std::map<std::string, AttentionPath> kPaths = {{"xattn", AttentionPath::kAuto},
                                                     {"xattn-prepared", AttentionPath::kAuto},
                                                     {"cpp-explicit", AttentionPath::kExplicit},
                                                     {"cpp-sdpa", AttentionPath::kSdpa}};

template <typename Module>
Contender make(const std::string& name, Module module, const Checkpoint& checkpoint,
               const at::Tensor& image, const at::Tensor& text, int64_t image_tokens) {
  module->options.path(kPaths.at(name));
  load_state_dict(*module, checkpoint.tensors);
  for (auto& parameter : module->parameters()) parameter.requires_grad_(false);

  const bool is_prepared = name == "xattn-prepared";
  const auto prepared = module->prepare(text);
  const auto& weights = prepared.weights;
  const AttentionShape shape = {text.size(0),
                                image_tokens,
                                text.size(1),
                                weights.num_heads,
                                weights.query_weight.size(1),
                                weights.key_weight.size(1),
                                weights.query_weight.size(0),
                                weights.out_weight.size(0)};
  const auto path = kPaths.at(name) == AttentionPath::kAuto
                        ? choose_attention_path(shape, is_prepared)
                        : kPaths.at(name);
  Contender contender{name, to_string(path), attention_flops(path, shape, is_prepared), {}};
  if (is_prepared) {
    contender.run = [=]() mutable { return module->forward_prepared(image, prepared); };
  } else {
    contender.run = [=]() mutable { return module->forward(image, text); };
  }
  return contender;
}

}  // namespace

const std::vector<std::string>& contender_names() {
  static const std::vector<std::string> names = {"xattn", "xattn-prepared", "cpp-explicit",
                                                 "cpp-sdpa"};
  return names;
}

Contender make_contender(const std::string& name, const Checkpoint& checkpoint,
                         const StateDict& inputs) {
  if (holds_simple_unet(checkpoint)) {
    const auto& images = inputs["images"];
    auto options = simple_unet_options(checkpoint);
    return make(name, SimpleUNet(options.path(kPaths.at(name))), checkpoint, images,
                inputs["text_features"], (images.size(2) / 2) * (images.size(3) / 2));
  }
  const auto& image = inputs["image_features"];
  return make(name, CrossAttention(cross_attention_options(checkpoint)), checkpoint, image,
              inputs["text_features"], image.size(1));
}

}  // namespace xattn::apps
