#include "support/device.h"

#include <torch/cuda.h>

#include <charconv>

#include "support/program.h"

namespace xattn::apps {

c10::Device parse_device(const std::string& text) {
  const auto count = static_cast<int>(torch::cuda::device_count());
  if (text == "cpu" || (text == "auto" && count == 0)) return c10::kCPU;
  if (text == "auto") return {c10::kCUDA, 0};

  int index = 0;
  if (text != "cuda") {
    const std::string prefix = "cuda:";
    const auto* begin = text.data() + prefix.size();
    const auto* end = text.data() + text.size();
    const bool is_cuda = text.rfind(prefix, 0) == 0 && begin != end;
    if (!is_cuda || std::from_chars(begin, end, index).ptr != end || index < 0) {
      throw UsageError("--device: expected auto, cpu, cuda or cuda:N, got '" + text + "'");
    }
  }
  if (index >= count) {
    throw DeviceError("--device " + text + ": not available, " +
                      (count == 0 ? "this machine or this LibTorch has no CUDA device"
                                  : "the CUDA devices are 0 to " + std::to_string(count - 1)));
  }
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace xattn::apps
