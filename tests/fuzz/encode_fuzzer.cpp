// One byte of options, then a text for one of two tokenizers.
#include "core/text.h"
#include "core/utf8.h"
#include "fuzz/support/fuzz.h"
#include "io/json.h"
#include "text/byte_level.h"
#include "xattn/core/error.h"
#include "xattn/text/clip_tokenizer.h"

namespace xattn::fuzz {
namespace {

/// With all bytes, some merges, and in the second one added tokens of every kind.
CLIPTokenizer make_tokenizer(bool with_added) {
  nlohmann::json vocabulary;
  const auto add = [&](const std::string& token) {
    if (!vocabulary.contains(token)) vocabulary[token] = vocabulary.size();
  };
  for (int byte = 0; byte < 256; ++byte) {
    const auto& character = text::character_of_byte(static_cast<unsigned char>(byte));
    add(character);
    add(character + "</w>");
  }
  std::string merges;
  for (const auto& [left, right] :
       std::vector<std::pair<std::string, std::string>>{{"a", "b"},
                                                        {"a", "b</w>"},
                                                        {"t", "h"},
                                                        {"th", "e</w>"},
                                                        {"Ã", "©"},
                                                        {"l", "l"},
                                                        {"ll", "ll"},
                                                        {"ll", "l"},
                                                        {"x", "x"},
                                                        {"xx", "x"},
                                                        {"!", "!</w>"}}) {
    for (const auto& token : {left, right, left + right}) add(token);
    merges += cat(left, ' ', right, '\n');
  }
  add("<|startoftext|>");
  add("<|endoftext|>");
  nlohmann::json config = {{"model_max_length", 77}};
  if (with_added) {
    auto& added = config["added_tokens_decoder"];
    for (const nlohmann::json& token :
         {nlohmann::json{
              {"content", "<X> é"}, {"normalized", true}, {"rstrip", true}, {"lstrip", true}},
          {{"content", "İ\xcd\x84"}, {"normalized", true}},
          {{"content", " "}, {"lstrip", true}, {"rstrip", true}},
          {{"content", "abq"}, {"special", true}, {"lstrip", true}},
          {{"content", "ab"}, {"special", true}}}) {
      const auto& content = token["content"].get_ref<const std::string&>();
      const std::size_t next = vocabulary.size() + added.size();
      added[std::to_string(vocabulary.value(content, next))] = token;
    }
    config["padding_side"] = config["truncation_side"] = "left";
  }
  write("vocab.json", vocabulary.dump());
  write("merges.txt", merges);
  write("tokenizer_config.json", config.dump());
  return CLIPTokenizer::from_pretrained(folder());
}

void run(std::uint8_t bits, std::string_view text) {
  static const auto plain = make_tokenizer(false), added = make_tokenizer(true);
  const auto& tokenizer = (bits & 1) != 0 ? added : plain;
  TokenizeOptions options;
  options.add_special_tokens = (bits & 2) != 0;
  options.padding = (bits & 4) != 0;
  options.truncation = (bits & 8) != 0;
  options.max_length = 2 + (bits >> 4);
  const bool good = is_utf8(text);
  try {
    const auto row = tokenizer.encode(text, options);
    const auto length = static_cast<std::size_t>(*options.max_length);
    expect(good, "what is not UTF-8 is refused");
    expect(row.ids.size() == row.attention_mask.size(), "a mask for each id");
    expect(!options.truncation || row.ids.size() <= length, "a row is cut");
    expect(!options.padding || row.ids.size() >= length, "a row is filled");
    expect(is_utf8(tokenizer.decode(row.ids)) && is_utf8(row.cut), "a decoded text is UTF-8");
    options.truncation = options.padding = options.add_special_tokens = false;
    expect(tokenizer.encode(text, options).ids.size() == tokenizer.tokenize(text).size(),
           "a token for each id");
  } catch (const ValueError& error) {
    expect(!good, "UTF-8 is taken");
    check_message(error.what(), "CLIPTokenizer");
  }
}

}  // namespace
}  // namespace xattn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  xattn::fuzz::run(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
