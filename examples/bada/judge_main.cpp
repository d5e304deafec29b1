// bada-judge: of pictures that were asked for, how many show the sky, the land and the thing.

#include <fmt/format.h>
#include <unistd.h>
#include <xattn/version.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "detector.h"
#include "pixels.h"
#include "support/program.h"
#include "support/progress_bar.h"
#include "support/terminal.h"
#include "wanted.h"

namespace {

struct JudgeOptions {
  std::string folder;
  bool json = false, mistakes = false;
};

/// How many pictures of a kind there are, and of how many each part is right.
struct Score {
  std::string kind;
  int64_t pictures = 0, sky = 0, ground = 0, thing = 0, all = 0;

  void add(const bada::Scene& wanted, const bada::Scene& seen) {
    ++pictures;
    sky += wanted.sky == seen.sky;
    ground += wanted.ground == seen.ground;
    thing += wanted.thing == seen.thing;
    all += wanted == seen;
  }
};

using Mistakes = std::vector<std::string>;

/// The parts of a picture that are not as asked for.
void add_mistakes(const bada::WantedPicture& picture, const bada::Scene& seen, Mistakes& mistakes) {
  const auto compare = [&](const char* part, std::string_view wanted, std::string_view got) {
    if (wanted == got) return;
    mistakes.push_back(
        fmt::format("{}: {}: expected {}, got {}", picture.file_name, part, wanted, got));
  };
  compare("sky", name(picture.scene.sky), name(seen.sky));
  compare("ground", name(picture.scene.ground), name(seen.ground));
  compare("thing", name(picture.scene.thing), name(seen.thing));
}

void print_table(const std::vector<Score>& scores) {
  fmt::print("{:<10}{:>10}{:>9}{:>9}{:>9}{:>9}\n", "", "pictures", "sky", "ground", "thing", "all");
  for (const auto& score : scores) {
    if (score.pictures == 0) continue;
    const auto share = [&](int64_t right) {
      return fmt::format("{:.1f}%",
                         100.0 * static_cast<double>(right) / static_cast<double>(score.pictures));
    };
    fmt::print("{:<10}{:>10}{:>9}{:>9}{:>9}{:>9}\n", score.kind, score.pictures, share(score.sky),
               share(score.ground), share(score.thing), share(score.all));
  }
}

void print_json(const std::vector<Score>& scores, const Mistakes& mistakes, bool with_mistakes) {
  nlohmann::ordered_json document;
  for (const auto& score : scores) {
    if (score.pictures == 0) continue;
    const auto share = [&](int64_t right) {
      return static_cast<double>(right) / static_cast<double>(score.pictures);
    };
    document[score.kind] = {{"pictures", score.pictures},
                            {"sky", share(score.sky)},
                            {"ground", share(score.ground)},
                            {"thing", share(score.thing)},
                            {"all", share(score.all)}};
  }
  if (with_mistakes) document["mistakes"] = mistakes;
  fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

int judge(const JudgeOptions& options) {
  const auto wanted = bada::read_wanted(options.folder);
  // What is wrong with the pictures is said before the detector learns, for that takes seconds.
  std::vector<bada::Picture> pictures;
  for (const auto& picture : wanted) {
    const auto path = std::filesystem::path(options.folder) / picture.file_name;
    pictures.push_back(bada::load_picture(path.string()));
  }
  const bada::Detector detector;
  std::vector<Score> scores = {{"total"}, {"en"}, {"ko"}, {"held out"}};
  Mistakes mistakes;
  xattn::apps::ProgressBar bar(xattn::apps::terminal_of(STDERR_FILENO).has_cursor);
  bar.begin("pictures");
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto& picture = wanted[i];
    const auto seen = detector.detect(pictures[i]);
    for (auto& score : scores) {
      if (score.kind == "total" || score.kind == picture.language ||
          (score.kind == "held out" && picture.held_out))
        score.add(picture.scene, seen);
    }
    add_mistakes(picture, seen, mistakes);
    bar.update(static_cast<int64_t>(i + 1), static_cast<int64_t>(wanted.size()));
  }
  bar.clear();
  if (options.json) {
    print_json(scores, mistakes, options.mistakes);
  } else {
    print_table(scores);
    if (options.mistakes) {
      for (const auto& mistake : mistakes) fmt::print("{}\n", mistake);
    }
  }
  return xattn::apps::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  JudgeOptions options;
  CLI::App app(
      "Judges pictures of landscapes: the shares with the sky, the land and the thing that were "
      "asked for.",
      "bada-judge");
  app.set_version_flag("--version", XATTN_VERSION);
  app.add_option("PICTURES_DIR", options.folder, "folder with pictures and metadata.jsonl")
      ->required();
  app.add_flag("--json", options.json, "print the shares as JSON, from 0 to 1");
  app.add_flag("--mistakes", options.mistakes, "print also what is wrong in which picture");
  return xattn::apps::run_program(app, argc, argv, [&] { return judge(options); });
}
