#pragma once

#include <cstdint>

namespace xattn::apps {

/// The memory that this process has now, and the most that it ever had, in bytes; 0 where the
/// system does not say.
int64_t resident_bytes();
int64_t peak_bytes();

}  // namespace xattn::apps
