// xattn generate [--model DIR] --prompt TEXT --output OUT.png: pictures from prompts.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "commands.h"
#include "embedded.h"
#include "generate_options.h"
#include "generate_plan.h"
#include "generation.h"
#include "scheduler_name.h"
#include "support/checks.h"
#include "support/dtype.h"
#include "support/plan.h"
#include "support/precision.h"
#include "support/program.h"
#include "support/terminal.h"

namespace xattn::apps {
namespace {

void check_usage(const GenerateOptions& options) {
  if (!options.prompt && options.prompt_file.empty())
    throw UsageError("generate: --prompt or --prompt-file is required");
  if (!options.show) return;
  if (options.json)
    throw UsageError("--show: expected none beside --json, which has stdout for itself");
  const auto terminal = terminal_of(STDOUT_FILENO);
  if (!terminal.is_terminal) throw UsageError("--show: expected a terminal, stdout is none");
  if (!terminal.has_true_colour || !terminal.has_unicode) {
    throw UsageError(
        "--show: expected a terminal of 24-bit colours and UTF-8, which says so by "
        "COLORTERM=truecolor and its locale");
  }
}

void add_prompt_options(CLI::App& command, GenerateOptions& options) {
  command.add_option("-m,--model", options.model,
                     "a pipeline's folder, as diffusers' save_pretrained writes it; without it the "
                     "embedded model, which draws landscapes of 128×128 pixels");
  auto* prompt = command.add_option("-p,--prompt", options.prompt, "what the picture shows");
  auto* negative =
      command.add_option("-n,--negative-prompt", options.negative_prompt, "what it does not show");
  command
      .add_option(
          "--prompt-file", options.prompt_file,
          "a file with a prompt a line, each of which makes its pictures; - is stdin, empty "
          "lines are passed over")
      ->excludes(prompt);
  command.add_option("--prompt-2", options.prompt_2,
                     "of XL: the prompt of the second text encoder, where it is another");
  command
      .add_option("--negative-prompt-2", options.negative_prompt_2,
                  "of XL: the negative prompt of the second text encoder")
      ->needs(negative);
  command
      .add_option("--prompt-syntax", options.prompt_syntax,
                  "how words are weighed: plain (not at all), a1111 as in (word:1.2), or compel as "
                  "in word++")
      ->check(CLI::IsMember({"plain", "a1111", "compel"}));
  command
      .add_option("--clip-skip", options.clip_skip,
                  "how many of the text encoder's last layers are left out, as diffusers counts")
      ->check(whole_number());
}

void add_run_options(CLI::App& command, GenerateOptions& options) {
  command
      .add_option("--steps", options.steps,
                  "steps; without it 50, of a latent consistency model 4, of the embedded model 25")
      ->check(positive_integer());
  command
      .add_option(
          "--guidance-scale,--cfg-scale", options.guidance_scale,
          "how closely the prompt is followed; without it 7.5, of XL 5, of the embedded model 4")
      ->check(any_number());
  command
      .add_option("--guidance-rescale", options.guidance_rescale,
                  "how far guidance's contrast is taken back, 0 to 1")
      ->check(number_between(0, 1));
  command.add_option("--eta", options.eta, "of DDIM and others: how much noise is added, 0 to 1")
      ->check(number_between(0, 1));
  command
      .add_option(
          "-s,--seed", options.seed,
          "of the first picture of a prompt, which has the next ones after it: each picture "
          "can be made again alone with the seed that is printed; without it, one is drawn")
      ->check(whole_number());
  command.add_option_function<std::string>(
      "--scheduler",
      [&options](const std::string& name) { options.scheduler = scheduler_class(name); },
      "in place of the folder's, with its options: euler, ddim, unipcmultistep, or a class's name");
  command.add_option("-H,--height", options.height, "in pixels; without it, the model's own")
      ->check(positive_integer());
  command.add_option("-W,--width", options.width, "in pixels; without it, the model's own")
      ->check(positive_integer());
  command
      .add_option("--num-images", options.num_images,
                  "pictures of a prompt, made one after the other")
      ->check(whole_number_between(1, 1'000'000));
  auto* image = command.add_option("--init-image", options.init_image,
                                   "a picture to begin with, PNG or JPEG");
  command
      .add_option("--strength", options.strength,
                  "how much of it is made anew, 0 to 1; without it 0.8, of XL 0.3, with a mask 1")
      ->check(number_between(0, 1))
      ->needs(image);
  command
      .add_option("--mask-image", options.mask_image,
                  "what of it is made anew: the white of a picture, PNG or JPEG")
      ->needs(image);
}

void add_machine_options(CLI::App& command, GenerateOptions& options) {
  command.add_option("--device", options.device, "auto, cpu, cuda or cuda:N");
  command.add_option_function<std::string>(
      "--dtype", [&options](const std::string& text) { options.dtype = parse_dtype(text); },
      "of the models: fp32 (without it), fp16, bf16 or fp64, or Python's names");
  add_weights_dtype_option(command, options.weights_dtype, "the models");
  add_precision_option(command, options.precision);
  add_plan_option(command, options.plan);
  command.add_option("--variant", options.variant, "of the models' weights: fp16");
  command.add_option("--threads", options.threads, "of the CPU; without it, all")
      ->check(whole_number_between(1, 4096));
  command.add_flag("--vae-tiling", options.vae_tiling,
                   "decode large pictures in tiles, which takes less memory");
}

void add_output_options(CLI::App& command, GenerateOptions& options) {
  command
      .add_option("-o,--output", options.output,
                  "PNG to write, with all parameters in it; several are numbered, OUT-0001.png")
      ->required();
  command.add_option("--save-latents", options.save_latents,
                     "safetensors file to write: what the decoder is given, all pictures' as the "
                     "tensor latents, before the scaling is undone");
  command
      .add_option("--preview-every", options.preview_every,
                  "write a small picture OUT.preview.png after so many steps, removed at the end")
      ->check(positive_integer());
  command.add_flag("--show", options.show, "draw each picture on a terminal of 24-bit colours");
  command.add_flag("--quiet", options.quiet, "print nothing but warnings and errors");
  command.add_flag("--json", options.json,
                   "print seeds, files, times, memory and parameters as JSON");
  command.add_flag("--force", options.force, "write over files that are there");
}

}  // namespace

Command add_generate(CLI::App& program) {
  auto options = std::make_shared<GenerateOptions>();
  auto* command = program.add_subcommand(
      "generate", "Makes pictures from prompts: text-to-image, image-to-image, inpainting.");
  add_prompt_options(*command, *options);
  add_run_options(*command, *options);
  add_machine_options(*command, *options);
  add_output_options(*command, *options);
  return [options, command] {
    check_usage(*options);
    if (command->count("--model") == 0) use_embedded_model(*options);
    return run_generation(*options, make_generate_plan(*options));
  };
}

}  // namespace xattn::apps
