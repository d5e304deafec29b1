// What the README's fragments take for granted.
const auto encoder_hidden_states = torch::randn({1, 77, 12});
const auto latent = torch::randn({1, 4, 8, 8});
const auto timestep = torch::tensor(999);
