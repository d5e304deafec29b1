#include "random.h"

namespace bada {

uint64_t mix_seed(uint64_t seed, uint64_t part) {
  uint64_t z = seed + (part + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace bada
