#include "ops/planned.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "core/scalar_type.h"
#include "core/timing.h"
#include "xattn/core/error.h"
#include "xattn/ops/plan.h"

namespace xattn {
namespace {

thread_local Plan* current_plan = nullptr;
thread_local auto current_planning = Planning::kEstimate;

/// While it lives, what is measured does not ask the plan in turn.
class WithoutPlan {
 public:
  WithoutPlan() : before_(std::exchange(current_plan, nullptr)) {}
  ~WithoutPlan() { current_plan = before_; }
  WithoutPlan(const WithoutPlan&) = delete;
  WithoutPlan& operator=(const WithoutPlan&) = delete;

 private:
  Plan* before_;
};

using Compute = c10::function_ref<at::Tensor(std::size_t)>;

/// Each algorithm's time: the median of its calls, which take turns. One that is far behind after
/// the first two is called no more.
std::vector<double> measure(std::size_t algorithms, Compute compute) {
  constexpr int kFewest = 5, kMost = 100;
  constexpr double kFarBehind = 1.5, kEnough = 0.02;
  const WithoutPlan guard;
  std::vector<std::vector<double>> seconds(algorithms);
  double best = 0;
  for (std::size_t i = 0; i < algorithms; ++i) {
    seconds_of([&] { return compute(i); });  // fetches memory and builds what is kept
    seconds[i].push_back(seconds_of([&] { return compute(i); }));
    best = i == 0 ? seconds[i][0] : std::min(best, seconds[i][0]);
  }
  std::vector<bool> is_close(algorithms);
  for (std::size_t i = 0; i < algorithms; ++i) is_close[i] = seconds[i][0] <= kFarBehind * best;
  const auto rounds = std::clamp(static_cast<int>(kEnough / best), kFewest, kMost);
  for (int round = 1; round < rounds; ++round) {
    for (std::size_t i = 0; i < algorithms; ++i) {
      if (is_close[i]) seconds[i].push_back(seconds_of([&] { return compute(i); }));
    }
  }
  std::vector<double> medians;
  for (auto& of_one : seconds) medians.push_back(median(std::move(of_one)));
  return medians;
}

LayerChoice measured(at::ArrayRef<std::string_view> algorithms, Compute compute) {
  const auto seconds = measure(algorithms.size(), compute);
  const auto best = std::min_element(seconds.begin(), seconds.end()) - seconds.begin();
  LayerChoice choice{std::string(algorithms[best])};
  for (std::size_t i = 0; i < seconds.size(); ++i)
    choice.seconds.emplace(algorithms[i], seconds[i]);
  return choice;
}

std::size_t place_of(const std::string& algorithm, const std::string& layer,
                     at::ArrayRef<std::string_view> algorithms) {
  const auto found = std::find(algorithms.begin(), algorithms.end(), algorithm);
  if (found == algorithms.end()) {
    throw ValueError(fmt::format("[UsePlan] {}: expected {}, got '{}'", layer,
                                 fmt::join(algorithms, " or "), algorithm));
  }
  return found - algorithms.begin();
}

/// The choice of a layer, which `make` makes where the plan does not know it.
template <typename Make>
std::size_t choose(c10::function_ref<std::string()> layer,
                   at::ArrayRef<std::string_view> algorithms, const Make& make) {
  if (!current_plan) return 0;
  const auto name = layer();
  auto& layers = current_plan->layers;
  auto found = layers.find(name);
  if (found == layers.end()) found = layers.emplace(name, make()).first;
  ++found->second.uses;
  return place_of(found->second.algorithm, name, algorithms);
}

LayerChoice first_of(at::ArrayRef<std::string_view> algorithms) {
  return {std::string(algorithms.front())};
}

}  // namespace

UsePlan::UsePlan(Plan& plan, Planning planning)
    : plan_before_(std::exchange(current_plan, &plan)),
      planning_before_(std::exchange(current_planning, planning)) {}

UsePlan::~UsePlan() {
  current_plan = plan_before_;
  current_planning = planning_before_;
}

std::size_t choose_algorithm(c10::function_ref<std::string()> layer,
                             at::ArrayRef<std::string_view> algorithms, Compute compute) {
  return choose(layer, algorithms, [&] {
    return current_planning == Planning::kMeasure && algorithms.size() > 1
               ? measured(algorithms, compute)
               : first_of(algorithms);
  });
}

std::size_t choose_algorithm(c10::function_ref<std::string()> layer,
                             at::ArrayRef<std::string_view> algorithms) {
  return choose(layer, algorithms, [&] { return first_of(algorithms); });
}

std::string sizes_name(at::IntArrayRef sizes) {
  return fmt::format("{}", fmt::join(sizes, "x"));
}

std::string stored_name(const at::Tensor& weight) {
  const auto dtype = to_dtype(weight.scalar_type());
  return !dtype || *dtype == DType::kFloat32 ? "" : ", " + std::string(name(*dtype));
}

std::string product_name(std::string_view kind, const at::Tensor& x, const at::Tensor& weight) {
  return fmt::format("{} {}x{}->{}{}", kind, x.numel() / weight.size(1), weight.size(1),
                     weight.size(0), stored_name(weight));
}

}  // namespace xattn
