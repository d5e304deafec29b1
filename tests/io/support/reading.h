#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace xattn::testing {

/// Opens a file, reads all its storages and checks the rest.
void read_everything(const std::string& path);

/// Expects a FileError that begins with "[test] path: " and holds `reason`, and that no more memory
/// was used than the file's size and 64 MiB.
void expect_refused(const std::string& path, const std::string& reason);

/// True if it reads, false if it is refused with a FileError that names the file; any other
/// exception fails the test.
bool reads(const std::string& path);

/// Live bytes from operator new, and the most there have been since the last reset.
struct Memory {
  static std::size_t live();
  static std::size_t peak();
  static void reset_peak();
};

}  // namespace xattn::testing
