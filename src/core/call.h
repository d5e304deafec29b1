#pragma once

#include <string>
#include <string_view>

namespace torch::nn {
class Module;
}

namespace xattn {

/// One call of a module's `forward`, or of another of its functions that users call.
///
/// The outermost one of a thread is what the user called. There, dtypes and devices are checked;
/// inside it, types follow PyTorch's rules. An error names the module that refuses by its path in
/// the outermost one: "[UNet2DConditionModel] mid_block.attentions.0: hidden_states: expected …".
class Call {
 public:
  /// `class_name` is that of the module and lives as long as the call.
  Call(const torch::nn::Module& module, std::string_view class_name);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// Whether this thread is in a call that another module's call made.
  static bool is_inner();

  /// How an error begins: "[place] ", or the outermost call's class and the path from there.
  static std::string error_start(std::string_view place);

 private:
  const torch::nn::Module& module_;
  std::string_view class_name_;
  const Call* caller_;
  bool is_inner_;
};

}  // namespace xattn
