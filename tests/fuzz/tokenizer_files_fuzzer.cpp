// The files of a tokenizer's folder, apart by 0xff.
#include "core/utf8.h"
#include "fuzz/support/fuzz.h"
#include "xattn/core/error.h"
#include "xattn/text/clip_tokenizer.h"

namespace xattn::fuzz {
namespace {

constexpr const char* kNames[] = {
    "vocab.json",        "merges.txt",    "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "tokenizer.json"};

void check(const CLIPTokenizer& tokenizer, std::string_view text) {
  TokenizeOptions options;
  options.max_length = 5;
  for (const bool special : {true, false}) {
    options.add_special_tokens = special;
    const auto row = tokenizer.encode(text, options);
    expect(row.ids.size() == 5 && row.attention_mask.size() == 5, "a row has its length");
    tokenizer.decode(row.ids, /*skip_special_tokens=*/true);
  }
  options.truncation = options.padding = false;
  const auto ids = tokenizer.encode(text, options).ids;
  expect(ids.size() == tokenizer.tokenize(text).size(), "a token for each id");
  for (const auto id : ids) expect(id >= 0 && id <= 0x7fffffff, "an id is of 31 bits");
  expect(is_utf8(tokenizer.decode(ids)), "a decoded text is UTF-8");
}

void run(const std::vector<std::string_view>& parts) {
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    write(kNames[i], i < parts.size() ? parts[i] : std::string_view());
  }
  try {
    const auto tokenizer = CLIPTokenizer::from_pretrained(folder());
    check(tokenizer, "a photo of a cat's 12 <|endoftext|> \xc3\x89t\xc3\xa9 <x> y");
    check(tokenizer, "");
    expect(tokenizer.token_to_id("<|none|>").value_or(0) >= 0, "an id is not negative");
    expect(tokenizer.model_max_length() >= 2, "a length has room");
  } catch (const FileError& error) {
    check_message(error.what(), "CLIPTokenizer");
  }
}

}  // namespace
}  // namespace xattn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  xattn::fuzz::run(xattn::fuzz::parts_of(data, size));
  return 0;
}
