#pragma once

#include <c10/core/Device.h>

#include <string>

namespace xattn::apps {

/// The device that "auto", "cpu", "cuda" or "cuda:N" stands for; "auto" is CUDA where there is a
/// GPU.
///
/// Throws: `UsageError` for another text, `DeviceError` for a GPU that is not there.
c10::Device parse_device(const std::string& text);

}  // namespace xattn::apps
