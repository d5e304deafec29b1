#include "xattn/core/autocast.h"

#include <ATen/autocast_mode.h>

namespace xattn {

Autocast::Autocast(at::DeviceType device_type, at::ScalarType dtype, bool enabled, bool cache)
    : device_type_(device_type),
      was_enabled_(at::autocast::is_autocast_enabled(device_type)),
      was_cached_(at::autocast::is_autocast_cache_enabled()),
      dtype_before_(at::autocast::get_autocast_dtype(device_type)) {
  at::autocast::increment_nesting();
  at::autocast::set_autocast_dtype(device_type, dtype);
  at::autocast::set_autocast_enabled(device_type, enabled);
  at::autocast::set_autocast_cache_enabled(cache);
}

Autocast::~Autocast() {
  // Converted parameters must not outlive a step: the next one changes what they were made of.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_type_, was_enabled_);
  at::autocast::set_autocast_dtype(device_type_, dtype_before_);
  at::autocast::set_autocast_cache_enabled(was_cached_);
}

}  // namespace xattn
