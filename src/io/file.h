#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "io/subject.h"

namespace xattn::io {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  /// Gives the descriptor away, for a close whose result matters.
  int release();

 private:
  int fd_;
};

/// A regular file, open for reading.
///
/// Reads with `pread`, never with `mmap`: a map of a file that somebody cuts short kills the
/// process. Every method is const and may be called from several threads.
class File {
 public:
  File(std::string place, std::string path);

  const Subject& subject() const { return subject_; }
  [[noreturn]] void fail(std::string_view what) const { subject_.fail(what); }

  /// The size when the file was opened.
  std::uint64_t size() const { return size_; }

  /// Reads exactly `count` bytes; throws where the file ends before.
  void read(std::uint64_t offset, void* to, std::size_t count) const;
  std::string read(std::uint64_t offset, std::size_t count) const;

 private:
  Subject subject_;
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
};

/// Whether there is something of that name; throws where that cannot be told (a link to itself, a
/// name that is too long).
bool exists(const Subject& subject);

/// Makes a folder, and those above it, where it is not there yet.
void make_folder(const Subject& subject);

}  // namespace xattn::io
