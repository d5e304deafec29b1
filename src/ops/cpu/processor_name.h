#pragma once

#include <string>

namespace xattn::cpu {

/// The processor as its maker numbers it: "AMD EPYC, family 25, model 17"; on others than x86 the
/// architecture.
std::string processor_name();

}  // namespace xattn::cpu
