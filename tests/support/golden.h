#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "xattn/io/state_dict.h"

namespace xattn::testing {

/// One case of the golden data: a Python module's options and the folder with its numbers.
struct GoldenCase {
  std::string name;
  std::string module;
  std::filesystem::path directory;
  int64_t embed_dim = 0;
  int64_t num_heads = 0;
  std::string token_layout;
  at::ScalarType dtype = at::kFloat;
  uint64_t seed = 0;
  std::string mask;
};

/// What Python computed for a case, by the part of the key before the first dot.
struct Golden {
  StateDict parameters;                         // param.<key>
  std::map<std::string, at::Tensor> inputs;     // input.<argument>
  std::map<std::string, at::Tensor> outputs;    // output.<name>
  std::map<std::string, at::Tensor> gradients;  // grad.param.<key>, grad.input.<argument>
};

/// The folder that the golden data are in; empty where they could not be made.
std::filesystem::path golden_folder();

/// The cases of `module` ("CrossAttention"); empty where there is no golden data.
std::vector<GoldenCase> golden_cases(const std::string& module);

Golden load_golden(const GoldenCase& golden_case);

/// Names a parametrised test after its case.
std::string case_name(const GoldenCase& golden_case);

void PrintTo(const GoldenCase& golden_case, std::ostream* stream);

}  // namespace xattn::testing

/// Skips a test, visibly, where Python could not make the golden data.
#define XATTN_REQUIRE_GOLDEN_DATA()                                                   \
  if (xattn::testing::golden_folder().empty()) {                                      \
    GTEST_SKIP() << "no golden data: they are made by a Python with torch installed"; \
  }
