#pragma once

#include "commands.h"

namespace xattn::apps {

/// The commands of `xattn train`, as `Command` says.
Command add_train_autoencoder(CLI::App& train);
Command add_train_text_to_image(CLI::App& train);
Command add_train_tokenizer(CLI::App& train);

}  // namespace xattn::apps
