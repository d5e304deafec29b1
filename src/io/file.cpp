#include "io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "core/text.h"
#include "io/mistaken.h"

namespace xattn::io {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

int Descriptor::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

// O_NONBLOCK: opening a named pipe must not wait for a writer. It does nothing to a regular file.
File::File(std::string place, std::string path)
    : subject_{std::move(place), std::move(path)},
      descriptor_(::open(subject_.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_.get() < 0) {
    const int problem = errno;
    fail(cat("cannot be opened: ", std::strerror(problem),
             problem == ENOENT ? mistaken_path(subject_.path) : ""));
  }
  struct stat status {};
  if (::fstat(descriptor_.get(), &status) != 0) {
    fail(cat("cannot be examined: ", std::strerror(errno)));
  }
  if (S_ISDIR(status.st_mode)) fail("is a directory, expected a file");
  if (!S_ISREG(status.st_mode)) fail("is not a regular file");
  size_ = static_cast<std::uint64_t>(status.st_size);
}

void File::read(std::uint64_t offset, void* to, std::size_t count) const {
  if (offset > size_ || count > size_ - offset) {
    fail(cat("expected ", count, " bytes at byte ", offset, ", the file ends at byte ", size_));
  }
  auto* next = static_cast<char*>(to);
  std::size_t left = count;
  while (left > 0) {
    // Linux moves at most 2 GiB a call.
    const std::size_t part = std::min<std::size_t>(left, std::size_t{1} << 30);
    const ssize_t got = ::pread(descriptor_.get(), next, part, static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      fail(cat("cannot be read at byte ", offset, ": ", std::strerror(errno)));
    }
    if (got == 0) fail(cat("was cut short while it was read, at byte ", offset));
    next += got;
    offset += static_cast<std::uint64_t>(got);
    left -= static_cast<std::size_t>(got);
  }
}

bool exists(const Subject& subject) {
  struct stat status {};
  if (::stat(subject.path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  subject.fail(cat("cannot be examined: ", std::strerror(errno)));
}

std::string File::read(std::uint64_t offset, std::size_t count) const {
  if (offset > size_ || count > size_ - offset) {
    fail(cat("expected ", count, " bytes at byte ", offset, ", the file ends at byte ", size_));
  }
  std::string bytes(count, '\0');
  read(offset, bytes.data(), count);
  return bytes;
}

void make_folder(const Subject& subject) {
  std::error_code error;
  std::filesystem::create_directories(subject.path, error);
  if (error) subject.fail(cat("cannot be made: ", error.message()));
}

}  // namespace xattn::io
