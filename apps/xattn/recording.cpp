#include "recording.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "core/scalar_type.h"
#include "io/json.h"
#include "io/weights_file.h"
#include "xattn/core/error.h"

namespace xattn::apps {
namespace {

constexpr auto kPlace = "verify";

/// The names of a call's outputs in the text's order, which a JSON value does not keep.
class OutputNames : public io::JsonEvents {
 public:
  std::vector<std::string> names;

  bool key(string_t& name) override {
    if (level_ == 1) is_outputs_ = name == "outputs";
    if (level_ == 2 && is_outputs_) names.push_back(name);
    return true;
  }
  bool start_object(std::size_t) override { return ++level_ > 0; }
  bool start_array(std::size_t) override { return ++level_ > 0; }
  bool end_object() override { return level_-- > 0; }
  bool end_array() override { return level_-- > 0; }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }

 private:
  int level_ = 0;
  bool is_outputs_ = false;
};

/// Throws nlohmann's exception where it is no call as xattn_record.py writes it.
RecordedCall parse(const std::string& text) {
  const auto json = io::parse_json(text).value;
  OutputNames outputs;
  io::scan_json(text, {}, outputs);
  RecordedCall call;
  call.module = json.at("module");
  call.class_name = json.at("class");
  call.number = json.at("call");
  for (const auto& [name, tensor] : json.at("inputs").items())
    call.inputs[name] = tensor.get<std::string>();
  for (const auto& name : outputs.names)
    call.outputs.emplace_back(name, json.at("outputs").at(name).get<std::string>());
  call.scalars = json.value("scalars", nlohmann::json::object());
  return call;
}

}  // namespace

Recording::Recording(const std::string& path)
    : path_(path), file_(io::WeightsFile::open(kPlace, path)) {
  const auto& contents = file_->contents();
  const auto fail = [&](const std::string& what) {
    throw FileError(fmt::format("[{}] {}: {}", kPlace, path, what));
  };
  std::map<std::string, const std::string*> texts;
  for (const auto& [name, value] : contents.attributes) {
    if (const auto* text = std::get_if<std::string>(&value)) texts[name] = text;
  }
  if (texts.count("xattn_record") == 0)
    fail("expected a recording of python/xattn_record.py, got other tensors");
  for (size_t i = 0; i < contents.tensors.size(); ++i) index_[contents.tensors[i].name] = i;
  for (const auto& [name, text] : texts) {
    if (!name.starts_with("call.")) continue;
    try {
      calls_.push_back(parse(*text));
    } catch (const nlohmann::json::exception& error) {
      fail(fmt::format("{}: expected a call as xattn_record.py writes it", name));
    }
    const auto check = [&](const std::string& tensor) {
      if (index_.count(tensor) == 0)
        fail(fmt::format("{}: names the tensor {}, which is not there", name, tensor));
    };
    for (const auto& [argument, tensor] : calls_.back().inputs) check(tensor);
    for (const auto& [field, tensor] : calls_.back().outputs) check(tensor);
  }
  if (calls_.empty()) fail("expected calls, got none");
}

Recording::~Recording() = default;

at::Tensor Recording::tensor(const std::string& name) const {
  const auto& record = file_->contents().tensors[index_.at(name)];
  const auto dtype = to_scalar_type(record.dtype);
  if (!dtype)
    throw FileError(
        fmt::format("[{}] {}: {}: a dtype that needs a newer LibTorch", kPlace, path_, name));
  auto tensor = at::empty(record.shape, *dtype);
  if (tensor.nbytes() > 0) file_->read_storage(record.storage, tensor.mutable_data_ptr());
  return tensor;
}

std::optional<at::ScalarType> Recording::dtype(const std::string& name) const {
  return to_scalar_type(file_->contents().tensors[index_.at(name)].dtype);
}

at::Tensor RecordedArguments::get(const std::string& name) const {
  auto found = find(name);
  if (!found) throw ValueError(fmt::format("the call has no {}", name));
  return *found;
}

std::optional<at::Tensor> RecordedArguments::find(const std::string& name) const {
  const auto found = call_.inputs.find(name);
  if (found == call_.inputs.end()) return std::nullopt;
  const auto tensor = recording_.tensor(found->second);
  const auto dtype = tensor.scalar_type();
  return tensor.to(conversion_.device, dtype == conversion_.from ? conversion_.to : dtype);
}

std::vector<at::Tensor> RecordedArguments::list(const std::string& name) const {
  std::vector<at::Tensor> tensors;
  while (auto tensor = find(fmt::format("{}.{}", name, tensors.size()))) tensors.push_back(*tensor);
  return tensors;
}

at::Tensor RecordedArguments::only() const {
  if (call_.inputs.size() != 1)
    throw ValueError(fmt::format("the call has {} tensors", call_.inputs.size()));
  return get(call_.inputs.begin()->first);
}

}  // namespace xattn::apps
