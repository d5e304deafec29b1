#include "model.h"

#include <c10/core/GradMode.h>

#include <sstream>

#include "folder_model.h"
#include "xattn/core/error.h"
#include "xattn/pretrained/from_checkpoint.h"

namespace xattn::apps {
namespace {

template <typename Module>
class TextConditionedModel : public Model {
 public:
  TextConditionedModel(Module module, std::vector<std::string> arguments)
      : module_(std::move(module)), arguments_(std::move(arguments)) {}

  std::string class_name() const override { return class_name_of(*module_); }

  std::string description() const override {
    std::ostringstream stream;
    module_->pretty_print(stream);
    return stream.str();
  }

  std::vector<std::string> arguments() const override { return arguments_; }

  at::Tensor run(const StateDict& inputs) override {
    const c10::AutoGradMode no_grad(false);
    std::optional<at::Tensor> mask;
    if (const auto* found = inputs.find("text_mask")) mask = as_weights(*found);
    return module_->forward_prepared(as_weights(inputs[arguments_[0]]),
                                     module_->prepare(as_weights(inputs[arguments_[1]]), mask));
  }

 private:
  at::Tensor as_weights(const at::Tensor& input) const {
    const auto weight = module_->parameters().front();
    return input.to(weight.device(),
                    input.is_floating_point() ? weight.scalar_type() : input.scalar_type());
  }

  Module module_;
  std::vector<std::string> arguments_;
};

template <typename Module>
std::unique_ptr<Model> load(Module module, const Checkpoint& checkpoint,
                            const ModelOptions& options, std::vector<std::string> arguments) {
  module->to(options.device,
             options.dtype.value_or(checkpoint.tensors.front().value().scalar_type()));
  load_state_dict(*module, checkpoint.tensors);
  return std::make_unique<TextConditionedModel<Module>>(std::move(module), std::move(arguments));
}

}  // namespace

std::unique_ptr<Model> make_model(const Checkpoint& checkpoint, const ModelOptions& options) {
  if (holds_simple_unet(checkpoint)) {
    return load(
        SimpleUNet(simple_unet_options(checkpoint, options.num_heads, options.token_layout)),
        checkpoint, options, {"images", "text_features"});
  }
  if (options.token_layout) {
    throw ValueError("[CrossAttention] token_layout: expected none, as only a SimpleUNet has one");
  }
  return load(CrossAttention(cross_attention_options(checkpoint, options.num_heads)), checkpoint,
              options, {"image_features", "text_features"});
}

}  // namespace xattn::apps
