#include "support/model_golden.h"

#include <torch/utils.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>

#include "support/parity.h"
#include "support/worst_errors.h"
#include "xattn/io/checkpoint.h"

namespace xattn::testing {
namespace {

std::filesystem::path folder_of(const std::string& area) {
  const auto* root = std::getenv("XATTN_GOLDEN_MODELS_DIR");
  if (root && std::filesystem::exists(std::filesystem::path(root) / area / "manifest.json")) {
    return std::filesystem::path(root) / area;
  }
  if (std::getenv("CI"))
    throw std::runtime_error("CI without golden data of " + area + " (XATTN_GOLDEN_MODELS_DIR)");
  return {};
}

std::string title(const ModelCase& model_case, const std::string& what) {
  return model_case.module + " " + what + " " + toString(model_case.dtype);
}

}  // namespace

std::vector<ModelCase> model_cases(const std::string& area) {
  std::vector<ModelCase> cases;
  const auto folder = folder_of(area);
  if (folder.empty()) return cases;
  std::ifstream stream(folder / "manifest.json");
  const auto manifest = nlohmann::json::parse(stream);
  for (const auto& entry : manifest.at("cases")) {
    ModelCase found;
    found.name = entry.at("name");
    found.module = entry.at("module");
    found.directory = folder / entry.at("directory").get<std::string>();
    found.dtype = entry.at("dtype") == "float64" ? at::kDouble : at::kFloat;
    found.arguments = entry.at("arguments");
    found.keys = entry.at("keys").get<std::vector<std::string>>();
    cases.push_back(std::move(found));
  }
  return cases;
}

std::vector<ModelCase> model_cases(const std::string& area, const std::string& module) {
  auto cases = model_cases(area);
  std::erase_if(cases, [&](const ModelCase& each) { return each.module != module; });
  return cases;
}

ModelGolden load_golden(const ModelCase& model_case) {
  ModelGolden golden;
  for (const auto& item :
       load_checkpoint((model_case.directory / "golden.safetensors").string()).tensors) {
    const auto dot = item.key().find('.');
    const auto part = item.key().substr(0, dot), name = item.key().substr(dot + 1);
    if (part == "param") golden.parameters.insert(name, item.value());
    if (part == "input") golden.inputs[name] = item.value();
    if (part == "output") golden.outputs[name] = item.value();
    if (part == "cotangent") golden.cotangents[name] = item.value();
    if (part == "grad") golden.gradients[name] = item.value();
  }
  return golden;
}

std::map<std::string, at::Tensor> ModelGolden::leaves() const {
  std::map<std::string, at::Tensor> result;
  for (const auto& [name, input] : inputs) {
    result[name] = input.clone();
    if (gradients.count("input." + name)) result[name].requires_grad_(true);
  }
  return result;
}

void expect_same_keys(const ModelCase& model_case, const torch::nn::Module& module) {
  EXPECT_EQ(state_dict(module).keys(), model_case.keys) << "keys and their order must be Python's";
}

void expect_same_outputs(const ModelCase& model_case, const ModelGolden& golden,
                         const std::map<std::string, at::Tensor>& outputs) {
  EXPECT_EQ(outputs.size(), golden.outputs.size());
  for (const auto& [name, expected] : golden.outputs) {
    ASSERT_TRUE(outputs.count(name)) << name;
    ASSERT_TRUE(
        is_near(name, outputs.at(name), expected, model_tolerance(model_case.dtype).output));
    WorstErrors::record(title(model_case, "output"),
                        difference(outputs.at(name), expected).relative());
  }
}

bool are_same_outputs(const ModelCase& model_case, const ModelGolden& golden,
                      const std::map<std::string, at::Tensor>& outputs) {
  return std::all_of(golden.outputs.begin(), golden.outputs.end(), [&](const auto& item) {
    return is_near(item.first, outputs.at(item.first), item.second,
                   model_tolerance(model_case.dtype).output);
  });
}

void expect_same_gradients(const ModelCase& model_case, const ModelGolden& golden,
                           const torch::nn::Module& module,
                           const std::map<std::string, at::Tensor>& leaves,
                           const std::map<std::string, at::Tensor>& outputs) {
  at::Tensor total = torch::zeros({});
  for (const auto& [name, cotangent] : golden.cotangents)
    total = total + (outputs.at(name) * cotangent).sum();
  total.backward();
  // A gradient that is zero but for rounding is measured against the others.
  double largest = 0;
  for (const auto& item : golden.gradients)
    largest = std::max(largest, item.second.abs().max().item<double>());
  size_t compared = 0;
  const auto expect_near = [&](const std::string& name, const at::Tensor& actual) {
    const auto expected = golden.gradients.find(name);
    if (expected == golden.gradients.end()) {
      EXPECT_TRUE(!actual.defined() || actual.eq(0).all().item<bool>())
          << name << " has none in Python";
      return;
    }
    ++compared;
    ASSERT_TRUE(actual.defined()) << name;
    const auto found = difference(actual, expected->second);
    const auto scale = std::max(found.scale, 1e-2 * largest);
    EXPECT_LE(found.max_abs, model_tolerance(model_case.dtype).gradient * scale)
        << "gradient of " << name;
    if (found.max_abs > 0)
      WorstErrors::record(title(model_case, "gradient"), found.max_abs / scale);
  };
  // Python names a parameter that two modules share only once.
  std::set<const void*> named;
  for (const auto& item : module.named_parameters()) {
    if (named.insert(item.value().unsafeGetTensorImpl()).second) {
      expect_near("param." + item.key(), item.value().grad());
    }
  }
  for (const auto& [name, leaf] : leaves) {
    if (leaf.requires_grad()) expect_near("input." + name, leaf.grad());
  }
  EXPECT_EQ(compared, golden.gradients.size()) << "Python and C++ differ in what has a gradient";
}

std::string model_case_name(const ::testing::TestParamInfo<ModelCase>& info) {
  return info.param.name;
}

void PrintTo(const ModelCase& model_case, std::ostream* stream) {
  *stream << model_case.name;
}

}  // namespace xattn::testing
