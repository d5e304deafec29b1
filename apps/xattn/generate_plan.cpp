#include "generate_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <random>

#include "core/utf8.h"
#include "pipeline_folder.h"
#include "support/checks.h"
#include "support/program.h"
#include "support/text_lines.h"
#include "xattn/core/error.h"

namespace xattn::apps {
namespace {

namespace fs = std::filesystem;

constexpr auto kGeneratePlace = "generate";

[[noreturn]] void fail_with_file(const std::string& path, const std::string& what) {
  throw FileError(fmt::format("[{}] {}: {}", kGeneratePlace, path, what));
}

void check_prompt(const PlannedPrompt& prompt) {
  constexpr size_t kLongest = size_t{1} << 20;  // it goes into the picture's file
  const auto refuse = [&](const std::string& what) {
    throw ValueError(fmt::format("{}[{}] prompt: expected {}", prompt.place, kGeneratePlace, what));
  };
  if (prompt.text.size() > kLongest)
    refuse(fmt::format("at most {} bytes, got {}", kLongest, prompt.text.size()));
  if (prompt.text.find('\0') != std::string::npos) refuse("a text, got a zero byte");
  if (const auto at = find_invalid_utf8(prompt.text); at != std::string::npos)
    refuse(fmt::format("UTF-8, got an invalid byte at offset {}", at));
}

std::vector<PlannedPrompt> prompts_of(const GenerateOptions& options) {
  for (const auto* text :
       {&options.negative_prompt, &options.prompt_2, &options.negative_prompt_2}) {
    if (*text) check_prompt({**text, ""});
  }
  std::vector<PlannedPrompt> prompts;
  if (options.prompt) {
    prompts.push_back({*options.prompt, ""});
  } else {
    const auto lines = read_lines(kGeneratePlace, options.prompt_file);
    for (size_t i = 0; i < lines.size(); ++i) {
      auto line = lines[i];
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty())
        prompts.push_back({line, fmt::format("{}:{}: ", options.prompt_file, i + 1)});
    }
    if (prompts.empty()) fail_with_file(options.prompt_file, "holds no prompt");
  }
  for (const auto& prompt : prompts) check_prompt(prompt);
  return prompts;
}

uint64_t first_seed(const GenerateOptions& options) {
  if (!options.seed) return std::random_device{}();
  if (*options.seed > std::numeric_limits<int64_t>::max() - options.num_images)
    throw UsageError(fmt::format("--seed: expected room for {} seeds after it, got {}",
                                 options.num_images, *options.seed));
  return static_cast<uint64_t>(*options.seed);
}

/// "out.png" without what it ends with.
std::string stem_of(const std::string& output) {
  return output.substr(0, output.size() - fs::path(output).extension().string().size());
}

std::string path_of(const std::string& output, size_t index, size_t count) {
  if (count == 1) return output;
  const auto extension = fs::path(output).extension().string();
  const auto digits = std::max<size_t>(4, std::to_string(count).size());
  return fmt::format("{}-{:0{}}{}", stem_of(output), index + 1, digits, extension);
}

void expect_ending(const std::string& option, const std::string& path, const std::string& ending) {
  auto got = fs::path(path).extension().string();
  std::transform(got.begin(), got.end(), got.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (got != ending)
    throw UsageError(
        fmt::format("{}: expected a name that ends in {}, got '{}'", option, ending, path));
}

/// What must not be written over, whether asked for or not.
std::vector<std::string> inputs_of(const GenerateOptions& options) {
  std::vector<std::string> inputs = {options.model};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options.model, error))
    inputs.push_back(entry.path().string());
  for (const auto* input : {&options.init_image, &options.mask_image, &options.prompt_file}) {
    if (!input->empty() && *input != "-") inputs.push_back(*input);
  }
  return inputs;
}

void check_writable(const GenerateOptions& options, const GeneratePlan& plan) {
  const auto inputs = inputs_of(options);
  const auto check = [&](const std::string& option, const std::string& path) {
    check_output(option, path, inputs);
    std::error_code error;
    if (fs::exists(path, error) && !options.force)
      throw UsageError(fmt::format("{}: {} exists; with --force it is written over", option, path));
  };
  for (const auto& picture : plan.pictures) check("--output", picture.path);
  try_out(kGeneratePlace, plan.pictures.front().path);
  if (options.preview_every) {
    check("--preview-every", plan.preview_path);
    try_out(kGeneratePlace, plan.preview_path);
  }
  if (options.save_latents.empty()) return;
  check("--save-latents", options.save_latents);
  try_out(kGeneratePlace, options.save_latents);
}

}  // namespace

GeneratePlan make_generate_plan(const GenerateOptions& options) {
  expect_ending("--output", options.output, ".png");
  if (!options.save_latents.empty())
    expect_ending("--save-latents", options.save_latents, ".safetensors");
  GeneratePlan plan;
  const auto seed = first_seed(options);
  check_pipeline_folder(kGeneratePlace, options.model);
  plan.prompts = prompts_of(options);
  const auto count = plan.prompts.size() * static_cast<size_t>(options.num_images);
  for (size_t i = 0; i < count; ++i) {
    const auto of_prompt = i % static_cast<size_t>(options.num_images);
    plan.pictures.push_back({i / static_cast<size_t>(options.num_images), seed + of_prompt,
                             path_of(options.output, i, count)});
  }
  plan.preview_path = stem_of(options.output) + ".preview.png";
  check_writable(options, plan);
  return plan;
}

}  // namespace xattn::apps
