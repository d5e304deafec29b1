#include "io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "core/text.h"

namespace xattn::io {
namespace {

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Not mkstemp: that makes the file 0600, and the umask cannot be read without changing it for all
// threads. A plain O_EXCL open gets the permissions that any new file would have.
int open_beside(const std::string& path, std::string& temporary) {
  std::random_device random;
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary = cat(path, ".tmp-", hex((std::uint64_t{random()} << 32) | random()).substr(2));
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

}  // namespace

AtomicFile::AtomicFile(std::string place, std::string path)
    : subject_{std::move(place), std::move(path)},
      directory_(directory_of(subject_.path)),
      descriptor_([this] {
        if (subject_.path.empty()) subject_.fail("expected the name of a file, got an empty one");
        struct stat status {};
        if (::stat(subject_.path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
          subject_.fail(S_ISDIR(status.st_mode) ? "is a directory, expected the name of a file"
                                                : "exists and is not a regular file");
        }
        return open_beside(subject_.path, temporary_);
      }()) {
  if (descriptor_.get() < 0) {
    temporary_.clear();
    fail_with_errno("cannot be created");
  }
}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* from, std::size_t count) {
  const auto* next = static_cast<const char*>(from);
  while (count > 0) {
    const ssize_t put =
        ::write(descriptor_.get(), next, std::min<std::size_t>(count, std::size_t{1} << 30));
    if (put < 0) {
      if (errno == EINTR) continue;
      fail_with_errno("cannot be written");
    }
    next += put;
    count -= static_cast<std::size_t>(put);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_.get()) != 0) fail_with_errno("cannot be made durable");
  if (::close(descriptor_.release()) != 0) fail_with_errno("cannot be closed");
  if (::rename(temporary_.c_str(), subject_.path.c_str()) != 0) {
    fail_with_errno("cannot take the place of the old file");
  }
  committed_ = true;
  // The name is durable only with its directory. Some file systems cannot sync one: the file is
  // whole and in its place all the same.
  const Descriptor directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

void AtomicFile::fail_with_errno(const char* what) const {
  subject_.fail(cat(what, ": ", std::strerror(errno)));
}

void write_file(const std::string& place, const std::string& path, std::string_view bytes) {
  AtomicFile file(place, path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace xattn::io
