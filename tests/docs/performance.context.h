// What the document's fragments take for granted.
const torch::NoGradGuard no_grad;
auto unet = xattn::from_pretrained<xattn::UNet2DConditionModel>("stable-diffusion-v1-5/unet");
const auto sample = torch::randn({1, 4, 8, 8}), timestep = torch::tensor(999),
           text = torch::randn({1, 77, 12});
