#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>

namespace xattn::testing {

/// Remembers the largest relative error of each kind and prints the table when all tests have run;
/// the README's table of parity comes from it.
class WorstErrors : public ::testing::Environment {
 public:
  static void record(const std::string& kind, double relative_error) {
    auto& worst = table()[kind];
    worst = std::max(worst, relative_error);
  }

  void TearDown() override {
    for (const auto& [kind, worst] : table()) {
      std::printf("worst relative error, %-48s %.1e\n", kind.c_str(), worst);
    }
  }

 private:
  static std::map<std::string, double>& table() {
    static std::map<std::string, double> table;
    return table;
  }
};

inline const auto* const kWorstErrors = ::testing::AddGlobalTestEnvironment(new WorstErrors);

}  // namespace xattn::testing
