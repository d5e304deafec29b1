#pragma once

#include <stdexcept>
#include <string>

namespace xattn {

/// Base of every error that xattn throws; `what()` is one message for people, without a backtrace.
///
/// Messages read "[place] subject: expected …, got …".
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An argument that cannot be used: a shape, dtype, device, option or combination of them.
class ValueError : public Error {
 public:
  using Error::Error;
};

/// A file that cannot be read or written; names the file, the place in it and the rule it breaks.
class FileError : public Error {
 public:
  using Error::Error;
};

/// Tensors that do not fit the module they are loaded into; names the first ten keys at fault
/// and the number of the rest.
class StateDictError : public Error {
 public:
  using Error::Error;
};

/// A device that is asked for and not there.
class DeviceError : public Error {
 public:
  using Error::Error;
};

}  // namespace xattn
