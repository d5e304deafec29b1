#pragma once

#include "xattn/core/export.h"

namespace xattn {

/// While one lives, the `Linear` and `Conv2d` that this thread constructs leave their weights
/// uninitialised.
///
/// It is for weights that are about to be loaded: drawing them first takes seconds.
class XATTN_API SkipInitialization {
 public:
  SkipInitialization();
  ~SkipInitialization();
  SkipInitialization(const SkipInitialization&) = delete;
  SkipInitialization& operator=(const SkipInitialization&) = delete;

  static bool is_active();

 private:
  bool before_;
};

}  // namespace xattn
