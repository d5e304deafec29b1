// xattn train tokenizer: a vocabulary of CLIP's kind from texts.

#include <fmt/format.h>

#include <filesystem>

#include "support/checks.h"
#include "support/program.h"
#include "support/text_lines.h"
#include "train_commands.h"
#include "xattn/text/train_clip_tokenizer.h"
#include "xattn/training/image_folder.h"

namespace xattn::apps {
namespace {

struct TrainTokenizerOptions {
  std::string data, file, output;
  CLIPTokenizerTrainingOptions training;
  int64_t model_max_length = 77;
  bool force = false;
};

void add_texts(CLIPTokenizerTrainer& trainer, const TrainTokenizerOptions& options) {
  if (!options.file.empty()) {
    const auto lines = read_lines("train tokenizer", options.file);
    for (size_t i = 0; i < lines.size(); ++i) {
      try {
        trainer.add(lines[i]);
      } catch (const ValueError& error) {
        throw ValueError(fmt::format("{}:{}: {}", options.file, i + 1, error.what()));
      }
    }
    return;
  }
  for (const auto& picture : read_image_folder(options.data).pictures) {
    for (const auto& caption : picture.captions) trainer.add(caption);
  }
}

int train_tokenizer(const TrainTokenizerOptions& options) {
  if (options.data.empty() == options.file.empty())
    throw UsageError("one of --data and --file is required");
  std::error_code error;
  if (std::filesystem::exists(options.output + "/vocab.json", error) && !options.force) {
    throw UsageError("--output: " + options.output +
                     " has a vocabulary; with --force it is written over");
  }
  CLIPTokenizerTrainer trainer(options.training);
  add_texts(trainer, options);
  const auto vocabulary = trainer.train();
  save_clip_tokenizer(options.output, vocabulary, options.model_max_length);
  fmt::print("{}: {} tokens from {} words, {} of them different\n", options.output,
             vocabulary.tokens.size(), trainer.words(), trainer.different_words());
  return kDone;
}

}  // namespace

Command add_train_tokenizer(CLI::App& train) {
  auto options = std::make_shared<TrainTokenizerOptions>();
  auto* command = train.add_subcommand(
      "tokenizer", "Makes a vocabulary of CLIP's kind from texts: vocab.json and merges.txt.");
  auto* data = command->add_option("--data", options->data,
                                   "folder of pictures, whose captions are the texts");
  command->add_option("--file", options->file, "or a file with a text a line; - is stdin")
      ->excludes(data);
  command->add_option("-o,--output", options->output, "folder for the tokenizer")->required();
  command
      ->add_option("--vocab-size", options->training.vocab_size,
                   "the most tokens; 49408, as CLIP's own, if not given")
      ->check(whole_number_between(514, 500'000));
  command
      ->add_option("--min-frequency", options->training.min_frequency,
                   "how often a pair must be there to be merged; 2 if not given")
      ->check(positive_integer());
  command
      ->add_option("--model-max-length", options->model_max_length,
                   "the most ids that the text encoder takes; 77 if not given")
      ->check(whole_number_between(2, 1'000'000));
  command->add_flag("--force", options->force, "write over a vocabulary that is there");
  return [options] { return train_tokenizer(*options); };
}

}  // namespace xattn::apps
