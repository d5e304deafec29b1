// Whole runs of pipelines, against diffusers: texts, timesteps, the latent after every step, the
// picture.

#include <gtest/gtest.h>

#include <limits>

#include "pipelines/support/pipeline_case.h"
#include "xattn/core/error.h"

namespace xattn::testing {
namespace {

class PipelinesParity : public ::testing::TestWithParam<PipelineCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PipelinesParity);
INSTANTIATE_TEST_SUITE_P(Diffusers, PipelinesParity, ::testing::ValuesIn(pipeline_cases()),
                         pipeline_case_name);

/// Relative to the largest value, as the scheduler's steps add up.
double tolerance_of(const PipelineCase& pipeline_case) {
  const auto dtype = pipeline_case.dtype();
  if (dtype == at::kHalf) return 2e-2;
  if (dtype == at::kBFloat16) return 1e-1;
  return 1e-4;
}

double relative_difference(const at::Tensor& found, const at::Tensor& expected) {
  if (found.sizes() != expected.sizes()) return std::numeric_limits<double>::infinity();
  const auto scale = expected.to(at::kDouble).abs().max().item<double>();
  const auto difference = (found.to(at::kDouble) - expected.to(at::kDouble)).abs().max();
  return difference.item<double>() / std::max(scale, 1e-6);
}

TEST_P(PipelinesParity, EveryLatentAndThePictureAreThoseOfPython) {
  const auto& pipeline_case = GetParam();
  const auto expected = pipeline_case.load();
  if (pipeline_case.is_refused()) {
    EXPECT_THROW(run_case(pipeline_case, expected), ValueError);
    return;
  }
  const auto run = run_case(pipeline_case, expected);
  const auto tolerance = tolerance_of(pipeline_case);

  size_t steps = 0;
  for (; expected.contains("latents." + std::to_string(steps)); ++steps) {
    const auto name = "latents." + std::to_string(steps);
    ASSERT_LT(steps, run.latents.size()) << "Python took another step";
    EXPECT_LE(relative_difference(run.latents[steps], expected.at(name)), tolerance) << name;
  }
  ASSERT_EQ(run.latents.size(), steps);
  ASSERT_EQ(run.output.steps, int64_t(steps));
  const auto timesteps = expected.at("timesteps");
  for (size_t i = 0; i < steps; ++i) {
    EXPECT_NEAR(run.timesteps[i], timesteps[int64_t(i)].item<double>(), 1e-3) << "timestep " << i;
  }
  if (!expected.contains("image")) {
    EXPECT_FALSE(run.output.images.defined());
    return;
  }
  const auto image = expected.at("image");
  ASSERT_EQ(run.output.images.sizes(), image.sizes());
  const auto off = (run.output.images.to(at::kInt) - image.to(at::kInt)).abs();
  const bool is_wide = pipeline_case.dtype() == at::kFloat;
  EXPECT_LE(off.max().item<int>(), is_wide ? 1 : 24);
  if (is_wide) {
    EXPECT_LE((off > 0).to(at::kDouble).mean().item<double>(), 1e-3);
  }
}

TEST_P(PipelinesParity, TextsAreThoseOfPython) {
  const auto& pipeline_case = GetParam();
  if (pipeline_case.is_refused()) GTEST_SKIP() << "refused, as the test above expects";
  const auto expected = pipeline_case.load();
  const auto texts = encode_case(pipeline_case, expected);
  if (!texts) GTEST_SKIP() << "embeddings are given";
  const auto tolerance = pipeline_case.dtype() == at::kFloat ? 1e-5 : tolerance_of(pipeline_case);
  const auto same = [&](const char* name, const at::Tensor& found) {
    EXPECT_EQ(found.defined(), expected.contains(name)) << name;
    if (!found.defined() || !expected.contains(name)) return;
    const auto repeated = found.repeat_interleave(expected.at(name).size(0) / found.size(0), 0);
    if (expected.at(name).abs().max().item<double>() == 0) {
      EXPECT_EQ(repeated.abs().max().item<double>(), 0) << name;
    } else {
      EXPECT_LE(relative_difference(repeated, expected.at(name)), tolerance) << name;
    }
  };
  same("prompt_embeds", texts->prompt_embeds);
  same("negative_prompt_embeds", texts->negative_prompt_embeds);
  same("pooled_prompt_embeds", texts->pooled_prompt_embeds);
  same("negative_pooled_prompt_embeds", texts->negative_pooled_prompt_embeds);
}

TEST_P(PipelinesParity, AWeightThatChangedGivesAnotherRun) {
  const auto& pipeline_case = GetParam();
  if (pipeline_case.is_refused()) GTEST_SKIP() << "refused, as the test above expects";
  const auto expected = pipeline_case.load();
  // What is allowed of half precision takes more to leave.
  const auto factor = pipeline_case.dtype() == at::kFloat ? 1.1 : -1.0;
  const auto run = run_case(pipeline_case, expected, factor);
  const auto last = "latents." + std::to_string(run.latents.size() - 1);
  ASSERT_TRUE(expected.contains(last));
  EXPECT_GT(relative_difference(run.latents.back(), expected.at(last)),
            tolerance_of(pipeline_case));
}

}  // namespace
}  // namespace xattn::testing
