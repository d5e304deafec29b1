// Runs CrossAttention and SimpleUNet on a CPU or a GPU and checks the shape of what comes out; then
// draws two pictures.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/utils.h>
#include <xattn/xattn.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "pictures.h"
#include "support/checks.h"
#include "support/device.h"
#include "support/module_file.h"
#include "support/program.h"

namespace {

struct DemoOptions {
  std::string device = "auto";
  int64_t embed_dim = 256, batch = 4, image_size = 64, tokens = 10;
  std::string weights, pictures = ".";
};

std::string shape(at::IntArrayRef sizes) {
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

/// Prints a row of the table; returns whether the output's shape is as expected.
bool report(const char* module, const torch::Tensor& image, const torch::Tensor& text,
            const torch::Tensor& output, at::IntArrayRef expected) {
  const bool right = output.sizes() == expected;
  fmt::print("{:<16}{:<20}{:<20}{:<20}{}\n", module, shape(image.sizes()), shape(text.sizes()),
             shape(output.sizes()), right ? "as expected" : "WRONG, expected " + shape(expected));
  return right;
}

int run(DemoOptions options) {
  const auto device = xattn::apps::parse_device(options.device);
  xattn::apps::check_pictures(options.pictures);
  torch::NoGradGuard no_grad;
  torch::manual_seed(0);

  // Weights exported from Python, or else the values that Python's constructors draw after
  // manual_seed(0).
  xattn::CrossAttention attention(nullptr);
  xattn::SimpleUNet unet(nullptr);
  std::string weights = "drawn with seed 0";
  if (!options.weights.empty()) {
    const auto checkpoint = xattn::apps::load_module_file(options.weights);
    if (xattn::holds_simple_unet(checkpoint)) {
      unet = xattn::SimpleUNet(xattn::simple_unet_options(checkpoint));
      xattn::load_state_dict(*unet, checkpoint.tensors);
      options.embed_dim = unet->options.embed_dim();
    } else {
      attention = xattn::CrossAttention(xattn::cross_attention_options(checkpoint));
      xattn::load_state_dict(*attention, checkpoint.tensors);
      options.embed_dim = attention->options.embed_dim();
    }
    weights =
        fmt::format("{} of {}", unet.is_empty() ? "CrossAttention" : "SimpleUNet", options.weights);
  }
  if (attention.is_empty()) attention = xattn::CrossAttention(options.embed_dim);
  if (unet.is_empty()) unet = xattn::SimpleUNet(options.embed_dim);
  attention->to(device);
  unet->to(device);

  const auto b = options.batch, e = options.embed_dim, t = options.tokens, s = options.image_size;
  const auto latent = s / 2;
  fmt::print("xattn {} on {}{}, weights: {}\n\n", XATTN_VERSION, device.str(),
             options.device == "auto" ? " (chosen by auto)" : "", weights);
  fmt::print("{:<16}{:<20}{:<20}{:<20}\n", "module", "image", "text", "output");

  const auto text = torch::randn({b, t, e}).to(device);
  const auto image_features = torch::randn({b, latent * latent, e}).to(device);
  const auto images = torch::randn({b, 3, s, s}).to(device);

  bool right = report("CrossAttention", image_features, text, attention(image_features, text),
                      image_features.sizes());
  const auto output = unet(images, text);
  right &= report("SimpleUNet", images, text, output, {b, 3, 2 * latent, 2 * latent});

  // A text may be prepared once and used for many images.
  const auto other_text = unet->prepare(torch::randn({b, t, e}).to(device));
  const auto change =
      (unet->forward_prepared(images, other_text) - output).abs().max().item<double>();
  fmt::print("\nAnother text changes the same images' output by up to {:.3g}: {}\n", change,
             change > 0 ? "yes" : "NO, the text has no influence");
  if (!(right && change > 0)) return xattn::apps::kCheckFailed;
  std::fflush(stdout);  // the pictures take seconds
  xattn::apps::draw_pictures(options.pictures, device);
  return xattn::apps::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  DemoOptions options;
  CLI::App app(
      "Runs CrossAttention and SimpleUNet, checks the shapes of their outputs, and draws two "
      "pictures with the embedded model.",
      "xattn-demo");
  app.set_version_flag("--version", XATTN_VERSION);
  app.option_defaults()->always_capture_default();
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N");
  auto* embed_dim =
      app.add_option("--embed-dim", options.embed_dim, "width, a multiple of 8")
          ->check(xattn::apps::positive_integer())
          ->check([](const std::string& text) {
            return std::stoll(text) % 8 == 0 ? "" : "must be a multiple of the 8 heads";
          });
  app.add_option("--batch", options.batch, "images at once")->check(CLI::Range(1, 65536));
  app.add_option("--image-size", options.image_size, "height and width")
      ->check(CLI::Range(2, 65536));
  app.add_option("--tokens", options.tokens, "text tokens")->check(CLI::Range(1, 65536));
  app.add_option("--weights", options.weights, "a module exported from Python, with its own width")
      ->excludes(embed_dim);
  app.add_option("--pictures", options.pictures,
                 "folder for the pictures bada-ko.png and bada-en.png; those of an earlier run are "
                 "written over, other files of these names are not")
      ->take_last();
  return xattn::apps::run_program(app, argc, argv, [&] { return run(options); });
}
