#include "pictures.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "io/file.h"
#include "support/program.h"
#include "support/terminal.h"
#include "support/terminal_picture.h"
#include "xattn/images/png.h"
#include "xattn/pipelines/diffusion_pipeline.h"
#include "xattn/pretrained/embedded_model.h"
#include "xattn/version.h"

namespace xattn::apps {
namespace {

namespace fs = std::filesystem;

struct DemoPicture {
  const char* name;
  const char* prompt;
};
/// The first prompt is that of the article which the two modules come from.
constexpr DemoPicture kDemoPictures[] = {{"bada-ko.png", "파란 하늘이 있는 바다"},
                                         {"bada-en.png", "the sea under a blue sky"}};
constexpr uint64_t kDemoSeed = 1;
/// The text of a PNG that tells the demo's pictures from other files of their names.
constexpr auto kSoftware = "Software", kDemo = "xattn-demo";

std::string demo_path(const std::string& folder, const DemoPicture& picture) {
  return (fs::path(folder) / picture.name).lexically_normal().string();
}

bool is_the_demos(const std::string& path) {
  try {
    const auto texts = load_png_text(path);
    const auto found = texts.find(kSoftware);
    return found != texts.end() && found->second.starts_with(kDemo);
  } catch (const Error&) {
    return false;
  }
}

/// Side by side, with a gap.
at::Tensor in_a_row(const std::vector<at::Tensor>& pictures) {
  std::vector<at::Tensor> parts;
  for (const auto& picture : pictures) {
    if (!parts.empty()) parts.push_back(at::zeros({picture.size(0), 4, 3}, picture.options()));
    parts.push_back(picture);
  }
  return at::cat(parts, 1);
}

}  // namespace

void check_pictures(const std::string& folder) {
  for (const auto& picture : kDemoPictures) {
    const auto path = demo_path(folder, picture);
    std::error_code error;  // what cannot be looked at cannot be written either, which is said then
    if (!fs::exists(path, error) || is_the_demos(path)) continue;
    throw UsageError(fmt::format(
        "--pictures: {} exists and is not a picture of this program; name another folder", path));
  }
}

void draw_pictures(const std::string& folder, at::Device device) {
  const auto model = embedded_model();
  PipelineOptions options;
  options.device = device;
  const auto pipeline = open_pipeline(model.folder, options);
  io::make_folder({"demo", folder});

  fmt::print("\nThe embedded model draws, with seed {}:\n", kDemoSeed);
  std::vector<at::Tensor> images;
  for (const auto& picture : kDemoPictures) {
    // As `xattn generate --prompt … --seed …` does.
    PipelineArguments arguments;
    arguments.prompt = {picture.prompt};
    arguments.num_inference_steps = model.num_inference_steps;
    arguments.guidance_scale = model.guidance_scale;
    arguments.generators = {at::make_generator<at::CPUGeneratorImpl>(kDemoSeed)};
    images.push_back((*pipeline)(arguments).images[0]);
    const auto path = demo_path(folder, picture);
    save_png(path, images.back(),
             {{kSoftware, fmt::format("{} {}", kDemo, XATTN_VERSION)},
              {"Description", fmt::format("{}, seed {}", picture.prompt, kDemoSeed)}});
    fmt::print("{}: {}\n", path, picture.prompt);
    std::fflush(stdout);
  }
  const auto terminal = terminal_of(STDOUT_FILENO);
  if (terminal.has_colours && terminal.has_true_colour && terminal.has_unicode)
    fmt::print("{}", terminal_picture(in_a_row(images), terminal));
}

}  // namespace xattn::apps
