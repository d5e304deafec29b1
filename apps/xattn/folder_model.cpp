#include "folder_model.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "support/program.h"
#include "xattn/nn/stored_weights.h"

namespace xattn::apps {
namespace {

std::optional<at::Tensor> find(const StateDict& inputs, const std::string& name) {
  const auto* found = inputs.find(name);
  return found ? std::optional(*found) : std::nullopt;
}

std::vector<at::Tensor> find_list(const StateDict& inputs, const std::string& name) {
  std::vector<at::Tensor> list;
  while (const auto* found = inputs.find(fmt::format("{}.{}", name, list.size())))
    list.push_back(*found);
  return list;
}

StateDict sample(const at::Tensor& tensor) {
  StateDict outputs;
  outputs.insert("sample", tensor);
  return outputs;
}

// What the methods of each class of `AnyModel` take and give.

template <typename Text>
std::vector<Method> methods_of_text_encoder(Text model) {
  return {{"forward",
           {"input_ids"},
           {"attention_mask", "position_ids"},
           [model](const StateDict& inputs) mutable {
             CLIPTextForwardOptions options;
             options.position_ids = find(inputs, "position_ids");
             const auto output =
                 model->forward(inputs["input_ids"], find(inputs, "attention_mask"), options);
             StateDict outputs;
             if (output.text_embeds.defined()) outputs.insert("text_embeds", output.text_embeds);
             outputs.insert("last_hidden_state", output.last_hidden_state);
             outputs.insert("pooler_output", output.pooler_output);
             return outputs;
           }}};
}

std::vector<Method> methods_of(CLIPTextModel model) {
  return methods_of_text_encoder(std::move(model));
}
std::vector<Method> methods_of(CLIPTextModelWithProjection model) {
  return methods_of_text_encoder(std::move(model));
}

std::vector<Method> methods_of(AutoencoderKL model) {
  const auto encode = [model](const StateDict& inputs) mutable {
    const auto distribution = model->encode(inputs["x"]);
    StateDict outputs;
    outputs.insert("mean", distribution.mean);
    outputs.insert("logvar", distribution.logvar);
    return outputs;
  };
  return {
      {"forward",
       {"sample"},
       {},
       [=](const StateDict& inputs) mutable { return sample(model->forward(inputs["sample"])); }},
      {"encode", {"x|sample"}, {}, encode},
      {"decode", {"z|sample"}, {}, [=](const StateDict& inputs) mutable {
         return sample(model->decode(inputs["z"]));
       }}};
}

UNet2DConditionArguments unet_arguments(const StateDict& inputs) {
  UNet2DConditionArguments arguments;
  arguments.class_labels = find(inputs, "class_labels");
  arguments.timestep_cond = find(inputs, "timestep_cond");
  arguments.attention_mask = find(inputs, "attention_mask");
  arguments.encoder_attention_mask = find(inputs, "encoder_attention_mask");
  arguments.text_embeds = find(inputs, "text_embeds");
  arguments.time_ids = find(inputs, "time_ids");
  arguments.down_block_additional_residuals = find_list(inputs, "down_block_additional_residuals");
  arguments.mid_block_additional_residual = find(inputs, "mid_block_additional_residual");
  arguments.down_intrablock_additional_residuals =
      find_list(inputs, "down_intrablock_additional_residuals");
  return arguments;
}

/// A text with its mask, prepared when it first comes.
class TextOfRuns {
 public:
  const PreparedTexts& prepared(UNet2DConditionModel& model, const at::Tensor& text,
                                const std::optional<at::Tensor>& mask) {
    const auto mask_or_none = mask.value_or(at::Tensor());
    if (!prepared_ || !text_.is_same(text) || !mask_.is_same(mask_or_none)) {
      prepared_ = model->prepare(text, mask);
      text_ = text;
      mask_ = mask_or_none;
    }
    return *prepared_;
  }

 private:
  at::Tensor text_, mask_;
  std::optional<PreparedTexts> prepared_;
};

std::vector<Method> methods_of(UNet2DConditionModel model) {
  const auto forward = [=](const StateDict& inputs) mutable {
    return sample(model->forward(inputs["sample"], inputs["timestep"],
                                 inputs["encoder_hidden_states"], unet_arguments(inputs)));
  };
  const auto forward_prepared = [=, text = TextOfRuns()](const StateDict& inputs) mutable {
    auto arguments = unet_arguments(inputs);
    const auto& prepared = text.prepared(model, inputs["encoder_hidden_states"],
                                         std::exchange(arguments.encoder_attention_mask, {}));
    return sample(
        model->forward_prepared(inputs["sample"], inputs["timestep"], prepared, arguments));
  };
  const std::vector<std::string> required = {"sample", "timestep", "encoder_hidden_states"},
                                 optional = {"class_labels",
                                             "timestep_cond",
                                             "attention_mask",
                                             "encoder_attention_mask",
                                             "text_embeds",
                                             "time_ids",
                                             "mid_block_additional_residual",
                                             "down_block_additional_residuals.#",
                                             "down_intrablock_additional_residuals.#"};
  return {{"forward", required, optional, forward},
          {"forward_prepared", required, optional, forward_prepared}};
}

/// Whether an input's name is an argument's, and then by which name the method asks for it.
std::optional<std::string> argument_of(const std::string& argument, const std::string& name) {
  const auto bar = argument.find('|');
  if (bar != argument.npos) {
    const bool is_it = name == argument.substr(0, bar) || name == argument.substr(bar + 1);
    return is_it ? std::optional(argument.substr(0, bar)) : std::nullopt;
  }
  if (argument.ends_with(".#")) {
    const auto stem = argument.substr(0, argument.size() - 1);
    const bool is_it =
        name.size() > stem.size() && name.starts_with(stem) &&
        std::all_of(name.begin() + static_cast<std::ptrdiff_t>(stem.size()), name.end(),
                    [](unsigned char c) { return c >= '0' && c <= '9'; });
    return is_it ? std::optional(name) : std::nullopt;
  }
  return name == argument ? std::optional(name) : std::nullopt;
}

}  // namespace

FolderModel::FolderModel(AnyModel any)
    : model(std::move(any)),
      class_name(class_name_of(model)),
      module(module_of(model)),
      methods(std::visit([](const auto& typed) { return methods_of(typed); }, model)) {}

const Method& method_of(const FolderModel& model, const std::string& name) {
  if (name.empty()) return model.methods.front();
  for (const auto& method : model.methods) {
    if (method.name == name) return method;
  }
  std::vector<std::string> names;
  for (const auto& method : model.methods) names.push_back(method.name);
  throw UsageError(fmt::format("--method: expected {} of a {}, got '{}'", fmt::join(names, ", "),
                               model.class_name, name));
}

StateDict call_method(const FolderModel& model, const Method& method, const std::string& file,
                      const StateDict& inputs) {
  const auto like = inputs_like(*model.module);
  const auto dtype = like.defined() ? like.scalar_type() : at::kFloat;
  const auto device = like.defined() ? like.device() : c10::Device(at::kCPU);
  StateDict given;
  bool right = true;
  for (const auto& input : inputs) {
    std::optional<std::string> name;
    for (const auto* arguments : {&method.required, &method.optional}) {
      for (const auto& argument : *arguments) {
        if (!name) name = argument_of(argument, input.key());
      }
    }
    right = right && name && !given.contains(*name);
    if (!right) break;
    const auto& tensor = input.value();
    given.insert(*name, tensor.is_floating_point() ? tensor.to(device, dtype) : tensor.to(device));
  }
  for (const auto& argument : method.required) {
    right = right && given.contains(argument.substr(0, argument.find('|')));
  }
  if (!right) {
    auto names = inputs.keys();
    if (names.size() > 12) {
      names.resize(12);
      names.push_back("…");
    }
    throw ValueError(fmt::format(
        "[{}] {}: expected for {} the tensors {}{}{}, got {}", model.class_name, file, method.name,
        fmt::join(method.required, ", "), method.optional.empty() ? "" : " and at most ",
        fmt::join(method.optional, ", "),
        names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
  }
  const c10::AutoGradMode no_grad(false);
  return method.call(given);
}

std::string class_name_of(const torch::nn::Module& module) {
  auto name = module.name();
  if (const auto colon = name.rfind(':'); colon != name.npos) name.erase(0, colon + 1);
  if (name.ends_with("Impl")) name.erase(name.size() - 4);
  return name;
}

}  // namespace xattn::apps
