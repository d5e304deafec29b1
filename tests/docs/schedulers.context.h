// What the document's fragments take for granted.
auto unet = xattn::from_pretrained<xattn::UNet2DConditionModel>("stable-diffusion-v1-5/unet");
const auto text = unet->prepare(torch::randn({1, 77, 12}));
