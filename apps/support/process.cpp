#include "support/process.h"

#include <fstream>
#include <string>

namespace xattn::apps {
namespace {

int64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key, 0) == 0) return std::stoll(line.substr(key.size())) * 1024;
  }
  return 0;
}

}  // namespace

int64_t resident_bytes() {
  return status_bytes("VmRSS:");
}

int64_t peak_bytes() {
  return status_bytes("VmHWM:");
}

}  // namespace xattn::apps
