#pragma once

#include <atomic>
#include <memory>

#include "xattn/core/error.h"
#include "xattn/core/export.h"

namespace xattn {

/// A run that was asked to stop, and did.
class XATTN_API Cancelled : public Error {
 public:
  using Error::Error;
};

/// Whether a run is to stop: what a `StopSource` gives out, for runs to look at.
///
/// One that no source gave never stops anything.
class StopToken {
 public:
  StopToken() = default;

  bool stop_requested() const { return state_ && state_->load(std::memory_order_relaxed); }

 private:
  friend class StopSource;
  explicit StopToken(std::shared_ptr<const std::atomic<bool>> state) : state_(std::move(state)) {}

  std::shared_ptr<const std::atomic<bool>> state_;
};

/// Stops the runs that have its token, from any thread. (`std::stop_source` is not everywhere yet.)
class StopSource {
 public:
  StopToken token() const { return StopToken(state_); }

  /// May be called from any thread, and from a signal's handler.
  void request_stop() const { state_->store(true, std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<bool>> state_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace xattn
