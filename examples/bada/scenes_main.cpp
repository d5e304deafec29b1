// bada-scenes: rendered landscapes with captions, to train a model on.

#include <fmt/format.h>
#include <xattn/core/error.h>
#include <xattn/version.h>

#include <CLI/CLI.hpp>
#include <string>

#include "dataset.h"
#include "support/checks.h"
#include "support/program.h"
#include "support/progress_bar.h"

namespace {

struct ScenesOptions {
  bada::DatasetOptions data;
  std::string sheet, prompts;
  bool quiet = false;
};

int run(const ScenesOptions& options) {
  using xattn::apps::UsageError;
  const int asked =
      !options.data.folder.empty() + !options.sheet.empty() + !options.prompts.empty();
  if (asked != 1) throw UsageError("one of OUT_DIR, --sheet and --prompts is required");
  if (!options.sheet.empty()) {
    bada::write_contact_sheet(options.sheet, options.data.seed);
    return xattn::apps::kDone;
  }
  if (!options.prompts.empty()) {
    bada::write_prompts(options.prompts);
    return xattn::apps::kDone;
  }
  if (options.data.count == 0) throw UsageError("--count is required with OUT_DIR");
  xattn::apps::ProgressBar bar(!options.quiet);
  bar.begin("pictures");
  try {
    bada::write_dataset(options.data, [&](int64_t done) { bar.update(done, options.data.count); });
  } catch (const xattn::ValueError& error) {
    bar.clear();
    throw UsageError(error.what());
  }
  bar.clear();
  if (!options.quiet)
    fmt::print("{}: {} pictures, {} captions each\n", options.data.folder, options.data.count,
               options.data.captions);
  return xattn::apps::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  ScenesOptions options;
  CLI::App app("Paints landscapes with captions in English and Korean, to train a model on.",
               "bada-scenes");
  app.set_version_flag("--version", XATTN_VERSION);
  app.add_option("OUT_DIR", options.data.folder, "folder for the pictures and metadata.jsonl");
  app.add_option("--count", options.data.count, "how many pictures")
      ->check(xattn::apps::whole_number_between(1, 99'999'999));
  app.add_option("--seed", options.data.seed, "draws scenes, pictures and captions; 0 if not given")
      ->check(xattn::apps::whole_number());
  app.add_option("--captions", options.data.captions, "captions of each picture; 4 if not given")
      ->check(xattn::apps::whole_number_between(1, 1000));
  app.add_flag("--force", options.data.force, "write into a folder that has files");
  app.add_option("--sheet", options.sheet, "instead, one PNG of 8 × 5 pictures");
  app.add_option("--prompts", options.prompts,
                 "instead, the 400 prompts of the evaluation, as JSON lines");
  app.add_flag("--quiet", options.quiet, "print nothing but errors");
  return xattn::apps::run_program(app, argc, argv, [&] { return run(options); });
}
