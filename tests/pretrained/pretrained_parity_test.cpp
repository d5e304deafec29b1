// Folders that diffusers and transformers saved, loaded into every class, and saved again.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <algorithm>
#include <functional>
#include <map>

#include "io/support/temporary_folder.h"
#include "support/model_golden.h"
#include "xattn/core/error.h"
#include "xattn/pretrained/any_model.h"

namespace xattn::testing {
namespace {

/// What a class gives when it is loaded, and loaded again from what it saved.
struct Loaded {
  StateDict tensors, again;
};

template <typename Holder>
Loaded load(const std::string& folder, const PretrainedOptions& options,
            const SavePretrainedOptions& save) {
  const TemporaryFolder saved;
  const auto module = from_pretrained<Holder>(folder, options);
  EXPECT_FALSE(module->is_training());
  save_pretrained(module, saved.path().string(), save);
  PretrainedOptions same = options;
  same.variant = save.variant;
  const auto again = from_pretrained<Holder>(saved.path().string(), same);
  EXPECT_EQ(again->config.to_json(), module->config.to_json());
  return {state_dict(*module), state_dict(*again)};
}

using Load = Loaded (*)(const std::string&, const PretrainedOptions&, const SavePretrainedOptions&);

/// Every class that a folder may hold, by its name.
template <typename... Holders>
std::map<std::string, Load> classes_of(const std::variant<Holders...>* /*type*/) {
  return {{Holders::ContainedType::kClassName, &load<Holders>}...};
}

const std::map<std::string, Load>& classes() {
  static const auto all = classes_of(static_cast<const AnyModel*>(nullptr));
  return all;
}

PretrainedOptions options_of(const ModelCase& model_case) {
  PretrainedOptions options;
  options.variant = model_case.arguments.at("variant").get<std::string>();
  return options;
}

class PretrainedParity : public ::testing::TestWithParam<ModelCase> {};

TEST_P(PretrainedParity, GivesPythonsParameters) {
  const auto& model_case = GetParam();
  const auto load_class = classes().at(model_case.module);
  const auto golden = load_golden(model_case);
  for (const auto dtype : {at::kFloat, at::kHalf}) {
    auto options = options_of(model_case);
    options.dtype = dtype;
    SavePretrainedOptions save;
    save.max_shard_size = 20'000;
    const auto loaded = load_class(model_case.directory.string(), options, save);
    ASSERT_EQ(loaded.tensors.keys(), model_case.keys);
    ASSERT_EQ(loaded.again.keys(), model_case.keys);
    for (const auto& item : golden.parameters) {
      const auto expected = item.value().to(dtype);
      EXPECT_TRUE(torch::equal(loaded.tensors[item.key()], expected)) << item.key();
      EXPECT_TRUE(torch::equal(loaded.again[item.key()], expected)) << item.key();
    }
  }
}

TEST_P(PretrainedParity, IsOpenedByTheClassThatItsConfigNames) {
  const auto& model_case = GetParam();
  const auto golden = load_golden(model_case);
  const auto folder = model_case.directory.string();
  const auto model = open_pretrained(folder, options_of(model_case));
  EXPECT_EQ(class_name_of(model), model_case.module);
  EXPECT_FALSE(module_of(model)->is_training());
  const auto unread = check_pretrained(folder, options_of(model_case));
  EXPECT_EQ(class_name_of(unread), model_case.module);
  EXPECT_EQ(state_dict(*module_of(unread)).keys(), model_case.keys);
  const TemporaryFolder saved;
  save_pretrained(model, saved.path().string());
  const auto again = open_pretrained(saved.path().string());
  for (const auto* each : {&model, &again}) {
    const auto tensors = state_dict(*module_of(*each));
    ASSERT_EQ(tensors.keys(), model_case.keys);
    for (const auto& item : golden.parameters) {
      EXPECT_TRUE(torch::equal(tensors[item.key()], item.value().to(at::kFloat))) << item.key();
    }
  }
}

TEST_P(PretrainedParity, RefusesAnotherClass) {
  const auto& model_case = GetParam();
  for (const auto& [name, load_class] : classes()) {
    if (name == model_case.module) continue;
    try {
      load_class(model_case.directory.string(), options_of(model_case), {});
      ADD_FAILURE() << name << " was loaded from a " << model_case.module;
    } catch (const ValueError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("expected the class " + name + ", got " + model_case.module), text.npos)
          << text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, PretrainedParity, ::testing::ValuesIn(model_cases("pretrained")),
                         model_case_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PretrainedParity);

TEST(PretrainedParityData, IsThere) {
  if (model_cases("pretrained").empty())
    GTEST_SKIP() << "no golden data: they are made by a Python with diffusers";
}

}  // namespace
}  // namespace xattn::testing
