// Loads a SimpleUNet that Python exported as TorchScript, runs it, and compares with Python's
// output. What the library throws is caught by its type, a module is found by its, and the embedded
// model is there.

#include <torch/torch.h>
#include <xattn/xattn.h>

#include <iostream>

namespace {

template <typename Error, typename Call>
bool throws(const Call& call) {
  try {
    call();
  } catch (const Error&) {
    return true;
  }
  return false;
}

bool errors_have_their_types() {
  xattn::CrossAttention module(16);
  return throws<xattn::FileError>([] { xattn::load_checkpoint("/not/there"); }) &&
         throws<xattn::ValueError>([] { xattn::CrossAttention(7); }) &&
         throws<xattn::StateDictError>([&] { xattn::load_state_dict(*module, {}); }) &&
         throws<xattn::Error>([&] { module(torch::zeros({1}), torch::zeros({1})); });
}

bool modules_have_their_types(const xattn::SimpleUNet& unet) {
  const std::shared_ptr<torch::nn::Module> module = unet.ptr()->clone();
  return module->as<xattn::SimpleUNetImpl>() && !module->as<xattn::CrossAttentionImpl>();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto checkpoint = xattn::load_checkpoint(argv[1]);
  xattn::SimpleUNet unet(xattn::simple_unet_options(checkpoint));
  xattn::load_state_dict(*unet, checkpoint.tensors);
  if (!errors_have_their_types() || !modules_have_their_types(unet)) return 3;
  if (!xattn::embedded_model().folder.ends_with("share/xattn/bada")) return 4;

  const auto inputs = xattn::load_checkpoint(argv[2]).tensors;
  const auto expected = xattn::load_checkpoint(argv[3]).tensors["output"];
  torch::NoGradGuard no_grad;
  const auto output = unet(inputs["images"], inputs["text_features"]);
  std::cout << unet << "\n" << output.sizes() << "\n";
  return torch::allclose(output, expected, 1e-5, 1e-6) ? 0 : 1;
}
