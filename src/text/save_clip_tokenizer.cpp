#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "io/atomic_file.h"
#include "io/file.h"
#include "xattn/core/error.h"
#include "xattn/text/train_clip_tokenizer.h"

namespace xattn {
namespace {

using nlohmann::json;

constexpr auto kSaveTokenizer = "save_clip_tokenizer";

class TokenizerFolder {
 public:
  explicit TokenizerFolder(std::string folder) : folder_(std::move(folder)) {
    io::make_folder({kSaveTokenizer, folder_.string()});
    for (const auto* name : {"tokenizer.json", "added_tokens.json"}) {
      const io::Subject subject{kSaveTokenizer, path(name)};
      if (io::exists(subject)) {
        subject.fail("expected a folder without this file, which would count beside vocab.json");
      }
    }
  }

  void write(const char* name, const std::string& text) const {
    io::write_file(kSaveTokenizer, path(name), text);
  }

 private:
  std::string path(const char* name) const { return (folder_ / name).string(); }

  std::filesystem::path folder_;
};

json special_token(const char* content) {
  return {{"content", content},
          {"lstrip", false},
          {"normalized", true},
          {"rstrip", false},
          {"single_word", false}};
}

/// In the order of the ids, as Python writes it.
std::string vocabulary_json(const std::vector<std::string>& tokens) {
  std::string text = "{";
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    text += cat(id == 0 ? "" : ",", "\n  ", json(tokens[id]).dump(), ": ", id);
  }
  return text + "\n}\n";
}

}  // namespace

void save_clip_tokenizer(const std::string& folder, const CLIPVocabulary& vocabulary,
                         int64_t model_max_length) {
  constexpr int64_t kLongest = 1'000'000;  // rows are padded to it
  if (model_max_length < 2 || model_max_length > kLongest) {
    throw ValueError(cat("[", kSaveTokenizer, "] model_max_length: expected 2 to ", kLongest,
                         ", got ", model_max_length));
  }
  const TokenizerFolder files(folder);
  files.write("vocab.json", vocabulary_json(vocabulary.tokens));
  std::string merges = "#version: 0.2\n";
  for (const auto& [left, right] : vocabulary.merges) merges += left + " " + right + "\n";
  files.write("merges.txt", merges);

  const auto bos = special_token("<|startoftext|>"), eos = special_token("<|endoftext|>");
  const json map = {
      {"bos_token", bos}, {"eos_token", eos}, {"unk_token", eos}, {"pad_token", "<|endoftext|>"}};
  files.write("special_tokens_map.json", map.dump(2) + "\n");
  // An added token in this file is marked as one.
  json config = map;
  for (const auto* name : {"bos_token", "eos_token", "unk_token"}) {
    config[name]["__type"] = "AddedToken";
  }
  config["add_prefix_space"] = false;
  config["do_lower_case"] = true;
  config["errors"] = "replace";
  config["model_max_length"] = model_max_length;
  config["tokenizer_class"] = "CLIPTokenizer";
  files.write("tokenizer_config.json", config.dump(2) + "\n");
}

}  // namespace xattn
