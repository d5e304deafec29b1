#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace xattn::apps {

/// A subcommand: registers its options with the program and returns what runs it.
using Command = std::function<int()>;

Command add_bench(CLI::App& program);
Command add_generate(CLI::App& program);
Command add_inspect(CLI::App& program);
Command add_convert(CLI::App& program);
Command add_run(CLI::App& program);
Command add_tokenize(CLI::App& program);
Command add_train(CLI::App& program);
Command add_verify(CLI::App& program);

}  // namespace xattn::apps
