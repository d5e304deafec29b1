#include "text/special_tokens.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>

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
  std::set<std::string_view> contents() const {
    std::set<std::string_view> contents;
    for (const auto& [id, entry] : by_id_) contents.insert(entry.token.content);
    return contents;
  }

 private:
  std::map<std::int32_t, Entry> by_id_;
};

/// tokenizers' `add_tokens`: a token of the vocabulary keeps its id, another gets the next, and the
/// last to come decides on the flags.
class TokenAdder {
 public:
  explicit TokenAdder(const Vocabulary& vocabulary)
      : vocabulary_(vocabulary), next_(static_cast<std::int64_t>(vocabulary.size())) {}

  /// `file` says the token.
  std::int32_t add(AddedToken token, const JsonFile& file) {
    const auto known = added_.find(token.content);
    const auto in_vocabulary = vocabulary_.find(token.content);
    std::int64_t id = next_;
    if (known != added_.end()) {
      id = known->second.id;
    } else if (in_vocabulary != vocabulary_.end()) {
      id = in_vocabulary->second;
    } else if (id >= std::numeric_limits<std::int32_t>::max()) {
      file.subject().fail(cat("token ", quote(token.content),
                              ": expected a free id for it, got none behind the vocabulary's"));
    }
    next_ = std::max(next_, id + 1);
    token.id = static_cast<std::int32_t>(id);
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
  std::int64_t next_;
  std::map<std::string, AddedToken> added_;
};

/// The tokens that have a role, those of the map instead of the config's.
struct SpecialTokens {
  std::map<std::string, AddedToken> named;
  /// The model's own, `…_token`.
  std::vector<AddedToken> own;
  /// `extra_special_tokens`; nothing where no file has the field.
  std::optional<std::vector<AddedToken>> extra;

  void read_config(const JsonFile& file) {
    read_named(file);
    const auto* list = file.find("extra_special_tokens");
    if (!list || list->empty()) {
      if (const auto* older = file.find("additional_special_tokens")) list = older;
    }
    if (list) read_extra(file, *list, false);
  }

  /// The older name of the extra ones counts only where nothing else names any; `read_older` takes
  /// it, once the numbered tokens are known.
  void read_map(const JsonFile& file) {
    read_named(file);
    if (const auto* list = file.find("extra_special_tokens")) read_extra(file, *list, true);
  }
  void read_older(const JsonFile& file) {
    const auto* list = file.find("additional_special_tokens");
    if (list && !extra) read_extra(file, *list, true);
  }

 private:
  void read_named(const JsonFile& file) {
    for (const auto& [key, value] : file.object().items()) {
      if (is_standard(key)) {
        named[key] = read_token(file, key, value, true);
        const bool is_used = key == "bos_token" || key == "eos_token" || key == "pad_token";
        if (is_used && named[key].content.empty()) file.refuse(key, "a token", value);
      } else if (key.ends_with("_token") && value.is_string()) {
        own.push_back(read_token(file, key, value, true));
      }
    }
  }

  /// Tokens are special where they are texts, or say so, or `all_special`.
  void read_extra(const JsonFile& file, const json& list, bool all_special) {
    if (!list.is_array() && !list.is_object()) file.refuse("extra_special_tokens", "a list", list);
    auto& tokens = list.is_object() ? own : extra ? *extra : extra.emplace();
    for (const auto& value : list) {
      tokens.push_back(read_token(file, "extra_special_tokens", value, all_special));
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
  special.read_config(sources.config);
  NumberedTokens numbered;
  if (const auto* decoder = sources.config.find("added_tokens_decoder")) {
    numbered.read_decoder(sources.config, *decoder);
  } else {
    special.read_map(sources.special_tokens_map);
    std::set<std::string> contents;
    for (const auto& [name, token] : special.named) contents.insert(token.content);
    if (special.extra) {
      for (const auto& token : *special.extra) contents.insert(token.content);
    }
    numbered.read_added(sources.added_tokens, contents);
    numbered.read_tokenizer(sources.tokenizer);
    special.read_older(sources.special_tokens_map);
  }
  files.bos_token = special.named["bos_token"].content;
  files.eos_token = special.named["eos_token"].content;
  files.unk_token = special.named["unk_token"].content;
  files.pad_token = special.named["pad_token"].content;

  std::set<std::string_view> with_a_role;
  for (const auto& [name, token] : special.named) with_a_role.insert(token.content);
  for (const auto& token : special.own) with_a_role.insert(token.content);
  TokenAdder adder(files.vocabulary);
  for (const auto& [id, entry] : numbered.entries()) {
    if (entry.token.content.empty()) continue;
    auto token = entry.token;
    token.special |= with_a_role.contains(token.content);
    if (const auto found = adder.add(token, *entry.file); found != id) {
      entry.file->subject().fail(cat("id of ", quote(token.content), ": expected ", found,
                                     ", as in the vocabulary or next to it, got ", id));
    }
  }
  const auto are_numbered = numbered.contents();
  const auto add_new = [&](const AddedToken& token) {
    if (!token.content.empty() && !are_numbered.contains(token.content)) {
      adder.add(token, sources.config);
    }
  };
  for (const auto* name : kNames) {
    if (const auto found = special.named.find(name); found != special.named.end())
      add_new(found->second);
  }
  for (const auto& token : special.own) add_new(token);
  if (special.extra) {
    for (const auto& token : *special.extra) add_new(token);
  }
  files.added_tokens = adder.tokens();
}

}  // namespace xattn::text
