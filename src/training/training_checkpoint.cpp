// state.json    {"format": "xattn-training-checkpoint", "version": 1, "step": n, "place": {"epoch":
// n, "index": n},
//                "parts": [name, …], "options": {…}}
// NAME.safetensors, a part each; random_state.safetensors
#include "xattn/training/training_checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/text.h"
#include "io/atomic_file.h"
#include "io/json.h"
#include "training/checkpoint_folder.h"
#include "xattn/core/error.h"
#include "xattn/io/checkpoint.h"
#include "xattn/io/safetensors.h"

namespace xattn {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kSaveState = "save_training_checkpoint";
constexpr auto kLoadState = "load_training_checkpoint";
constexpr auto kLatest = "latest_checkpoint";
constexpr auto kStateFormat = "xattn-training-checkpoint";
constexpr std::int64_t kStateVersion = 1;
constexpr auto kStateFile = "state.json";
constexpr auto kRandomPart = "random_state";
constexpr auto kRandomKey = "cpu";

std::string part_file(const std::string& folder, const std::string& part) {
  return (fs::path(folder) / (part + ".safetensors")).string();
}

bool is_part_name(const std::string& name) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.front() != '.' && name.size() <= 100 &&
         std::all_of(name.begin(), name.end(), is_good);
}

json state_of(const TrainingCheckpoint& checkpoint) {
  check_at_least(kSaveState, "step", checkpoint.step, 0);
  check_at_least(kSaveState, "place.epoch", checkpoint.place.epoch, 0);
  check_at_least(kSaveState, "place.index", checkpoint.place.index, 0);
  const auto [options, problem] = io::parse_json(checkpoint.options);
  if (!problem.empty() || !options.is_object()) {
    throw_value_error(kSaveState, "options", "a JSON object", quote(checkpoint.options));
  }
  json parts = json::array();
  for (const auto& [name, tensors] : checkpoint.tensors) {
    if (!is_part_name(name) || name == kRandomPart) {
      throw_value_error(kSaveState, "tensors",
                        "parts whose names are letters, digits, \"_\", \"-\" and \".\", and not "
                        "\"random_state\"",
                        quote(name));
    }
    parts.push_back(name);
  }
  return {{"format", kStateFormat},
          {"version", kStateVersion},
          {"step", checkpoint.step},
          {"place", {{"epoch", checkpoint.place.epoch}, {"index", checkpoint.place.index}}},
          {"parts", parts},
          {"options", options}};
}

void write_parts(const std::string& folder, const TrainingCheckpoint& checkpoint,
                 const json& state) {
  for (const auto& [name, tensors] : checkpoint.tensors) {
    save_safetensors(part_file(folder, name), tensors);
  }
  if (checkpoint.random_state.defined()) {
    StateDict random;
    random.insert(kRandomKey, checkpoint.random_state);
    save_safetensors(part_file(folder, kRandomPart), random);
  }
  io::write_file(kSaveState, (fs::path(folder) / kStateFile).string(), state.dump(1) + "\n");
  training::write_manifest(kSaveState, folder);
}

/// A whole number of state.json that is not negative.
std::int64_t count_in(const io::Subject& subject, const json& object, const char* name) {
  const auto found = object.find(name);
  const bool is_count = found != object.end() && found->is_number_unsigned() &&
                        found->get<std::uint64_t>() < std::uint64_t{1} << 62;
  if (!is_count) {
    subject.fail(cat(name, ": expected a whole number of 0 or more, got ",
                     found == object.end() ? "none" : io::shown(*found)));
  }
  return found->get<std::int64_t>();
}

}  // namespace

std::string save_training_checkpoint(const std::string& folder,
                                     const TrainingCheckpoint& checkpoint,
                                     const CheckpointSaveOptions& options) {
  check_at_least(kSaveState, "keep", options.keep, 1);
  const auto state = state_of(checkpoint);
  const auto name = training::checkpoint_name(checkpoint.step);
  const io::Subject subject{kSaveState, (fs::path(folder) / name).string()};
  try {
    training::AtomicFolder aside(kSaveState, folder, name);
    write_parts(aside.path(), checkpoint, state);
    aside.commit();
  } catch (const FileError& error) {
    const auto others = training::checkpoints_in({kSaveState, folder});
    subject.fail(cat("cannot be saved: ", without_place(error.what()),
                     others.empty() ? "" : "; " + others.front().second + " is as it was"));
  }
  int64_t kept = 0;
  for (const auto& [step, old] : training::checkpoints_in({kSaveState, folder})) {
    if (step > checkpoint.step) continue;
    if (++kept > options.keep) training::remove_folder(kSaveState, folder, old);
  }
  return subject.path;
}

TrainingCheckpoint load_training_checkpoint(const std::string& path) {
  const auto files = training::read_manifest(kLoadState, path);
  const io::File file(kLoadState, (fs::path(path) / kStateFile).string());
  const auto& subject = file.subject();
  const auto state = io::read_json_object(file);
  if (state.value("format", json()) != kStateFormat ||
      state.value("version", json()) != kStateVersion) {
    subject.fail(cat("expected ", kStateFormat, " of version ", kStateVersion, ", got ",
                     io::shown(state.value("format", json())), " of version ",
                     io::shown(state.value("version", json()))));
  }
  const auto place = state.find("place"), parts = state.find("parts"),
             options = state.find("options");
  if (place == state.end() || !place->is_object() || parts == state.end() || !parts->is_array() ||
      options == state.end() || !options->is_object()) {
    subject.fail("expected place and options, which are objects, and parts, a list");
  }
  const auto is_named = [&](const std::string& part) {
    return std::find(files.begin(), files.end(), part + ".safetensors") != files.end();
  };
  TrainingCheckpoint checkpoint;
  checkpoint.step = count_in(subject, state, "step");
  checkpoint.place = {count_in(subject, *place, "epoch"), count_in(subject, *place, "index")};
  checkpoint.options = options->dump();
  for (const auto& part : *parts) {
    if (!part.is_string() || !is_part_name(part.get<std::string>()) ||
        !is_named(part.get<std::string>())) {
      subject.fail(cat("parts: expected files that the manifest names, got ", io::shown(part)));
    }
    const auto name = part.get<std::string>();
    checkpoint.tensors[name] = load_checkpoint(part_file(path, name)).tensors;
  }
  if (is_named(kRandomPart)) {
    const auto random = load_checkpoint(part_file(path, kRandomPart)).tensors;
    const auto* tensor = random.find(kRandomKey);
    if (!tensor) subject.fail(cat("random_state: expected the tensor ", kRandomKey, ", got none"));
    checkpoint.random_state = *tensor;
  }
  return checkpoint;
}

LatestCheckpoint latest_checkpoint(const std::string& folder) {
  LatestCheckpoint latest;
  for (const auto& [step, name] : training::checkpoints_in({kLatest, folder})) {
    const auto path = (fs::path(folder) / name).string();
    try {
      training::read_manifest(kLatest, path);
      latest.path = path;
      latest.step = step;
      break;
    } catch (const FileError& error) {
      latest.unusable.push_back(cat(name, ": ", without_place(error.what())));
    }
  }
  return latest;
}

}  // namespace xattn
