#include "xattn/nn/initialization.h"

namespace xattn {
namespace {

thread_local bool skips = false;

}  // namespace

SkipInitialization::SkipInitialization() : before_(skips) {
  skips = true;
}
SkipInitialization::~SkipInitialization() {
  skips = before_;
}
bool SkipInitialization::is_active() {
  return skips;
}

}  // namespace xattn
