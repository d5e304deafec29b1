#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace xattn::testing {

/// The key that a class maps a file's key to; nothing where the file's tensor is not the model's.
template <typename Impl>
std::optional<std::string> mapped(const std::string& key) {
  const auto targets = Impl::map_key(typename Impl::Config(), key);
  if (targets.empty()) return std::nullopt;
  EXPECT_EQ(targets.size(), 1u) << key;
  EXPECT_FALSE(targets.front().slice || targets.front().transpose || targets.front().squeeze);
  return targets.front().key;
}

}  // namespace xattn::testing
