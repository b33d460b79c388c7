#pragma once
/// Numbers as pages write them: a few digits and a unit, decimal units throughout.

#include <string>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI::page {

/// "812 MB", "4.66 GB"; "-" for nothing.
std::string bytes_text(double bytes);
/// "3.21 ms", "61.7 us", "1.04 s"; "-" for nothing.
std::string seconds_text(double seconds);
/// "41.2 tokens/s"; "-" for nothing.
std::string rate_text(double tokens_per_second);
/// "1.24B", "260k": how many.
std::string count_text(double count);
/// "31.4": so many digits, without exponents; "-" for what is not above zero.
std::string number_text(double value, int digits = 3);

}  // namespace plumb::inline PLUMB_ABI::page
