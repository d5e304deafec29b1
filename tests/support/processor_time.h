#pragma once

#include <ctime>

namespace xattn::testing {

/// Counts the seconds of the processor that this process takes: on a busy machine the clock on the
/// wall tells what others do.
class ProcessorTime {
 public:
  double seconds() const { return static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC; }

 private:
  std::clock_t start_ = std::clock();
};

}  // namespace xattn::testing
