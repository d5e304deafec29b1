#include "xattn/ops/precision.h"

#include <utility>

namespace xattn {
namespace {

thread_local auto current_precision = Precision::kFast;

}  // namespace

UsePrecision::UsePrecision(Precision precision)
    : before_(std::exchange(current_precision, precision)) {}

UsePrecision::~UsePrecision() {
  current_precision = before_;
}

Precision UsePrecision::current() {
  return current_precision;
}

}  // namespace xattn
