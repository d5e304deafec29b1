#pragma once

#include <gtest/gtest.h>

#include <string>

#include "xattn/core/error.h"

namespace xattn::testing {

/// Expects that `call` throws a `ValueError` with exactly this message.
template <typename Call>
void expect_value_error(Call&& call, const std::string& message) {
  try {
    call();
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const ValueError& error) {
    EXPECT_EQ(error.what(), message);
  }
}

}  // namespace xattn::testing
