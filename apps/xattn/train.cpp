// xattn train: models that learn from pictures and captions.

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "train_commands.h"

namespace xattn::apps {

Command add_train(CLI::App& program) {
  auto* train = program.add_subcommand(
      "train", "Trains models on pictures and captions, and writes folders that Python reads.");
  train->require_subcommand(1);
  const auto commands = std::make_shared<std::map<std::string, Command>>();
  commands->emplace("autoencoder", add_train_autoencoder(*train));
  commands->emplace("text-to-image", add_train_text_to_image(*train));
  commands->emplace("tokenizer", add_train_tokenizer(*train));
  return [train, commands] { return commands->at(train->get_subcommands().front()->get_name())(); };
}

}  // namespace xattn::apps
