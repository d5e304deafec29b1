// What people hand us by mistake: one line that says what it is and what to do.

#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/utils.h>

#include <filesystem>

#include "io/support/temporary_folder.h"
#include "xattn/core/error.h"
#include "xattn/io/checkpoint.h"
#include "xattn/io/safetensors.h"
#include "xattn/pretrained/any_model.h"

namespace xattn::testing {
namespace {

namespace fs = std::filesystem;

constexpr auto kLfsPointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3438167540\n";

/// The message of the error that `call` throws, which is one short line.
template <typename Expected, typename Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const Expected& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find('\n'), text.npos) << text;
    EXPECT_LT(text.size(), 900u) << text;
    return text;
  }
  ADD_FAILURE() << "no error";
  return {};
}

void expect_in(const std::string& part, const std::string& text) {
  EXPECT_NE(text.find(part), text.npos) << text << "\nlacks: " << part;
}

class Mistaken : public ::testing::Test {
 protected:
  Mistaken() { fs::create_directories(path("model")); }

  std::string path(const std::string& name) const { return folder_ / name; }
  std::string text_of(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    write_bytes(path(name), text);
    return path(name);
  }
  /// A file with one tensor of that name.
  std::string tensors_of(const std::string& file, const std::string& name) const {
    StateDict tensors;
    tensors.insert(name, torch::zeros({2}));
    save_safetensors(path(file), tensors);
    return path(file);
  }

  static void both_refuse(const std::string& folder, const std::string& part) {
    expect_in(part, refusal<FileError>([&] { open_pretrained(folder); }));
    expect_in(part, refusal<FileError>([&] { from_pretrained<AutoencoderKL>(folder); }));
  }

  TemporaryFolder folder_;
};

TEST_F(Mistaken, FilesThatAreNoWeights) {
  const std::pair<std::string, std::string> files[] = {
      {kLfsPointer, "is a Git LFS pointer, which stands for the file: run git lfs pull"},
      {"GGUF\3\0\0\0", "is a GGUF file, quantized weights that are not read"},
      {"<!DOCTYPE html><html>", "is a web page (HTML): download the file itself"},
      {"\n <HTML lang=en>", "is a web page (HTML)"},
      {"\xef\xbb\xbf<!doctype HTML>", "is a web page (HTML)"},
  };
  for (const auto& [bytes, expected] : files) {
    const auto file = text_of("model.safetensors", bytes);
    expect_in(expected, refusal<FileError>([&] { load_checkpoint(file); }));
    expect_in(expected, refusal<FileError>([&] { inspect_checkpoint(file); }));
    both_refuse(file, expected);
    text_of("model/config.json", R"({"_class_name": "AutoencoderKL"})");
    text_of("model/diffusion_pytorch_model.safetensors", bytes);
    both_refuse(path("model"), expected);
    text_of("model/config.json", bytes);
    if (!bytes.starts_with("GGUF")) both_refuse(path("model"), expected);
  }
}

TEST_F(Mistaken, FilesOfOtherWeights) {
  const std::string single = "is a single-file checkpoint with Stable Diffusion's own names",
                    lora = "is a LoRA, changes to a model and no model";
  const std::pair<std::string, std::string> names[] = {
      {"model.diffusion_model.input_blocks.0.0.weight", single},
      {"state_dict.model.diffusion_model.out.0.bias", single},
      {"first_stage_model.encoder.conv_in.weight", single},
      {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", lora},
      {"unet.down_blocks.0.attn1.to_q.lora_A.weight", lora},
      {"unet.mid_block.attn1.processor.to_q_lora.lora.down.weight", lora},
  };
  for (const auto& [name, expected] : names) {
    both_refuse(tensors_of("single.safetensors", name), expected);
    EXPECT_EQ(load_checkpoint(path("single.safetensors")).tensors.size(), 1u);
    text_of("model/config.json", R"({"_class_name": "AutoencoderKL"})");
    tensors_of("model/diffusion_pytorch_model.safetensors", name);
    expect_in("what is given " + expected,
              refusal<StateDictError>([&] { open_pretrained(path("model")); }));
  }
  both_refuse(tensors_of("other.safetensors", "conv_in.weight"),
              "is a file: expected a folder that save_pretrained wrote");
}

TEST_F(Mistaken, FoldersOfOtherThings) {
  const std::pair<std::string, std::string> files[] = {
      {"pipeline/model_index.json", "is a pipeline's folder"},
      {"tokenizer/tokenizer_config.json", "is a tokenizer's folder"},
      {"old_tokenizer/vocab.json", "is a tokenizer's folder"},
      {"scheduler/scheduler_config.json", "is a scheduler's folder"},
      {"extractor/preprocessor_config.json", "is an image processor's folder"},
      {"lora/pytorch_lora_weights.safetensors", "is a LoRA"},
      {"hub/models--org--name/snapshots/0a1b/unet/config.json",
       "is the hub's cache: expected a model's folder in it, such as "
       "'models--org--name/snapshots/…/unet'"},
  };
  for (const auto& [file, expected] : files) {
    text_of(file, "{}");
    both_refuse(path(file.substr(0, file.find('/'))), expected);
  }
  both_refuse(path("hub/models--org--name"), "such as 'snapshots/0a1b/unet'");
  fs::create_directories(path("empty"));
  both_refuse(path("empty"), "empty/config.json: cannot be opened: No such file or directory");
}

TEST_F(Mistaken, NamesOnTheHub) {
  const std::string hint = "; if a name on the Hugging Face hub is meant: nothing is downloaded";
  for (const auto* name : {"runwayml/stable-diffusion-v1-5", "stabilityai/sd-vae-ft-mse",
                           "runwayml/stable-diffusion-v1-5/unet"}) {
    both_refuse(name, hint);
    expect_in(hint, refusal<FileError>([&] { load_checkpoint(name); }));
  }
  PretrainedOptions unet;
  unet.subfolder = "unet";
  expect_in(hint, refusal<FileError>([&] { open_pretrained("org/name", unet); }));
  for (const auto& name : {std::string("missing.pt"), std::string("weights/missing.safetensors"),
                           path("missing"), std::string("./org/name"), std::string("a b/c")}) {
    const auto text = refusal<FileError>([&] { load_checkpoint(name); });
    EXPECT_EQ(text.find("hub"), text.npos) << text;
  }
}

TEST_F(Mistaken, AConfigOfOtherWeightsIsAShortError) {
  save_pretrained(AutoencoderKL(AutoencoderKLConfig{}), path("model"));
  StateDict other;
  for (int i = 0; i < 30'000; ++i) other.insert("unet.layer." + std::to_string(i), torch::zeros(1));
  save_safetensors(path("model/diffusion_pytorch_model.safetensors"), other);
  const auto text = refusal<StateDictError>([&] { open_pretrained(path("model")); });
  expect_in("missing ", text);
  expect_in("unexpected unet.layer.0, ", text);
  expect_in(" more (", text);
  expect_in("30000 unexpected", text);
}

TEST_F(Mistaken, ADeviceThatIsNotThere) {
  save_pretrained(AutoencoderKL(AutoencoderKLConfig{}), path("model"));
  PretrainedOptions options;
  const auto expect = [&](c10::Device device, const std::string& name) {
    options.device = device;
    const auto expected = "[from_pretrained] device: " + name + " is not available: ";
    expect_in(expected, refusal<DeviceError>([&] { open_pretrained(path("model"), options); }));
    expect_in(expected, refusal<DeviceError>(
                            [&] { from_pretrained<AutoencoderKL>(path("model"), options); }));
  };
  if (!torch::cuda::is_available()) expect(c10::kCUDA, "cuda");
  expect({c10::kCUDA, 99}, "cuda:99");
  expect(c10::kXPU, "xpu");
  options.device = c10::kMeta;
  expect_in("expected one that holds data, got meta",
            refusal<ValueError>([&] { open_pretrained(path("model"), options); }));
}

}  // namespace
}  // namespace xattn::testing
