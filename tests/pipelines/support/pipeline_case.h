#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "xattn/pipelines/diffusion_pipeline.h"

namespace xattn::testing {

using NamedTensors = std::map<std::string, at::Tensor>;

/// A run of diffusers', as python/golden_models/pipelines.py describes it.
struct PipelineCase {
  std::string name, pipeline, task, class_name, file;
  nlohmann::json options;

  at::ScalarType dtype() const;
  /// The tensors of its file.
  NamedTensors load() const;
  /// Whether Python ignores what we refuse: a second negative prompt without the first.
  bool is_refused() const;
};

inline void PrintTo(const PipelineCase& pipeline_case, std::ostream* stream) {
  *stream << pipeline_case.options.dump();
}

/// The runs in cases.json; none where there are no golden data.
std::vector<PipelineCase> pipeline_cases();
std::string pipeline_case_name(const ::testing::TestParamInfo<PipelineCase>& info);

/// The folder with the golden pipelines.
std::string golden_pipelines();

/// The arguments of a case.
PipelineArguments arguments_of(const PipelineCase& pipeline_case, const NamedTensors& tensors);

struct CaseRun {
  PipelineOutput output;
  std::vector<at::Tensor> latents;
  std::vector<double> timesteps;
};

/// Runs a case; meanwhile a weight of its UNet is multiplied with `factor`.
CaseRun run_case(const PipelineCase& pipeline_case, const NamedTensors& tensors, double factor = 1);

/// What the text encoders make of its prompts; nothing where they are given.
std::optional<PromptEmbeddings> encode_case(const PipelineCase& pipeline_case,
                                            const NamedTensors& tensors);

}  // namespace xattn::testing
