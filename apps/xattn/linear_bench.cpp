#include "linear_bench.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include <algorithm>

#include "support/difference.h"
#include "timing.h"
#include "xattn/ops/linear.h"

namespace xattn::apps {
namespace {

/// The median of some calls in a row, enough to fill a turn.
template <typename Work>
double turn(const Work& work) {
  const auto once = seconds_of(work);  // warms the caches, too
  std::vector<double> seconds;
  for (auto left = std::clamp(static_cast<int>(0.01 / once), 1, 100); left > 0; --left) {
    seconds.push_back(seconds_of(work));
  }
  return median(seconds);
}

}  // namespace

std::string LinearCase::name() const {
  return fmt::format("Linear {}x{}->{}", rows, in, out);
}

std::vector<LinearCase> linear_cases() {
  std::vector<LinearCase> cases;
  for (const int64_t batch : {1, 2}) {
    // Transformer blocks, with square layers and those of the feed-forward part.
    for (const auto& [tokens, width] : {std::pair<int64_t, int64_t>{4096, 320},
                                        {4096, 640},
                                        {1024, 640},
                                        {1024, 1280},
                                        {256, 1280},
                                        {64, 1280}}) {
      const auto rows = batch * tokens;
      cases.push_back({rows, width, width});
      cases.push_back({rows, width, 8 * width});
      cases.push_back({rows, 4 * width, width});
    }
    // Keys and values of the text.
    for (const int64_t text : {768, 1024, 2048}) {
      for (const int64_t width : {320, 640, 1280}) cases.push_back({batch * 77, text, width});
    }
    // Text encoders.
    for (const int64_t width : {768, 1024, 1280}) {
      cases.push_back({batch * 77, width, width});
      cases.push_back({batch * 77, width, 4 * width});
      cases.push_back({batch * 77, 4 * width, width});
    }
    // Time embeddings.
    cases.push_back({batch, 320, 1280});
    cases.push_back({batch, 1280, 1280});
    cases.push_back({batch, 1280, 320});
  }
  return cases;
}

nlohmann::ordered_json measure_linear(const LinearCase& test, int rounds) {
  const auto x = at::randn({test.rows, test.in}), weight = at::randn({test.out, test.in}),
             bias = at::randn({test.out});
  const auto ours = [&] { return xattn::linear(x, weight, bias); };
  const auto theirs = [&] { return at::linear(x, weight, bias); };
  std::vector<double> our_seconds, their_seconds, ratios;
  for (int round = 0; round < rounds; ++round) {
    our_seconds.push_back(turn(ours));
    their_seconds.push_back(turn(theirs));
    ratios.push_back(their_seconds.back() / our_seconds.back());
  }
  return {{"case", test.name()},
          {"milliseconds", median(our_seconds) * 1e3},
          {"milliseconds_of_libtorch", median(their_seconds) * 1e3},
          {"times_as_fast_as_libtorch", median(ratios)},
          {"difference", difference(ours(), theirs()).relative()}};
}

}  // namespace xattn::apps
