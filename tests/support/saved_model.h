#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "support/model_golden.h"
#include "xattn/io/checkpoint.h"

namespace xattn::testing {

/// The config.json that Python saved for a case.
inline std::string config_text(const std::filesystem::path& directory) {
  std::ifstream stream(directory / "config.json");
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// The tensors that Python saved for a case, by their keys there.
inline StateDict saved_weights(const ModelCase& model_case, const std::string& file) {
  return load_checkpoint((model_case.directory / file).string()).tensors;
}

/// A model in evaluation mode, of a case's config and of tensors with the keys of a file.
template <typename Model>
Model saved_model(const ModelCase& model_case, const StateDict& file) {
  using Impl = typename Model::ContainedType;
  Model model(Impl::Config::from_json(config_text(model_case.directory)));
  model->to(model_case.dtype);
  StateDict tensors;
  for (const auto& item : file) {
    for (const auto& target : Impl::map_key(model->config, item.key()))
      tensors.insert(target.key, item.value());
  }
  load_state_dict(*model, tensors);
  model->eval();
  return model;
}

/// A copy that shares nothing, in evaluation mode.
template <typename Model>
Model clone_of(const Model& model) {
  return Model(std::dynamic_pointer_cast<typename Model::ContainedType>(model->clone()));
}

}  // namespace xattn::testing
