#include "xattn/training/training_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <limits>

#include "core/text.h"
#include "io/support/temporary_folder.h"
#include "support/errors.h"
#include "xattn/core/error.h"

namespace xattn::testing {
namespace {

TrainingLogEntry entry_of(int64_t step, double loss = 0.5) {
  return {step, loss, 1e-4, 31.5, 0.25 * static_cast<double>(step), {}};
}

std::vector<int64_t> steps_in(const std::string& path) {
  std::vector<int64_t> steps;
  for (const auto& entry : read_training_log(path)) steps.push_back(entry.step);
  return steps;
}

TEST(TrainingLog, WritesALineAStep) {
  const TemporaryFolder folder;
  auto log = TrainingLog::begin(folder / "log.jsonl");
  log.append(entry_of(1));
  log.append({2, 1.0 / 3, 2e-5, 30, 0.5, {{"grad_norm", 1.5}, {"a \"b\"", -2}}});
  log.append({10, std::nan(""), std::numeric_limits<double>::infinity(), 0, 1, {}});
  log.sync();
  EXPECT_EQ(
      read_bytes(folder / "log.jsonl"),
      "{\"step\":1,\"loss\":0.5,\"lr\":0.0001,\"pictures_per_second\":31.5,\"seconds\":0.25}\n"
      "{\"step\":2,\"loss\":0.3333333333333333,\"lr\":2e-05,\"pictures_per_second\":30.0,"
      "\"seconds\":0.5,\"a \\\"b\\\"\":-2.0,\"grad_norm\":1.5}\n"
      "{\"step\":10,\"loss\":null,\"lr\":null,\"pictures_per_second\":0.0,\"seconds\":1.0}\n");
  const auto entries = read_training_log(folder / "log.jsonl");
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[1].loss, 1.0 / 3);
  EXPECT_EQ(entries[1].learning_rate, 2e-5);
  EXPECT_EQ(entries[1].pictures_per_second, 30);
  EXPECT_EQ(entries[1].seconds, 0.5);
  EXPECT_EQ(entries[1].more, (std::map<std::string, double>{{"grad_norm", 1.5}, {"a \"b\"", -2}}));
  EXPECT_TRUE(std::isnan(entries[2].loss));
  EXPECT_TRUE(std::isnan(entries[2].learning_rate));
}

TEST(TrainingLog, GoesOnAfterAStep) {
  const TemporaryFolder folder;
  const auto path = folder / "log.jsonl";
  {
    auto log = TrainingLog::begin(path);
    for (int64_t step = 1; step <= 9; ++step) log.append(entry_of(step));
  }
  auto log = TrainingLog::resume(path, 6);
  EXPECT_EQ(log.seconds(), 1.5);
  EXPECT_EQ(steps_in(path), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  log.append(entry_of(7, 0.25));
  EXPECT_EQ(log.seconds(), 1.75);
  EXPECT_EQ(read_training_log(path).back().loss, 0.25);
  TrainingLog::resume(path, 100).append(entry_of(101));
  EXPECT_EQ(steps_in(path).back(), 101);
  TrainingLog::resume(path, 0);
  EXPECT_EQ(read_bytes(path), "");
  TrainingLog::resume(folder / "new.jsonl", 5).append(entry_of(6));
  EXPECT_EQ(steps_in(folder / "new.jsonl"), std::vector<int64_t>{6});
}

TEST(TrainingLog, DropsALineThatWasNotWrittenToItsEnd) {
  const TemporaryFolder folder;
  const auto path = folder / "log.jsonl";
  {
    auto log = TrainingLog::begin(path);
    log.append(entry_of(1));
    log.append(entry_of(2));
  }
  const auto whole = read_bytes(path);
  for (std::size_t cut = whole.find('\n') + 2; cut < whole.size(); ++cut) {
    write_bytes(path, whole.substr(0, cut));
    EXPECT_EQ(steps_in(path), std::vector<int64_t>{1});
    TrainingLog::resume(path, 2).append(entry_of(2));
    EXPECT_EQ(read_bytes(path), whole);
  }
}

TEST(TrainingLog, ThousandsOfLines) {
  const TemporaryFolder folder;
  {
    auto log = TrainingLog::begin(folder / "log.jsonl");
    for (int64_t step = 1; step <= 30'000; ++step) log.append(entry_of(step));
  }
  EXPECT_EQ(read_training_log(folder / "log.jsonl").size(), 30'000u);
  TrainingLog::resume(folder / "log.jsonl", 12'345);
  EXPECT_EQ(steps_in(folder / "log.jsonl").back(), 12'345);
}

TEST(TrainingLog, RefusesALogOfAnotherRun) {
  const TemporaryFolder folder;
  const auto path = write_bytes(folder / "log.jsonl", "old");
  EXPECT_EQ(error_of([&] { TrainingLog::begin(path); }),
            cat("[TrainingLog] ", path, ": expected no log of another run, got one; resume it"));
  EXPECT_EQ(read_bytes(path), "old");
  EXPECT_NE(
      error_of([&] { TrainingLog::begin(folder / "none/log.jsonl"); }).find("cannot be opened"),
      std::string::npos);
}

TEST(TrainingLog, NamesALineThatIsNoEntry) {
  const TemporaryFolder folder;
  const auto path = folder / "log.jsonl";
  const auto refused = [&](const std::string& line, const std::string& what) {
    const auto text = "{\"step\":3,\"loss\":1}\n" + line + "\n{\"step\":9}\n";
    write_bytes(path, text);
    for (const auto& error : {error_of([&] { read_training_log(path); }),
                              error_of([&] { TrainingLog::resume(path, 5); })}) {
      EXPECT_NE(error.find(path + ": line 2: " + what), std::string::npos) << error;
    }
    EXPECT_EQ(read_bytes(path), text);
  };
  refused("x", "expected a JSON object, got an error at byte");
  refused("", "expected a JSON object");
  refused("[]", "expected a JSON object, got []");
  refused("{}", "step: expected a whole number, got none");
  refused("{\"step\":-4}", "step: expected a whole number, got -4");
  refused("{\"step\":4.5}", "step: expected a whole number, got 4.5");
  refused("{\"step\":4,\"loss\":\"1\"}", "loss: expected a number or null, got \"1\"");
  refused("{\"step\":4,\"more\":[1]}", "more: expected a number or null, got [1]");
  refused("{\"step\":3}", "expected a step after 3, got 3");
}

TEST(TrainingLog, RefusesStepsThatGoBack) {
  const TemporaryFolder folder;
  auto log = TrainingLog::begin(folder / "log.jsonl");
  log.append(entry_of(4));
  EXPECT_NE(error_of([&] { log.append(entry_of(4)); }).find("step: expected one after 4, got 4"),
            std::string::npos);
  auto entry = entry_of(5);
  entry.more["loss"] = 1;
  EXPECT_NE(error_of([&] { log.append(entry); }).find("names of its own, got loss"),
            std::string::npos);
  entry.more = {{"step", 1}};
  EXPECT_NE(error_of([&] { log.append(entry); }).find("names of its own, got step"),
            std::string::npos);
  EXPECT_EQ(steps_in(folder / "log.jsonl"), std::vector<int64_t>{4});
}

TEST(TrainingLog, AFullDiskLeavesWholeLines) {
  const TemporaryFolder folder;
  const auto path = folder / "log.jsonl";
  auto log = TrainingLog::begin(path);
  log.append(entry_of(1));
  const auto before = read_bytes(path);
  rlimit unlimited{};
  ::getrlimit(RLIMIT_FSIZE, &unlimited);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{before.size() + 10, unlimited.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const auto error = error_of([&] { log.append(entry_of(2)); });
  ::setrlimit(RLIMIT_FSIZE, &unlimited);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(error.find(path + ": cannot be written: "), std::string::npos) << error;
  EXPECT_EQ(read_bytes(path), before);
  log.append(entry_of(2));
  EXPECT_EQ(steps_in(path), (std::vector<int64_t>{1, 2}));
}

}  // namespace
}  // namespace xattn::testing
