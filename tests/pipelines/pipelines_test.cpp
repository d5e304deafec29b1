// What a pipeline does beside making Python's pictures: stopping, sharing, refusing.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>
#include <thread>

#include "pipelines/support/pipeline_case.h"
#include "support/errors.h"
#include "xattn/core/error.h"
#include "xattn/pipelines/stable_diffusion_pipeline.h"
#include "xattn/pipelines/stable_diffusion_xl_pipeline.h"

namespace xattn::testing {
namespace {

constexpr int64_t kSteps = 5;

class Pipelines : public ::testing::Test {
 protected:
  void SetUp() override {
    if (pipeline_cases().empty()) GTEST_SKIP() << "no golden data";
  }

  static DiffusionPipeline& sd1() {
    static const auto pipeline = open_pipeline(golden_pipelines() + "/sd1");
    return *pipeline;
  }
  static DiffusionPipeline& xl() {
    static const auto pipeline = open_pipeline(golden_pipelines() + "/xl");
    return *pipeline;
  }

  static PipelineArguments arguments(uint64_t seed = 3) {
    PipelineArguments result;
    result.prompt = {"a red boat"};
    result.num_inference_steps = kSteps;
    result.height = result.width = 64;
    result.generators = {at::make_generator<at::CPUGeneratorImpl>(seed)};
    return result;
  }

  static void expect_same(const PipelineOutput& found, const PipelineOutput& expected) {
    EXPECT_TRUE(at::equal(found.latents, expected.latents));
    EXPECT_TRUE(at::equal(found.images, expected.images));
  }

  static at::Tensor grey_picture(int64_t height, int64_t width) {
    return at::full({height, width, 3}, 128, at::kByte);
  }
};

TEST_F(Pipelines, AStoppedRunCanBeRunAgainAsIfItHadNeverBeen) {
  const auto fresh = sd1()(arguments());
  for (int64_t at = 0; at < kSteps; ++at) {
    auto stopped = arguments();
    const StopSource source;
    stopped.stop = source.token();
    stopped.on_step_end = [&](StepEnd& step) {
      if (step.step == at) std::thread([&] { source.request_stop(); }).join();
    };
    EXPECT_THROW(sd1()(stopped), Cancelled) << "stopped at step " << at;
    expect_same(sd1()(arguments()), fresh);
  }
}

TEST_F(Pipelines, AStoppedRunReturnsItsLatentsWhereAsked) {
  std::vector<at::Tensor> latents;
  auto whole = arguments();
  whole.on_step_end = [&](StepEnd& step) { latents.push_back(step.latents); };
  sd1()(whole);

  auto stopped = arguments();
  const StopSource source;
  stopped.stop = source.token();
  stopped.on_stop = OnStop::kReturn;
  stopped.on_step_end = [&](StepEnd& step) {
    if (step.step == 2) source.request_stop();
  };
  const auto output = sd1()(stopped);
  EXPECT_TRUE(output.stopped);
  EXPECT_EQ(output.steps, 3);
  EXPECT_EQ(output.planned_steps, int64_t(latents.size()));
  EXPECT_FALSE(output.images.defined());
  EXPECT_TRUE(at::equal(output.latents, latents[2]));
}

TEST_F(Pipelines, StopsBetweenStages) {
  for (const auto stage : {PipelineStage::kEncodePrompt, PipelineStage::kEncodeImage,
                           PipelineStage::kDenoise, PipelineStage::kDecode}) {
    auto stopped = arguments();
    stopped.image = {grey_picture(64, 64)};
    stopped.height = stopped.width = std::nullopt;
    const StopSource source;
    stopped.stop = source.token();
    stopped.on_stop = OnStop::kReturn;
    std::vector<PipelineStage> entered;
    stopped.on_stage = [&](PipelineStage each) {
      entered.push_back(each);
      if (each == stage) source.request_stop();
    };
    EXPECT_TRUE(sd1()(stopped).stopped);
    EXPECT_EQ(entered.back(), stage);
  }
}

TEST_F(Pipelines, TwoOnTwoThreadsAreAsOneAfterTheOther) {
  const auto first = sd1()(arguments(1)), second = xl()(arguments(2));
  PipelineOutput first_again, second_again, shared;
  std::thread one([&] { first_again = sd1()(arguments(1)); });
  std::thread two([&] { second_again = xl()(arguments(2)); });
  std::thread three([&] { shared = sd1()(arguments(1)); });
  one.join();
  two.join();
  three.join();
  expect_same(first_again, first);
  expect_same(second_again, second);
  expect_same(shared, first);
}

TEST_F(Pipelines, GuidanceInOneBatchAndInTwoPassesIsTheSame) {
  for (auto* pipeline : {&sd1(), &xl()}) {
    auto one = arguments(), two = arguments();
    one.negative_prompt = two.negative_prompt = {"dark"};
    one.num_images_per_prompt = two.num_images_per_prompt = 2;
    one.guidance_batch = GuidanceBatch::kOne;
    two.guidance_batch = GuidanceBatch::kTwo;
    const auto found = (*pipeline)(one).latents, expected = (*pipeline)(two).latents;
    const auto scale = expected.abs().max().item<double>();
    EXPECT_LE((found - expected).abs().max().item<double>(), 1e-4 * scale);
  }
}

TEST_F(Pipelines, ACallbackMayChangeTheLatent) {
  auto changed = arguments();
  changed.on_step_end = [](StepEnd& step) {
    if (step.step == 1) step.latents = step.latents * 0.5;
  };
  EXPECT_FALSE(at::equal(sd1()(changed).latents, sd1()(arguments()).latents));
  changed.on_step_end = [](StepEnd& step) { step.latents = step.latents.narrow(1, 0, 2); };
  expect_value_error([&] { sd1()(changed); },
                     "[denoise] latents of on_step_end: expected [1, 4, 8, 8], got [1, 2, 8, 8]");
}

TEST_F(Pipelines, PartsAreSharedReplacedAndFreed) {
  StableDiffusionPipeline pipeline = dynamic_cast<StableDiffusionPipeline&>(sd1());
  EXPECT_EQ(pipeline.unet.ptr(), sd1().unet.ptr());
  const auto expected = sd1()(arguments());
  auto freeing = arguments();
  freeing.on_stage = [&](PipelineStage stage) {
    if (stage == PipelineStage::kDenoise) pipeline.text_encoder = nullptr;
  };
  expect_same(pipeline(freeing), expected);
  expect_value_error([&] { pipeline(arguments()); },
                     "[StableDiffusionPipeline] text_encoder: expected a component, got none");

  pipeline.text_encoder = dynamic_cast<StableDiffusionPipeline&>(sd1()).text_encoder;
  pipeline.use_scheduler("EulerDiscreteScheduler");
  EXPECT_EQ(pipeline.scheduler->class_name(), "EulerDiscreteScheduler");
  EXPECT_FALSE(at::equal(pipeline(arguments()).latents, expected.latents));
  EXPECT_NE(sd1().scheduler->class_name(), "EulerDiscreteScheduler");
}

TEST_F(Pipelines, PartsHaveDtypesOfTheirOwn) {
  StableDiffusionPipeline pipeline = dynamic_cast<StableDiffusionPipeline&>(sd1());
  pipeline.vae = AutoencoderKL(std::dynamic_pointer_cast<AutoencoderKLImpl>(pipeline.vae->clone()));
  pipeline.vae->to(at::kDouble);
  pipeline.text_encoder =
      CLIPTextModel(std::dynamic_pointer_cast<CLIPTextModelImpl>(pipeline.text_encoder->clone()));
  pipeline.text_encoder->to(at::kDouble);
  const auto found = pipeline(arguments()), expected = sd1()(arguments());
  const auto scale = expected.latents.abs().max().item<double>();
  EXPECT_LE((found.latents - expected.latents).abs().max().item<double>(), 1e-4 * scale);
  EXPECT_EQ(found.latents.scalar_type(), at::kFloat);
}

TEST_F(Pipelines, EmbeddingsStandForPrompts) {
  auto given = arguments();
  given.prompt.clear();
  given.prompt_embeddings = sd1().encode_prompt({{"a red boat"}});
  expect_same(sd1()(given), sd1()(arguments()));
  given.prompt = {"a red boat"};
  expect_value_error([&] { sd1()(given); },
                     "[StableDiffusionPipeline] prompt: expected texts, or prompt_embeddings in "
                     "their place, got both");
}

TEST_F(Pipelines, PreviewsAreSmallPictures) {
  const LatentPreview preview(sd1().vae);
  const auto picture = preview(sd1()(arguments()).latents);
  EXPECT_EQ(picture.sizes(), at::IntArrayRef({1, 8, 8, 3}));
  EXPECT_EQ(picture.scalar_type(), at::kByte);
  EXPECT_GT(picture.to(at::kFloat).std().item<double>(), 1) << "not of one colour";
  EXPECT_TRUE(at::equal(picture, LatentPreview(sd1().vae)(sd1()(arguments()).latents)));
}

struct Refusal {
  std::function<void(PipelineArguments&)> change;
  std::string message;
};

TEST_F(Pipelines, RefuseWhatTheyDoNotKnow) {
  const std::vector<Refusal> refusals = {
      {[](auto& a) { a.prompt.clear(); }, "prompt: expected texts"},
      {[](auto& a) { a.height = 60; }, "height: expected a multiple of 8, got 60"},
      {[](auto& a) { a.width = 0; }, "width: expected a multiple of 8, got 0"},
      {[](auto& a) { a.width = -8; }, "width: expected a multiple of 8, got -8"},
      {[](auto& a) { a.num_images_per_prompt = 0; }, "num_images_per_prompt: expected 1 or more"},
      {[](auto& a) { a.guidance_rescale = 2; }, "guidance_rescale: expected 0 to 1, got 2"},
      {[](auto& a) { a.guidance_scale = NAN; }, "guidance_scale: expected"},
      {[](auto& a) { a.eta = 0.5; }, "eta: expected 0, for PNDMScheduler has no such option"},
      {[](auto& a) { a.strength = 0.5; }, "strength: expected none without image, got 0.5"},
      {[](auto& a) { a.mask_image = {grey_picture(64, 64)}; }, "mask_image: expected an image too"},
      {[](auto& a) { a.prompt_2 = {"x"}; }, "prompt_2: expected none: only XL's pipelines"},
      {[](auto& a) { a.denoising_end = 0.5; }, "denoising_end: expected none: only XL's"},
      {[](auto& a) {
         a.original_size = HeightWidth{8, 8};
       },
       "original_size: expected none"},
      {[](auto& a) { a.aesthetic_score = 6; }, "aesthetic_score: expected none"},
      {[](auto& a) { a.clip_skip = 99; }, "clip_skip: expected 0 to"},
      {[](auto& a) { a.generators.resize(3, a.generators[0]); },
       "generators: expected none, 1 or 1"},
      {[](auto& a) {
         a.negative_prompt = {"a", "b"};
       },
       "negative_prompt: expected 1 or 1, got 2"},
      {[](auto& a) {
         a.latents = at::zeros({1, 4, 4, 4});
       },
       "latents: expected [1, 4, 8, 8]"},
      {[](auto& a) {
         a.timesteps = {9, 5};
       },
       "num_inference_steps: expected none, beside"},
      {[](auto& a) {
         a.image = {grey_picture(64, 64)};
         a.strength = 1.5;
       },
       "strength: expected 0 to 1, got 1.5"},
      {[](auto& a) {
         a.image = {grey_picture(64, 64)};
         a.image_latents = at::zeros({1, 4, 8, 8});
       },
       "image_latents: expected none, beside image, got both"},
  };
  for (const auto& refusal : refusals) {
    auto refused = arguments();
    refusal.change(refused);
    expect_value_error_with([&] { sd1()(refused); }, refusal.message);
  }
  auto no_step = arguments();
  no_step.image = {grey_picture(64, 64)};
  no_step.strength = 0.1;
  expect_value_error_with([&] { xl()(no_step); },
                          "strength, denoising_start and denoising_end: expected to leave a step, "
                          "got none of 5");
}

}  // namespace
}  // namespace xattn::testing
