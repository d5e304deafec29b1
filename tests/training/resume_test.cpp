// A run that is killed at random moments, also while it saves, ends with the bits of an undisturbed
// one.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "io/support/temporary_folder.h"

namespace xattn::testing {
namespace {

#define XATTN_REQUIRE_PROGRAM()                                             \
  if (!std::getenv("XATTN_RESUME_PROGRAM")) {                               \
    ASSERT_FALSE(std::getenv("CI")) << "CI without XATTN_RESUME_PROGRAM";   \
    GTEST_SKIP() << "XATTN_RESUME_PROGRAM names no program: ctest sets it"; \
  }

constexpr int kSteps = 260;
constexpr int kKills = 20;

/// The program as a process of its own, whose lines can be read.
class Program {
 public:
  explicit Program(const std::string& folder, int step_count = kSteps,
                   const std::string& forgotten = "") {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe failed");
    const auto steps = std::to_string(step_count);
    const char* path = std::getenv("XATTN_RESUME_PROGRAM");
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(ends[1], 1);
      ::close(ends[0]);
      ::close(ends[1]);
      ::execl(path, path, folder.c_str(), steps.c_str(), forgotten.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    lines_ = ::fdopen(ends[0], "r");
  }
  ~Program() { std::fclose(lines_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Reads up to a line that begins so; false where the program ended before.
  bool wait_for(const std::string& start) {
    char line[256];
    while (std::fgets(line, sizeof line, lines_)) {
      if (std::string(line).starts_with(start)) return true;
    }
    return false;
  }

  void kill() const { ::kill(process_, SIGKILL); }

  /// How it ended: an exit code, or minus a signal.
  int end() {
    while (wait_for("never")) {
    }
    int status = 0;
    ::waitpid(process_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t process_ = -1;
  std::FILE* lines_ = nullptr;
};

bool has_half_a_checkpoint(const TemporaryFolder& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().filename().string().starts_with(".tmp-")) return true;
  }
  return false;
}

TEST(Resume, AKilledRunEndsWithTheBitsOfAnUndisturbedOne) {
  const TemporaryFolder whole, killed;
  XATTN_REQUIRE_PROGRAM();
  ASSERT_EQ(Program(whole.path().string()).end(), 0);

  std::random_device seed;
  const auto first = seed();
  SCOPED_TRACE(first);
  std::mt19937 random(first);
  const auto wait_at_most = [&](unsigned microseconds) { ::usleep(random() % microseconds); };
  int kills = 0, in_a_save = 0;
  for (int i = 0; i < 3 * kKills && kills < kKills; ++i) {
    Program program(killed.path().string());
    if (i % 2 == 0) {
      // While it saves.
      for (auto saves = 1 + random() % 5; saves > 0; --saves) program.wait_for("saving");
      wait_at_most(8000);
    } else {
      program.wait_for("step");
      wait_at_most(60'000);
    }
    program.kill();
    const auto end = program.end();
    ASSERT_TRUE(end == 0 || end == -SIGKILL) << end;
    if (end == 0) break;
    ++kills;
    if (has_half_a_checkpoint(killed)) ++in_a_save;
  }
  EXPECT_GE(kills, kKills / 2);
  EXPECT_GT(in_a_save, 0);
  ASSERT_EQ(Program(killed.path().string()).end(), 0);
  EXPECT_EQ(read_bytes(killed / "final.safetensors"), read_bytes(whole / "final.safetensors"));
  EXPECT_EQ(read_bytes(killed / "log.jsonl"), read_bytes(whole / "log.jsonl"));
  EXPECT_FALSE(has_half_a_checkpoint(killed));
}

// The twin: a run that goes on without one part of its state has other bits.
TEST(Resume, EveryPartOfTheStateCounts) {
  XATTN_REQUIRE_PROGRAM();
  const auto final_of = [](int first_steps, const std::string& forgotten) {
    const TemporaryFolder folder;
    if (first_steps > 0) {
      EXPECT_EQ(Program(folder.path().string(), first_steps).end(), 0);
    }
    EXPECT_EQ(Program(folder.path().string(), 12, forgotten).end(), 0);
    return read_bytes(folder / "final.safetensors");
  };
  const auto expected = final_of(0, "");
  EXPECT_EQ(final_of(6, ""), expected);
  EXPECT_EQ(final_of(7, ""), expected);  // a step behind the last checkpoint
  for (const auto* part : {"model", "optimizer", "place", "random_state"}) {
    EXPECT_NE(final_of(6, part), expected) << part;
  }
}

}  // namespace
}  // namespace xattn::testing
