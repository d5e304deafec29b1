#include "xattn/pretrained/from_checkpoint.h"

#include <charconv>
#include <string>

#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kQueryWeight = "query_proj.weight";
constexpr auto kDownsampleWeight = "downsample.weight";

const at::Tensor& tensor_of(const Checkpoint& checkpoint, const char* place, const char* key) {
  const auto* tensor = checkpoint.tensors.find(key);
  if (!tensor) throw_value_error(place, "checkpoint", std::string("a tensor ") + key, "none");
  return *tensor;
}

/// An attribute that is a whole number; the metadata of safetensors has it as text.
std::optional<int64_t> find_integer(const Checkpoint& checkpoint, const std::string& name) {
  const auto found = checkpoint.attributes.find(name);
  if (found == checkpoint.attributes.end()) return std::nullopt;
  if (const auto* number = std::get_if<int64_t>(&found->second)) return *number;
  if (const auto* text = std::get_if<std::string>(&found->second)) {
    int64_t number = 0;
    const auto* end = text->data() + text->size();
    const auto parsed = std::from_chars(text->data(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) return number;
  }
  throw_value_error("load", name, "a whole number in the file", to_string(found->second));
}

/// The value that the file or the caller gives; both may, if they agree.
template <typename T>
std::optional<T> agreed(const char* place, const std::string& name, std::optional<T> in_file,
                        std::optional<T> given, std::string (*text)(T)) {
  if (in_file && given && *in_file != *given) {
    throw_value_error(place, name, text(*in_file) + " as in the file", text(*given));
  }
  return in_file ? in_file : given;
}

std::string integer_text(int64_t value) {
  return std::to_string(value);
}

std::string layout_text(TokenLayout layout) {
  return layout == TokenLayout::kSpatial ? "spatial" : "reinterpret";
}

std::optional<TokenLayout> find_layout(const Checkpoint& checkpoint) {
  const auto found = checkpoint.attributes.find("token_layout");
  if (found == checkpoint.attributes.end()) return std::nullopt;
  const auto text = to_string(found->second);
  if (text == "spatial") return TokenLayout::kSpatial;
  // The published code reads the latent that way; it differs only in refusing more than one pixel.
  if (text == "reinterpret" || text == "published") return TokenLayout::kReinterpret;
  throw_value_error("SimpleUNet", "token_layout", "spatial or reinterpret in the file", text);
}

}  // namespace

bool holds_cross_attention(const Checkpoint& checkpoint) {
  return checkpoint.tensors.contains(kQueryWeight);
}

bool holds_simple_unet(const Checkpoint& checkpoint) {
  return checkpoint.tensors.contains(kDownsampleWeight);
}

CrossAttentionOptions cross_attention_options(const Checkpoint& checkpoint,
                                              std::optional<int64_t> num_heads) {
  constexpr auto kPlace = "CrossAttention";
  const auto& weight = tensor_of(checkpoint, kPlace, kQueryWeight);
  check_shape(kPlace, kQueryWeight, weight, {"E", "E"});
  const auto heads = agreed<int64_t>(kPlace, "num_heads", find_integer(checkpoint, "num_heads"),
                                     num_heads, integer_text);
  if (!heads) {
    throw_value_error(kPlace, "num_heads",
                      "it in the file, as a scripted module has it, or given (xattn run: --heads)",
                      "neither");
  }
  return CrossAttentionOptions(weight.size(0)).num_heads(*heads);
}

SimpleUNetOptions simple_unet_options(const Checkpoint& checkpoint,
                                      std::optional<int64_t> num_heads,
                                      std::optional<TokenLayout> token_layout) {
  constexpr auto kPlace = "SimpleUNet";
  const auto& weight = tensor_of(checkpoint, kPlace, kDownsampleWeight);
  check_shape(kPlace, kDownsampleWeight, weight, {"E", 3, 4, 4});
  SimpleUNetOptions options(weight.size(0));
  const auto heads =
      agreed<int64_t>(kPlace, "num_heads", find_integer(checkpoint, "cross_attention.num_heads"),
                      num_heads, integer_text);
  if (heads) options.num_heads(*heads);
  const auto layout = agreed<TokenLayout>(kPlace, "token_layout", find_layout(checkpoint),
                                          token_layout, layout_text);
  if (layout) options.token_layout(*layout);
  return options;
}

}  // namespace xattn
