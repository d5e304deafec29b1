#include "text/special_tokens.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "core/text.h"

namespace xattn::text {
namespace {

using nlohmann::json;

constexpr const char* kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};

bool is_standard(const std::string& key) {
  return std::find(std::begin(kNames), std::end(kNames), key) != std::end(kNames);
}

/// A token, given as text or as tokenizers' object.
AddedToken read_token(const JsonFile& file, const std::string& what, const json& value,
                      bool special) {
  if (value.is_string()) return {.content = value.get<std::string>(), .special = true};
  const auto* content = value.is_object() ? JsonFile::find(value, "content") : nullptr;
  if (!content || !content->is_string())
    file.refuse(what, "a text, or an object with one as content", value);
  if (file.flag(value, "single_word", false)) file.refuse(what + ".single_word", "false", true);
  special |= file.flag(value, "special", false);
  return {.content = content->get<std::string>(),
          .lstrip = file.flag(value, "lstrip", false),
          .rstrip = file.flag(value, "rstrip", false),
          .normalized = file.flag(value, "normalized", !special),
          .special = special};
}

/// The tokens that files give ids to.
class NumberedTokens {
 public:
  struct Entry {
    AddedToken token;
    const JsonFile* file;
  };

  void add(const JsonFile& file, std::int32_t id, AddedToken token) {
    token.id = id;
    by_id_[id] = {std::move(token), &file};
  }

  /// tokenizer_config.json's own.
  void read_decoder(const JsonFile& file, const json& decoder) {
    if (!decoder.is_object()) file.refuse("added_tokens_decoder", "a JSON object", decoder);
    for (const auto& [key, value] : decoder.items()) {
      const auto what = "added_tokens_decoder." + quote(key);
      std::uint32_t id = 0;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
      if (error != std::errc() || end != key.data() + key.size()) file.refuse(what, "an id", key);
      if (!value.is_object()) file.refuse(what, "a JSON object", value);
      add(file, file.id(what, id), read_token(file, what, value, false));
    }
  }

  /// Older folders' added_tokens.json: {token: id}.
  void read_added(const JsonFile& file, const std::set<std::string>& special) {
    for (const auto& [content, value] : file.object().items()) {
      const bool is_special = special.contains(content);
      add(file, file.id(quote(content), value),
          {.content = content, .normalized = !is_special, .special = is_special});
    }
  }

  void read_tokenizer(const JsonFile& file) {
    const auto* list = file.find("added_tokens");
    if (!list) return;
    if (!list->is_array()) file.refuse("added_tokens", "a list", *list);
    for (std::size_t i = 0; i < list->size(); ++i) {
      const auto what = cat("added_tokens[", i, "]");
      const auto& value = (*list)[i];
      if (!value.is_object() || !value.contains("id"))
        file.refuse(what, "an object with an id", value);
      add(file, file.id(what + ".id", value["id"]), read_token(file, what, value, false));
    }
  }

  const std::map<std::int32_t, Entry>& entries() const { return by_id_; }
  bool has(const std::string& content) const {
    return std::any_of(by_id_.begin(), by_id_.end(),
                       [&](const auto& entry) { return entry.second.token.content == content; });
  }

 private:
  std::map<std::int32_t, Entry> by_id_;
};

/// tokenizers' `add_tokens`: a token of the vocabulary keeps its id, another gets the next, and the
/// last to come decides on the flags.
class TokenAdder {
 public:
  explicit TokenAdder(const Vocabulary& vocabulary)
      : vocabulary_(vocabulary), next_(static_cast<std::int32_t>(vocabulary.size())) {}

  std::int32_t add(AddedToken token) {
    const auto known = added_.find(token.content);
    const auto in_vocabulary = vocabulary_.find(token.content);
    if (known != added_.end()) {
      token.id = known->second.id;
    } else if (in_vocabulary != vocabulary_.end()) {
      token.id = in_vocabulary->second;
    } else {
      token.id = next_;
    }
    next_ = std::max(next_, token.id + 1);
    return (added_[token.content] = token).id;
  }

  std::vector<AddedToken> tokens() const {
    std::vector<AddedToken> tokens;
    for (const auto& [content, token] : added_) tokens.push_back(token);
    std::sort(tokens.begin(), tokens.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    return tokens;
  }

 private:
  const Vocabulary& vocabulary_;
  std::int32_t next_;
  std::map<std::string, AddedToken> added_;
};

/// The named tokens, those of the map instead of the config's, and the extra ones.
struct SpecialTokens {
  std::map<std::string, AddedToken> named;
  std::vector<AddedToken> extra;

  /// Extra tokens are special where they are texts, or say so, or `all_special`.
  void read(const JsonFile& file, bool all_special) {
    for (const auto& [key, value] : file.object().items()) {
      if (is_standard(key)) {
        named[key] = read_token(file, key, value, true);
      } else if (key.ends_with("_token") && value.is_string()) {
        extra.push_back(read_token(file, key, value, true));
      }
    }
    const auto* list = file.find("extra_special_tokens");
    if (!list || list->empty()) list = file.find("additional_special_tokens");
    if (!list) return;
    if (!list->is_array() && !list->is_object())
      file.refuse("extra_special_tokens", "a list", *list);
    for (const auto& value : *list) {
      extra.push_back(read_token(file, "extra_special_tokens", value, all_special));
    }
  }
};

}  // namespace

void read_special_tokens(const SpecialTokenFiles& sources, CLIPTokenizerFiles& files) {
  SpecialTokens special;
  special.named["bos_token"] = {.content = "<|startoftext|>", .special = true};
  for (const auto* name : {"eos_token", "unk_token", "pad_token"}) {
    special.named[name] = {.content = "<|endoftext|>", .special = true};
  }
  special.read(sources.config, false);
  NumberedTokens numbered;
  if (const auto* decoder = sources.config.find("added_tokens_decoder")) {
    numbered.read_decoder(sources.config, *decoder);
  } else {
    special.read(sources.special_tokens_map, true);
    std::set<std::string> contents;
    for (const auto& [name, token] : special.named) contents.insert(token.content);
    for (const auto& token : special.extra) contents.insert(token.content);
    numbered.read_added(sources.added_tokens, contents);
    numbered.read_tokenizer(sources.tokenizer);
  }
  files.bos_token = special.named["bos_token"].content;
  files.eos_token = special.named["eos_token"].content;
  files.unk_token = special.named["unk_token"].content;
  files.pad_token = special.named["pad_token"].content;

  TokenAdder adder(files.vocabulary);
  for (const auto& [id, entry] : numbered.entries()) {
    if (entry.token.content.empty()) continue;
    auto token = entry.token;
    for (const auto& [name, named] : special.named) token.special |= named.content == token.content;
    if (const auto found = adder.add(token); found != id) {
      entry.file->subject().fail(cat("id of ", quote(token.content), ": expected ", found,
                                     ", as in the vocabulary or next to it, got ", id));
    }
  }
  const auto add_new = [&](const AddedToken& token) {
    if (!token.content.empty() && !numbered.has(token.content)) adder.add(token);
  };
  for (const auto* name : kNames) {
    if (const auto found = special.named.find(name); found != special.named.end())
      add_new(found->second);
  }
  for (const auto& token : special.extra) add_new(token);
  files.added_tokens = adder.tokens();
}

}  // namespace xattn::text
