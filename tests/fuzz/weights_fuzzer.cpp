// Any bytes as a file of weights.
#include "fuzz/support/read_weights.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  xattn::fuzz::read_weights(data, size);
  return 0;
}
