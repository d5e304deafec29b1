#include "ops/cpu/processor_name.h"

#ifdef XATTN_HAVE_X86_KERNELS
#include <cpuid.h>

#include <algorithm>
#include <array>
#endif

namespace xattn::cpu {
namespace {

#ifdef XATTN_HAVE_X86_KERNELS

/// What the instruction `cpuid` says about a topic; zeros where it knows none of it.
std::array<unsigned, 4> cpuid(unsigned topic) {
  std::array<unsigned, 4> said{};
  __get_cpuid(topic, &said[0], &said[1], &said[2], &said[3]);
  return said;
}

std::string brand() {
  constexpr unsigned kBrand = 0x80000002;
  // Three answers of 16 letters, and a zero.
  std::array<char, 49> text{};
  char* next = text.data();
  for (unsigned i = 0; i < 3; ++i) {
    const auto said = cpuid(kBrand + i);
    next = std::copy_n(reinterpret_cast<const char*>(said.data()), sizeof said, next);
  }
  const std::string padded = text.data();
  const auto first = padded.find_first_not_of(' '), last = padded.find_last_not_of(' ');
  return first == std::string::npos ? "x86-64" : padded.substr(first, last - first + 1);
}

#endif

}  // namespace

std::string processor_name() {
#ifdef XATTN_HAVE_X86_KERNELS
  const auto signature = cpuid(1)[0];
  auto family = (signature >> 8) & 0xF, model = (signature >> 4) & 0xF;
  if (family == 0xF || family == 6) model += ((signature >> 16) & 0xF) << 4;
  if (family == 0xF) family += (signature >> 20) & 0xFF;
  return brand() + ", family " + std::to_string(family) + ", model " + std::to_string(model);
#elif defined(__aarch64__)
  return "arm64";
#else
  return "unknown";
#endif
}

}  // namespace xattn::cpu
