#include "xattn/training/training_checkpoint.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <sys/resource.h>

#include <csignal>

#include "core/text.h"
#include "io/support/temporary_folder.h"
#include "support/errors.h"

namespace xattn::testing {
namespace {

namespace fs = std::filesystem;

TrainingCheckpoint checkpoint_of(int64_t step, float value = 1) {
  TrainingCheckpoint checkpoint;
  checkpoint.step = step;
  checkpoint.place = {3, step};
  checkpoint.tensors["unet"].insert("conv.weight", at::full({2, 3}, value));
  checkpoint.tensors["unet"].insert("scale", at::full({}, value, at::kDouble));
  checkpoint.tensors["optimizer"].insert("step", at::full({1}, step, at::kLong));
  checkpoint.options = "{\"lr\":0.001,\"name\":\"x\"}";
  return checkpoint;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(TrainingCheckpoint, ComesBackAsItWas) {
  const TemporaryFolder folder;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{1});
  at::rand({7}, generator);
  auto saved = checkpoint_of(500);
  saved.random_state = generator.get_state();
  const auto path = save_training_checkpoint(folder / "run", saved);
  EXPECT_EQ(path, folder / "run/checkpoint-000500");
  EXPECT_EQ(names_in(path), (std::vector<std::string>{"manifest.json", "optimizer.safetensors",
                                                      "random_state.safetensors", "state.json",
                                                      "unet.safetensors"}));

  const auto latest = latest_checkpoint(folder / "run");
  EXPECT_EQ(latest.path, path);
  EXPECT_EQ(latest.step, 500);
  EXPECT_TRUE(latest.unusable.empty());
  const auto loaded = load_training_checkpoint(path);
  EXPECT_EQ(loaded.step, 500);
  EXPECT_EQ(loaded.place, saved.place);
  EXPECT_EQ(loaded.options, saved.options);
  ASSERT_EQ(loaded.tensors.size(), 2u);
  for (const auto& [part, tensors] : saved.tensors) {
    EXPECT_EQ(loaded.tensors.at(part).keys(), tensors.keys());
    for (const auto& item : tensors) {
      EXPECT_TRUE(at::equal(loaded.tensors.at(part)[item.key()], item.value())) << item.key();
    }
  }
  const auto expected = at::rand({5}, generator);
  auto other = at::make_generator<at::CPUGeneratorImpl>(uint64_t{2});
  other.set_state(loaded.random_state);
  EXPECT_TRUE(at::equal(at::rand({5}, other), expected));
}

TEST(TrainingCheckpoint, NothingOfItNeedsToBeThere) {
  const TemporaryFolder folder;
  const auto path = save_training_checkpoint(folder.path().string(), {});
  EXPECT_EQ(path, folder / "checkpoint-000000");
  const auto loaded = load_training_checkpoint(path);
  EXPECT_TRUE(loaded.tensors.empty());
  EXPECT_FALSE(loaded.random_state.defined());
  EXPECT_EQ(loaded.options, "{}");
}

TEST(TrainingCheckpoint, KeepsTheLastOnes) {
  const TemporaryFolder folder;
  const auto root = folder.path().string();
  write_bytes(folder / "log.jsonl", "kept");
  fs::create_directory(folder.path() / "checkpoint-7");  // not a name of ours
  for (const int64_t step : {10, 20, 30, 40, 1'000'000}) {
    save_training_checkpoint(root, checkpoint_of(step), {.keep = 2});
  }
  EXPECT_EQ(names_in(root), (std::vector<std::string>{"checkpoint-000040", "checkpoint-1000000",
                                                      "checkpoint-7", "log.jsonl"}));
  EXPECT_EQ(latest_checkpoint(root).step, 1'000'000);
  // A run that went back leaves later ones alone.
  save_training_checkpoint(root, checkpoint_of(50), {.keep = 1});
  EXPECT_EQ(names_in(root), (std::vector<std::string>{"checkpoint-000050", "checkpoint-1000000",
                                                      "checkpoint-7", "log.jsonl"}));
}

TEST(TrainingCheckpoint, TakesThePlaceOfOneOfTheSameStep) {
  const TemporaryFolder folder;
  const auto root = folder.path().string();
  auto first = checkpoint_of(5);
  first.tensors["old"].insert("x", at::ones({1}));
  save_training_checkpoint(root, first);
  const auto path = save_training_checkpoint(root, checkpoint_of(5, 2));
  EXPECT_EQ(names_in(root), std::vector<std::string>{"checkpoint-000005"});
  const auto loaded = load_training_checkpoint(path);
  EXPECT_EQ(loaded.tensors.count("old"), 0u);
  EXPECT_EQ(loaded.tensors.at("unet")["scale"].item<double>(), 2);
}

TEST(TrainingCheckpoint, PassesOverWhatIsNotWhole) {
  const TemporaryFolder folder;
  const auto root = folder.path().string();
  EXPECT_EQ(latest_checkpoint(root).path, std::nullopt);
  EXPECT_EQ(latest_checkpoint(folder / "none").path, std::nullopt);
  for (const int64_t step : {1, 2, 3, 4, 5}) {
    save_training_checkpoint(root, checkpoint_of(step), {.keep = 9});
  }
  fs::remove(folder.path() / "checkpoint-000005/manifest.json");
  fs::remove(folder.path() / "checkpoint-000004/optimizer.safetensors");
  const auto cut = folder / "checkpoint-000003/unet.safetensors";
  fs::resize_file(cut, fs::file_size(cut) - 1);
  write_byte_at(folder / "checkpoint-000002/state.json", 20, '#');
  const auto latest = latest_checkpoint(root);
  EXPECT_EQ(latest.path, folder / "checkpoint-000001");
  EXPECT_EQ(latest.step, 1);
  ASSERT_EQ(latest.unusable.size(), 4u);
  const std::vector<std::string> reasons = {
      "manifest.json: cannot be opened", "optimizer.safetensors: cannot be opened",
      "bytes, as the manifest says, got", "state.json: expected the checksum"};
  for (size_t i = 0; i < reasons.size(); ++i) {
    EXPECT_TRUE(latest.unusable[i].starts_with(cat("checkpoint-00000", 5 - i, ": ")));
    EXPECT_NE(latest.unusable[i].find(reasons[i]), std::string::npos) << latest.unusable[i];
    EXPECT_NE(error_of<FileError>([&] { load_training_checkpoint(cat(root, "/checkpoint-00000", 5 - i)); }),
              "no error");
  }
  // Every bit of every file counts.
  for (const auto& name : names_in(root + "/checkpoint-000001")) {
    const auto file = cat(root, "/checkpoint-000001/", name);
    const auto bytes = read_bytes(file);
    auto other = bytes;
    other[other.size() / 2] ^= 4;
    write_bytes(file, other);
    EXPECT_EQ(latest_checkpoint(root).path, std::nullopt) << name;
    write_bytes(file, bytes);
  }
  EXPECT_EQ(latest_checkpoint(root).step, 1);
}

TEST(TrainingCheckpoint, RemovesWhatAnInterruptedSaveLeft) {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / ".tmp-checkpoint-000009");
  write_bytes(folder / ".tmp-checkpoint-000009/unet.safetensors", "half");
  fs::create_directories(folder.path() / ".tmp-checkpoint-000008-old");
  fs::create_directories(folder.path() / ".tmp-other");
  EXPECT_EQ(latest_checkpoint(folder.path().string()).path, std::nullopt);
  save_training_checkpoint(folder.path().string(), checkpoint_of(9));
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{".tmp-other", "checkpoint-000009"}));
}

TEST(TrainingCheckpoint, RefusesBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::function<void(TrainingCheckpoint&)>& change,
                           const std::string& what) {
    auto checkpoint = checkpoint_of(1);
    change(checkpoint);
    expect_value_error_with([&] { save_training_checkpoint(folder / "run", checkpoint); }, what);
  };
  refused([](auto& c) { c.step = -1; },
          "[save_training_checkpoint] step: expected 0 or more, got -1");
  refused([](auto& c) { c.place.epoch = -1; }, "place.epoch: expected 0 or more");
  refused([](auto& c) { c.place.index = -1; }, "place.index: expected 0 or more");
  for (const auto* options : {"", "[]", "{", "1"}) {
    refused([&](auto& c) { c.options = options; }, "options: expected a JSON object, got ");
  }
  for (const auto* name : {"", "a/b", "../a", ".a", "ü", "random_state"}) {
    refused([&](auto& c) { c.tensors[name]; }, "tensors: expected parts whose names are ");
  }
  EXPECT_FALSE(fs::exists(folder / "run"));
  expect_value_error([&] { save_training_checkpoint(folder / "run", {}, {.keep = 0}); },
                     "[save_training_checkpoint] keep: expected 1 or more, got 0");
  refused(
      [](auto& c) {
        c.tensors["unet"].insert(
            "complex", at::complex(at::ones({1}, at::kDouble), at::ones({1}, at::kDouble)));
      },
      "complex");
  EXPECT_TRUE(names_in(folder / "run").empty());
}

/// The largest file that this process may write, for as long as this lives.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

// As a full disk: some bytes can be written, and then no more.
TEST(TrainingCheckpoint, AFullDiskLeavesTheLastOneAsItIs) {
  const TemporaryFolder folder;
  const auto root = folder.path().string();
  save_training_checkpoint(root, checkpoint_of(1));
  auto larger = checkpoint_of(2);
  larger.tensors["unet"].insert("large", at::ones({100'000}));
  // 50 and 150: the small files, 100000: in the tensors of the large one.
  for (const rlim_t bytes : {rlim_t{0}, rlim_t{50}, rlim_t{150}, rlim_t{100'000}}) {
    std::string error;
    {
      const FileLimit limit(bytes);
      error = error_of<FileError>([&] { save_training_checkpoint(root, larger); });
    }
    EXPECT_TRUE(error.starts_with(
        cat("[save_training_checkpoint] ", root, "/checkpoint-000002: cannot be saved: ")))
        << error;
    EXPECT_NE(error.find("cannot be written: File too large"), std::string::npos) << error;
    EXPECT_TRUE(error.ends_with("; checkpoint-000001 is as it was")) << error;
    EXPECT_EQ(names_in(root), std::vector<std::string>{"checkpoint-000001"});
    EXPECT_EQ(latest_checkpoint(root).step, 1);
  }
  save_training_checkpoint(root, larger);
  EXPECT_EQ(latest_checkpoint(root).step, 2);
}

TEST(TrainingCheckpoint, SaysWhatIsInTheWay) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "");
  EXPECT_NE(
      error_of<FileError>([&] { save_training_checkpoint(folder / "file", {}); }).find("Not a directory"),
      std::string::npos);
  write_bytes(folder / "checkpoint-000003", "");
  const auto error =
      error_of<FileError>([&] { save_training_checkpoint(folder.path().string(), checkpoint_of(3)); });
  EXPECT_NE(error.find("cannot be given its name: Not a directory"), std::string::npos) << error;
  EXPECT_NE(error_of<FileError>([&] { latest_checkpoint(folder / "file"); }).find("cannot be listed"),
            std::string::npos);
}

TEST(TrainingCheckpoint, RefusesStrangeStates) {
  const TemporaryFolder folder;
  const auto path = save_training_checkpoint(folder.path().string(), checkpoint_of(1));
  const auto state = read_bytes(path + "/state.json");
  // A state whose manifest fits: it is written by another program, or by hand.
  const auto with = [&](const std::string& from, const std::string& to) {
    auto text = state;
    text.replace(text.find(from), from.size(), to);
    write_bytes(path + "/state.json", text);
    write_bytes(path + "/manifest.json", "{\"files\":{}}");
    return error_of<FileError>([&] { load_training_checkpoint(path); });
  };
  EXPECT_NE(
      with("xattn-training", "another").find("expected xattn-training-checkpoint of version 1"),
      std::string::npos);
  EXPECT_NE(with("\"version\": 1", "\"version\": 2").find("of version 2"), std::string::npos);
  EXPECT_NE(with("\"step\": 1", "\"step\": -1").find("step: expected a whole number"),
            std::string::npos);
  EXPECT_NE(with("\"index\": 1", "\"index\": 1.5").find("index: expected a whole number"),
            std::string::npos);
  EXPECT_NE(with("\"place\"", "\"plaze\"").find("expected place and options"), std::string::npos);
  // The manifest names no part.
  EXPECT_NE(with("\"step\"", "\"step\"").find("parts: expected files that the manifest names"),
            std::string::npos);
  for (const auto* manifest :
       {"[]", "{}", "{\"files\":[]}", "{\"files\":{\"../x\":{\"bytes\":1,\"crc32\":1}}}",
        "{\"files\":{\"x\":{\"bytes\":-1,\"crc32\":1}}}", "{\"files\":{\"x\":7}}"}) {
    write_bytes(path + "/manifest.json", manifest);
    EXPECT_NE(error_of<FileError>([&] { load_training_checkpoint(path); }).find("manifest.json: "),
              std::string::npos)
        << manifest;
  }
}

}  // namespace
}  // namespace xattn::testing
