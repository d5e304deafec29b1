// xattn tokenize DIR TEXT: the ids that a text encoder of CLIP takes.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iterator>
#include <memory>

#include "commands.h"
#include "support/program.h"
#include "support/text_lines.h"
#include "xattn/core/error.h"
#include "xattn/text/clip_tokenizer.h"

namespace xattn::apps {
namespace {

struct TokenizeCommandOptions {
  std::string folder;
  std::string text;
  std::string file;
};

/// The folder itself, or the tokenizer of the pipeline that it holds.
std::string tokenizer_folder(const std::string& folder) {
  const std::filesystem::path path(folder);
  for (const auto* file : {"tokenizer.json", "vocab.json", "merges.txt"}) {
    if (std::filesystem::exists(path / file)) return folder;
  }
  const auto inside = path / "tokenizer";
  return std::filesystem::is_directory(inside) ? inside.string() : folder;
}

/// Decoded text may hold control characters.
std::string in_one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

/// Nothing is printed before all texts are known to be good.
int tokenize(const TokenizeCommandOptions& options, bool from_file) {
  const auto tokenizer = CLIPTokenizer::from_pretrained(tokenizer_folder(options.folder));
  const auto texts = from_file ? read_lines("tokenize", options.file) : std::vector{options.text};
  std::string rows, warnings;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto place = from_file ? fmt::format("{}:{}: ", options.file, i + 1) : "";
    try {
      const auto tokens = tokenizer.encode(texts[i]);
      fmt::format_to(std::back_inserter(rows), "{}\n", fmt::join(tokens.ids, " "));
      if (!tokens.overflowing_tokens.empty()) {
        warnings += fmt::format("xattn: {}warning: text of more than {} tokens; cut: {}\n", place,
                                tokenizer.model_max_length(), in_one_line(tokens.cut));
      }
    } catch (const ValueError& error) {
      throw ValueError(place + error.what());
    }
  }
  fmt::print(stderr, "{}", warnings);
  fmt::print("{}", rows);
  return kDone;
}

}  // namespace

Command add_tokenize(CLI::App& program) {
  auto options = std::make_shared<TokenizeCommandOptions>();
  auto* command = program.add_subcommand(
      "tokenize",
      "Prints a text's ids: a line a text, filled or cut to the length of the text encoder.");
  command->add_option("DIR", options->folder, "a tokenizer's folder, or a pipeline's")->required();
  auto* text = command->add_option("TEXT", options->text, "the text; in quotes, it may be empty");
  auto* file =
      command->add_option("--file", options->file, "a file with a text a line; - is stdin");
  text->excludes(file);
  return [options, text, file] {
    if (text->count() + file->count() == 0)
      throw UsageError("tokenize: TEXT or --file is required");
    return tokenize(*options, file->count() > 0);
  };
}

}  // namespace xattn::apps
