#include "support/golden.h"

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "xattn/io/checkpoint.h"

namespace xattn::testing {
namespace {

at::ScalarType dtype_of(const std::string& name) {
  static const std::map<std::string, at::ScalarType> dtypes = {{"float32", at::kFloat},
                                                               {"float64", at::kDouble},
                                                               {"float16", at::kHalf},
                                                               {"bfloat16", at::kBFloat16}};
  return dtypes.at(name);
}

}  // namespace

std::filesystem::path golden_folder() {
  const auto* folder = std::getenv("XATTN_GOLDEN_DIR");
  if (folder && std::filesystem::exists(std::filesystem::path(folder) / "manifest.json"))
    return folder;
  if (std::getenv("CI")) throw std::runtime_error("CI without golden data (XATTN_GOLDEN_DIR)");
  return {};
}

std::vector<GoldenCase> golden_cases(const std::string& module) {
  const auto folder = golden_folder();
  std::vector<GoldenCase> cases;
  if (folder.empty()) return cases;
  std::ifstream stream(folder / "manifest.json");
  const auto manifest = nlohmann::json::parse(stream);
  for (const auto& entry : manifest.at("cases")) {
    if (entry.at("module") != module) continue;
    cases.push_back({entry.at("name"), module, folder / entry.at("directory").get<std::string>(),
                     entry.at("embed_dim"), entry.at("num_heads"), entry.value("token_layout", ""),
                     dtype_of(entry.at("dtype")), entry.at("seed"), entry.at("mask")});
  }
  return cases;
}

Golden load_golden(const GoldenCase& golden_case) {
  Golden golden;
  for (const auto& item : load_checkpoint(golden_case.directory / "golden.safetensors").tensors) {
    const auto dot = item.key().find('.');
    const auto part = item.key().substr(0, dot), name = item.key().substr(dot + 1);
    if (part == "param") golden.parameters.insert(name, item.value());
    if (part == "input") golden.inputs[name] = item.value();
    if (part == "output") golden.outputs[name] = item.value();
    if (part == "grad") golden.gradients[name] = item.value();
  }
  return golden;
}

std::string case_name(const GoldenCase& golden_case) {
  return golden_case.name;
}

void PrintTo(const GoldenCase& golden_case, std::ostream* stream) {
  *stream << golden_case.name;
}

}  // namespace xattn::testing
