#pragma once
/// @file
/// A bound on an option, said the same way by everything that measures.

#include <string>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {

/// @throws Error{invalid_argument} naming the option if `value` is below `low`.
inline void at_least(const char* name, int value, int low) {
  if (value < low)
    throw Error(ErrorCode::invalid_argument,
                std::string(name) + " is " + std::to_string(value) + ", expected at least " + std::to_string(low));
}

}  // namespace plumb
