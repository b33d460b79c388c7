#pragma once
/// Expecting a plumb::Error with a certain code and text.

#include <gtest/gtest.h>

#include <exception>
#include <string>
#include <string_view>

#include "plumb/core/error.hpp"

namespace plumb::test {

/// Runs `action`; fails the test unless it throws plumb::Error with this code. Answers the message.
template <class Action>
std::string expect_error(ErrorCode code, Action&& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(error_code_name(e.code()), error_code_name(code)) << "message: " << e.what();
    return e.what();
  } catch (const std::exception& e) {
    ADD_FAILURE() << "threw something else than plumb::Error: " << e.what();
    return {};
  }
  ADD_FAILURE() << "did not throw, expected " << error_code_name(code);
  return {};
}

}  // namespace plumb::test
