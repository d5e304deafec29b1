// The command-line tool; one file a subcommand.

#include <xattn/version.h>

#include <CLI/CLI.hpp>
#include <map>

#include "commands.h"
#include "support/program.h"

int main(int argc, char** argv) {
  using namespace xattn::apps;
  CLI::App program("Text-conditioned diffusion models: looks into files of weights and runs them.",
                   "xattn");
  program.set_version_flag("--version", XATTN_VERSION);
  program.require_subcommand(1);
  const std::map<std::string, Command> commands = {
      {"bench", add_bench(program)},       {"inspect", add_inspect(program)},
      {"convert", add_convert(program)},   {"run", add_run(program)},
      {"tokenize", add_tokenize(program)}, {"verify", add_verify(program)},
      {"generate", add_generate(program)}, {"train", add_train(program)},
  };
  return run_program(program, argc, argv,
                     [&] { return commands.at(program.get_subcommands().front()->get_name())(); });
}
