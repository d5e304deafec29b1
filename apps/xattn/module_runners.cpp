#include "module_runners.h"

#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/normalization.h>

#include <array>
#include <functional>

#include "xattn/core/error.h"
#include "xattn/models/autoencoder_kl/decoder.h"
#include "xattn/models/autoencoder_kl/down_encoder_block_2d.h"
#include "xattn/models/autoencoder_kl/encoder.h"
#include "xattn/models/autoencoder_kl/unet_mid_block_2d.h"
#include "xattn/models/autoencoder_kl/up_decoder_block_2d.h"
#include "xattn/models/clip/clip_attention.h"
#include "xattn/models/clip/clip_encoder.h"
#include "xattn/models/clip/clip_encoder_layer.h"
#include "xattn/models/clip/clip_mlp.h"
#include "xattn/models/clip/clip_text_embeddings.h"
#include "xattn/models/clip/clip_text_transformer.h"
#include "xattn/models/unet_2d_condition/basic_transformer_block.h"
#include "xattn/models/unet_2d_condition/timestep_embedding.h"
#include "xattn/models/unet_2d_condition/timesteps.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"
#include "xattn/models/unet_2d_condition/unet_down_block_2d.h"
#include "xattn/models/unet_2d_condition/unet_mid_block_2d_cross_attn.h"
#include "xattn/models/unet_2d_condition/unet_up_block_2d.h"
#include "xattn/nn/activations.h"
#include "xattn/nn/attention.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/downsample_2d.h"
#include "xattn/nn/feed_forward.h"
#include "xattn/nn/linear.h"
#include "xattn/nn/resnet_block_2d.h"
#include "xattn/nn/upsample_2d.h"

namespace xattn::apps {
namespace {

using Arguments = RecordedArguments;
using Outputs = std::vector<at::Tensor>;
/// Nothing where the module is of another class.
using Runner = std::function<std::optional<Outputs>(torch::nn::Module&, const Arguments&)>;

template <typename Impl, typename Run>
Runner runner(Run run) {
  return [run](torch::nn::Module& module, const Arguments& arguments) -> std::optional<Outputs> {
    auto* typed = dynamic_cast<Impl*>(&module);
    if (!typed) return std::nullopt;
    return run(*typed, arguments);
  };
}

/// Modules that map one tensor to another.
template <typename... Impls>
std::vector<Runner> plain() {
  return {runner<Impls>([](Impls& module, const Arguments& in) -> Outputs {
    return {module.forward(in.only())};
  })...};
}

TextContext text_of(const Arguments& in) {
  const auto text = in.find("encoder_hidden_states");
  return TextContext(text ? *text : at::Tensor(), in.find("encoder_attention_mask"),
                     in.find("attention_mask"));
}

Outputs with_states(DownBlockOutput output) {
  Outputs outputs = {std::move(output.hidden_states)};
  outputs.insert(outputs.end(), output.output_states.begin(), output.output_states.end());
  return outputs;
}

/// Height and width: numbers, or a tensor's last two sizes.
std::optional<std::array<int64_t, 2>> size_of(const Arguments& in, const std::string& name) {
  const auto& scalars = in.call().scalars;
  const auto height = scalars.find(name + ".0"), width = scalars.find(name + ".1");
  if (height == scalars.end() || width == scalars.end()) {
    const auto only = scalars.find(name);
    if (only == scalars.end()) return std::nullopt;
    return std::array{only->get<int64_t>(), only->get<int64_t>()};
  }
  return std::array{height->get<int64_t>(), width->get<int64_t>()};
}

/// transformers hands masks on as booleans or, for the eager attention, as what is added to the
/// scores.
std::optional<at::Tensor> clip_mask(const Arguments& in) {
  auto mask = in.find("attention_mask");
  return mask && mask->is_floating_point() ? mask->eq(0) : mask;
}

std::vector<Runner> make_runners() {
  auto all = plain<LinearImpl, Conv2dImpl, torch::nn::LayerNormImpl, GroupNormImpl,
                   torch::nn::EmbeddingImpl, torch::nn::DropoutImpl, GELUImpl, GEGLUImpl,
                   FeedForwardImpl, TimestepsImpl, Downsample2DImpl, CLIPMLPImpl>();
  const auto add = [&]<typename Impl>(Outputs (*run)(Impl&, const Arguments&)) {
    all.push_back(runner<Impl>(run));
  };
  add(+[](Upsample2DImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("hidden_states"), size_of(in, "output_size"))};
  });
  add(+[](TimestepEmbeddingImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("sample"), in.find("condition"))};
  });
  add(+[](ResnetBlock2DImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("input_tensor"), in.find("temb"))};
  });
  add(+[](AttentionImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("hidden_states"), in.find("encoder_hidden_states"),
                      in.find("attention_mask"))};
  });
  add(+[](BasicTransformerBlockImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("hidden_states"), text_of(in))};
  });
  add(+[](Transformer2DModelImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("hidden_states"), text_of(in))};
  });
  add(+[](UNetDownBlock2DImpl& m, const Arguments& in) -> Outputs {
    return with_states(m.forward(in.get("hidden_states"), in.get("temb"), text_of(in),
                                 in.find("additional_residuals")));
  });
  add(+[](UNetMidBlock2DCrossAttnImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("hidden_states"), in.get("temb"), text_of(in))};
  });
  add(+[](UNetUpBlock2DImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("hidden_states"), in.list("res_hidden_states_tuple"), in.get("temb"),
                      text_of(in), size_of(in, "upsample_size"))};
  });
  for (auto& each : plain<EncoderImpl, DecoderImpl, DownEncoderBlock2DImpl>())
    all.push_back(std::move(each));
  add(+[](UNetMidBlock2DImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("hidden_states"), in.find("temb"))};
  });
  add(+[](UpDecoderBlock2DImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("hidden_states"), in.find("temb"))};
  });
  add(+[](CLIPTextEmbeddingsImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("input_ids"), in.find("position_ids"))};
  });
  add(+[](CLIPAttentionImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("hidden_states"), clip_mask(in))};
  });
  add(+[](CLIPEncoderLayerImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("hidden_states"), clip_mask(in))};
  });
  add(+[](CLIPEncoderImpl& m, const Arguments& in) -> Outputs {
    return {m.forward(in.get("inputs_embeds"), clip_mask(in))};
  });
  add(+[](CLIPTextTransformerImpl& m, const Arguments& in) -> Outputs {
    CLIPTextForwardOptions options;
    options.position_ids = in.find("position_ids");
    const auto output = m.forward(in.get("input_ids"), in.find("attention_mask"), options);
    return {output.last_hidden_state, output.pooler_output};
  });
  return all;
}

}  // namespace

std::optional<Outputs> run_recorded(torch::nn::Module& module, const RecordedArguments& arguments) {
  static const auto runners = make_runners();
  for (const auto& run : runners) {
    if (auto outputs = run(module, arguments)) return outputs;
  }
  return std::nullopt;
}

}  // namespace xattn::apps
