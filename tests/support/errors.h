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

/// Expects that `call` throws a `ValueError` whose message holds `part`.
template <typename Call>
void expect_value_error_with(Call&& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "no error; expected: " << part;
  } catch (const ValueError& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
        << error.what() << "\nexpected: " << part;
  }
}

/// The message of the `Thrown` that `call` throws, or "no error".
template <typename Thrown = Error, typename Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const Thrown& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace xattn::testing
