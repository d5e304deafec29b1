// Loads a SimpleUNet that Python exported as TorchScript, runs it, and compares with Python's
// output.

#include <torch/torch.h>
#include <xattn/xattn.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto checkpoint = xattn::load_checkpoint(argv[1]);
  xattn::SimpleUNet unet(xattn::simple_unet_options(checkpoint));
  xattn::load_state_dict(*unet, checkpoint.tensors);

  const auto inputs = xattn::load_checkpoint(argv[2]).tensors;
  const auto expected = xattn::load_checkpoint(argv[3]).tensors["output"];
  torch::NoGradGuard no_grad;
  const auto output = unet(inputs["images"], inputs["text_features"]);
  std::cout << unet << "\n" << output.sizes() << "\n";
  return torch::allclose(output, expected, 1e-5, 1e-6) ? 0 : 1;
}
