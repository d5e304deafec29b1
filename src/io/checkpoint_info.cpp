#include "xattn/io/checkpoint_info.h"

#include <charconv>

#include "io/weights_file.h"

namespace xattn {
namespace {

/// Python's repr: the shortest text that reads back, with a mark that it is a float.
std::string float_text(double value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, result.ptr);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

std::string to_string(CheckpointFormat format) {
  switch (format) {
    case CheckpointFormat::kTorchScript:
      return "TorchScript";
    case CheckpointFormat::kTorchSave:
      return "torch.save";
    case CheckpointFormat::kSafetensors:
      return "safetensors";
  }
  return "unknown";
}

std::string to_string(const Attribute& attribute) {
  struct Printer {
    std::string operator()(std::monostate) const { return "None"; }
    std::string operator()(bool value) const { return value ? "True" : "False"; }
    std::string operator()(std::int64_t value) const { return std::to_string(value); }
    std::string operator()(double value) const { return float_text(value); }
    std::string operator()(const std::string& value) const { return value; }
  };
  return std::visit(Printer{}, attribute);
}

CheckpointInfo inspect_checkpoint(const std::string& path) {
  const auto file = io::WeightsFile::open("inspect_checkpoint", path);
  const io::Contents& contents = file->contents();
  CheckpointInfo info{contents.format, {}, {}};
  for (const io::TensorRecord& tensor : contents.tensors) {
    info.tensors.push_back({tensor.name, std::string(name(tensor.dtype)), tensor.shape});
  }
  info.attributes.insert(contents.attributes.begin(), contents.attributes.end());
  return info;
}

}  // namespace xattn
