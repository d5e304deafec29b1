#pragma once

#include <stdexcept>
#include <string>

#include "xattn/core/export.h"

namespace xattn {

/// Base of every error that xattn throws; `what()` is one message for people, without a backtrace.
///
/// Messages read "[place] subject: expected …, got …".
class XATTN_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An argument that cannot be used: a shape, dtype, device, option or combination of them.
class XATTN_API ValueError : public Error {
 public:
  using Error::Error;
};

/// A file that cannot be read or written; names the file, the place in it and the rule it breaks.
class XATTN_API FileError : public Error {
 public:
  using Error::Error;
};

/// Tensors that do not fit the module they are loaded into; names the first ten keys at fault
/// and the number of the rest.
class XATTN_API StateDictError : public Error {
 public:
  using Error::Error;
};

/// A number that must be finite and is not, as the loss of a training that diverged.
class XATTN_API NotFiniteError : public Error {
 public:
  using Error::Error;
};

/// A device that is asked for and not there.
class XATTN_API DeviceError : public Error {
 public:
  using Error::Error;
};

}  // namespace xattn
