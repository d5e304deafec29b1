// tokenizer.json        {"model": {"vocab": {token: id}, "merges": ["a b" or ["a", "b"]]},
// "added_tokens": […]} vocab.json            {token: id} merges.txt            "#version: …", then
// a merge a line: "a b" tokenizer_config.json {"bos_token": token, …, "added_tokens_decoder": {id:
// added token}, "model_max_length": n} special_tokens_map.json, added_tokens.json: older folders'
// parts of tokenizer_config.json
#include "text/clip_tokenizer_files.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "core/text.h"
#include "core/utf8.h"
#include "io/mistaken.h"
#include "text/json_file.h"
#include "text/special_tokens.h"

namespace xattn::text {
namespace {

using nlohmann::json;

Vocabulary read_vocabulary(const JsonFile& file, const json& object) {
  if (!object.is_object()) file.refuse("vocabulary", "a JSON object", object);
  Vocabulary vocabulary;
  std::vector<std::pair<std::int32_t, std::string_view>> ids;
  ids.reserve(object.size());
  for (auto item = object.begin(); item != object.end(); ++item) {
    const auto id = file.id("id of " + quote(item.key()), *item);
    const auto entry = vocabulary.emplace_hint(vocabulary.end(), item.key(), id);
    ids.emplace_back(id, entry->first);
  }
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(
      ids.begin(), ids.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice != ids.end()) {
    file.subject().fail(cat("vocabulary: expected an id for one token, got ", twice->first, " for ",
                            quote(twice->second), " and ", quote((twice + 1)->second)));
  }
  if (vocabulary.empty()) file.subject().fail("vocabulary: expected tokens, got none");
  return vocabulary;
}

/// Splits "a b"; `what` is the merge for messages.
std::pair<std::string, std::string> split_merge(const io::Subject& subject, const std::string& what,
                                                std::string_view text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
    subject.fail(cat(what, ": expected two tokens with a space between, got ", quote(text)));
  }
  return {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

/// Ten times what CLIP has; each takes 64 bytes and more.
constexpr std::size_t kMostMerges = std::size_t{1} << 19;

Merges read_merges(const io::Subject& subject) {
  const auto bytes = io::read_text(io::File(subject.place, subject.path));
  Merges merges;
  std::string_view rest = bytes;
  for (int line = 1; !rest.empty(); ++line) {
    const auto end = std::min(rest.find('\n'), rest.size());
    auto text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (!is_utf8(text)) subject.fail(cat("line ", line, ": expected UTF-8, got ", quote(text)));
    if (text.starts_with("#version")) continue;
    if (merges.size() == kMostMerges) {
      subject.fail(cat("expected at most ", kMostMerges, " merges, got more"));
    }
    merges.push_back(split_merge(subject, cat("line ", line), text));
  }
  return merges;
}

Merges read_merges(const JsonFile& file, const json& list) {
  if (!list.is_array()) file.refuse("merges", "a list", list);
  Merges merges;
  merges.reserve(list.size());
  for (const auto& merge : list) {
    if (merge.is_string()) {
      merges.push_back(
          split_merge(file.subject(), cat("merge ", merges.size()), merge.get<std::string>()));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      file.refuse(cat("merge ", merges.size()), "two tokens", merge);
    }
  }
  return merges;
}

/// Python makes its own normaliser and the rest, whatever the file says of them; the model must be
/// the one.
void read_model(const JsonFile& file, CLIPTokenizerFiles& files) {
  const auto* model = file.find("model");
  if (!model || !model->is_object()) file.refuse("model", "a JSON object", model ? *model : json());
  if (const auto type = file.text(*model, "type", "BPE"); type != "BPE")
    file.refuse("model.type", "BPE", type);
  const auto suffix =
      file.text(*model, "end_of_word_suffix", std::string(BytePairEncoding::kEndOfWord));
  if (suffix != BytePairEncoding::kEndOfWord)
    file.refuse("model.end_of_word_suffix", "</w>", suffix);
  const auto* vocabulary = file.find(*model, "vocab");
  const auto* merges = file.find(*model, "merges");
  files.vocabulary = read_vocabulary(file, vocabulary ? *vocabulary : json());
  files.merges = read_merges(file, merges ? *merges : json());
  files.merges_file = file.subject();
}

/// The length that a text encoder of CLIP takes, where the folder does not know it.
constexpr std::int64_t kContextLength = 77;

std::int64_t read_max_length(const JsonFile& config) {
  const auto* value = config.find("model_max_length");
  if (!value) value = config.find("max_len");
  if (!value) return kContextLength;
  constexpr double kVeryLarge = 1e9;  // transformers writes 1e30 for "not known"
  if (value->is_number() && value->get<double>() >= kVeryLarge) return kContextLength;
  constexpr std::uint64_t kMost = 1'000'000;  // rows are padded to it
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() < 2 ||
      value->get<std::uint64_t>() > kMost) {
    config.refuse("model_max_length", cat("a whole number from 2 to ", kMost), *value);
  }
  return value->get<std::int64_t>();
}

bool is_left(const JsonFile& config, const char* name) {
  const auto side = config.text(config.object(), name, "right");
  if (side != "left" && side != "right") config.refuse(name, "left or right", side);
  return side == "left";
}

}  // namespace

CLIPTokenizerFiles read_clip_tokenizer(const std::string& place, const std::string& folder) {
  const auto subject = [&](const char* name) {
    return io::Subject{place, (std::filesystem::path(folder) / name).string()};
  };
  const auto is_there = [&](const char* name) { return io::exists(subject(name)); };
  const io::Subject whole{place, folder};
  std::error_code ignored;
  if (!io::exists(whole) || !std::filesystem::is_directory(folder, ignored)) {
    whole.fail(cat("expected a folder, got none", io::mistaken_path(folder)));
  }
  if (!is_there("tokenizer.json") && !(is_there("vocab.json") && is_there("merges.txt"))) {
    whole.fail(cat("expected tokenizer.json, or vocab.json and merges.txt, got ",
                   is_there("vocab.json")   ? "no merges.txt"
                   : is_there("merges.txt") ? "no vocab.json"
                                            : "none of them"));
  }
  const auto config = JsonFile::optional(subject("tokenizer_config.json"));
  const auto type = config.text(config.object(), "tokenizer_class", "CLIPTokenizer");
  if (type != "CLIPTokenizer" && type != "CLIPTokenizerFast") {
    config.refuse("tokenizer_class", "CLIPTokenizer", type);
  }
  if (config.flag(config.object(), "split_special_tokens", false)) {
    config.refuse("split_special_tokens", "false", true);
  }

  CLIPTokenizerFiles files;
  const auto tokenizer = JsonFile::optional(subject("tokenizer.json"));
  if (is_there("tokenizer.json")) {
    read_model(tokenizer, files);
  } else {
    const JsonFile vocabulary(subject("vocab.json"));
    files.vocabulary = read_vocabulary(vocabulary, vocabulary.object());
    files.merges_file = subject("merges.txt");
    files.merges = read_merges(files.merges_file);
  }
  read_special_tokens({config, JsonFile::optional(subject("special_tokens_map.json")),
                       JsonFile::optional(subject("added_tokens.json")), tokenizer},
                      files);
  files.model_max_length = read_max_length(config);
  files.pads_left = is_left(config, "padding_side");
  files.truncates_left = is_left(config, "truncation_side");
  return files;
}

}  // namespace xattn::text
