#include "io/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>
#include <vector>

#include "io/support/temporary_folder.h"
#include "xattn/core/error.h"

namespace xattn::testing {
namespace {

std::size_t files_in(const TemporaryFolder& folder) {
  const std::filesystem::directory_iterator files(folder.path());
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

TEST(AtomicFile, AppearsWholeAndOnlyOnCommit) {
  TemporaryFolder folder;
  const auto path = write_bytes(folder / "file", "old");
  {
    io::AtomicFile file("test", path);
    file.write("new content", 11);
    EXPECT_EQ(read_bytes(path), "old");
    EXPECT_EQ(files_in(folder), 2u);
    file.commit();
    EXPECT_EQ(read_bytes(path), "new content");
  }
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  TemporaryFolder folder;
  const auto path = write_bytes(folder / "file", "old");
  {
    io::AtomicFile file("test", path);
    file.write("new", 3);
  }
  EXPECT_EQ(read_bytes(path), "old");
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, HasThePermissionsOfAnyNewFile) {
  TemporaryFolder folder;
  const auto before = umask(027);
  io::AtomicFile file("test", folder / "file");
  file.commit();
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat((folder / "file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(AtomicFile, RefusesWhatIsNoRegularFile) {
  TemporaryFolder folder;
  EXPECT_THROW(io::AtomicFile("test", folder.path().string()), FileError);
  EXPECT_THROW(io::AtomicFile("test", folder / "missing/file"), FileError);
  EXPECT_THROW(io::AtomicFile("test", folder / ""), FileError);
  EXPECT_THROW(io::AtomicFile("test", ""), FileError);
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(io::AtomicFile("test", folder / "pipe"), FileError);
  EXPECT_THROW(io::File("test", folder / "pipe"), FileError);  // and does not wait for a writer
  EXPECT_THROW(io::AtomicFile("test", "/dev/null"), FileError);
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, WritersOfOneFileDoNotMeet) {
  TemporaryFolder folder;
  const auto path = folder / "file";
  {
    std::vector<std::jthread> writers;
    for (char c = 'a'; c < 'e'; ++c) {
      writers.emplace_back([&path, c] {
        for (int i = 0; i < 20; ++i) {
          io::AtomicFile file("test", path);
          const std::string content(10'000, c);
          file.write(content.data(), content.size());
          file.commit();
        }
      });
    }
  }
  const auto content = read_bytes(path);
  EXPECT_EQ(content, std::string(10'000, content[0]));
  EXPECT_EQ(files_in(folder), 1u);
}

}  // namespace
}  // namespace xattn::testing
