#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace xattn::apps {

/// A linear layer of Stable Diffusion 1.5, 2 or XL: x `[rows, in]`, weight `[out, in]`.
struct LinearCase {
  int64_t rows, in, out;
  std::string name() const;
};

std::vector<LinearCase> linear_cases();

/// Times `xattn::linear` beside `at::linear`: the ratio is the median of the rounds'.
nlohmann::ordered_json measure_linear(const LinearCase& test, int rounds);

}  // namespace xattn::apps
