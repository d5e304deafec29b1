// A plan's file holds what the plan does, and is of this machine alone.

#include "xattn/io/plan_file.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "io/support/temporary_folder.h"
#include "support/errors.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

class PlanFileTest : public ::testing::Test {
 protected:
  PlanFileTest() {
    plan_.layers["linear 4x32->16"] = {"libtorch", {{"libtorch", 0.0125}, {"xattn", 1.5e-6}}, 3};
    plan_.layers["cross_attention \"1\""] = {"folded"};
  }

  nlohmann::json saved() const {
    save_plan(path_, plan_);
    return nlohmann::json::parse(std::ifstream(path_));
  }

  /// What reading that says.
  std::string refused(const nlohmann::json& document) const {
    std::ofstream(path_) << document;
    return testing::error_of<FileError>([&] { load_plan(path_); });
  }

  testing::TemporaryFolder folder_;
  const std::string path_ = folder_ / "plan.json";
  Plan plan_;
};

TEST_F(PlanFileTest, HoldsWhatThePlanDoes) {
  save_plan(path_, plan_);
  const auto loaded = load_plan(path_);
  ASSERT_EQ(loaded.layers.size(), 2U);
  const auto& linear = loaded.layers.at("linear 4x32->16");
  EXPECT_EQ(linear.algorithm, "libtorch");
  EXPECT_EQ(linear.seconds.size(), 2U);
  EXPECT_DOUBLE_EQ(linear.seconds.at("libtorch"), 0.0125);
  EXPECT_DOUBLE_EQ(linear.seconds.at("xattn"), 2e-6);  // whole microseconds
  EXPECT_EQ(linear.uses, 0);                           // a run's, not the plan's
  EXPECT_EQ(loaded.layers.at("cross_attention \"1\"").algorithm, "folded");
  save_plan(path_, {});
  EXPECT_TRUE(load_plan(path_).layers.empty());
}

TEST_F(PlanFileTest, IsOfThisMachine) {
  const auto right = saved();
  for (const auto* const key : {"processor", "kernels", "threads"}) {
    auto other = right;
    other[key] = "another";
    const auto message = refused(other);
    EXPECT_NE(message.find(std::string(key) + ": expected this machine's"), std::string::npos)
        << message;
    other.erase(key);
    EXPECT_NE(refused(other).find(std::string("expected ") + key), std::string::npos);
  }
  refused(right);  // writes it again
  const auto threads = at::get_num_threads();
  at::set_num_threads(threads + 1);
  EXPECT_THROW(load_plan(path_), FileError);
  at::set_num_threads(threads);
  EXPECT_NO_THROW(load_plan(path_));
}

TEST_F(PlanFileTest, IsNothingElse) {
  const auto right = saved();
  for (const auto& [pointer, value] : {std::pair<const char*, nlohmann::json>{"/format", 1},
                                       {"/layers", 1},
                                       {"/more", 1},
                                       {"/layers/linear 4x32->16", 1},
                                       {"/layers/linear 4x32->16/more", 1},
                                       {"/layers/linear 4x32->16/algorithm", 1},
                                       {"/layers/linear 4x32->16/milliseconds", 1},
                                       {"/layers/linear 4x32->16/milliseconds/xattn", "fast"},
                                       {"/layers/linear 4x32->16/milliseconds/xattn", -1}}) {
    auto other = right;
    other[nlohmann::json::json_pointer(pointer)] = value;
    EXPECT_NE(refused(other), "no error") << pointer;
  }
  EXPECT_EQ(refused(right), "no error");
  EXPECT_NE(refused(nlohmann::json::array()), "no error");
  std::filesystem::remove(path_);
  EXPECT_THROW(load_plan(path_), FileError);
  EXPECT_THROW(save_plan(folder_ / "none/plan.json", plan_), FileError);
}

}  // namespace
}  // namespace xattn
