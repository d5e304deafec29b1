#pragma once

#include <optional>
#include <string>
#include <vector>

#include "xattn/io/checkpoint.h"
#include "xattn/models/simple_unet/simple_unet.h"

namespace xattn::apps {

/// The module that a checkpoint holds, under one interface: named tensors in, a tensor out.
class Model {
 public:
  virtual ~Model() = default;

  virtual std::string class_name() const = 0;

  /// The class and its options, for people.
  virtual std::string description() const = 0;

  /// The names of forward's arguments, in order.
  virtual std::vector<std::string> arguments() const = 0;

  /// Calls forward; `inputs` are named as its arguments, and may have a `text_mask`. Floating-point
  /// ones are brought to the model's dtype, all to its device.
  virtual at::Tensor run(const StateDict& inputs) = 0;
};

/// What the command line may say about a model beyond what its file does.
struct ModelOptions {
  std::optional<int64_t> num_heads = std::nullopt;
  std::optional<TokenLayout> token_layout = std::nullopt;
  /// The file's where not given.
  std::optional<at::ScalarType> dtype = std::nullopt;
  c10::Device device = at::kCPU;
};

/// Builds the CrossAttention or SimpleUNet that a checkpoint holds, with its weights.
///
/// Throws: `ValueError` where the checkpoint holds neither, or differs from the options,
/// `StateDictError` where it holds one only in part.
std::unique_ptr<Model> make_model(const Checkpoint& checkpoint, const ModelOptions& options);

}  // namespace xattn::apps
