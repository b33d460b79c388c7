#pragma once
/// @file
/// Quantities as people type them: "50ms", "6GB", "1.5GiB".

#include <cstdint>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Seconds. Units: ns, us, ms, s, min, h, one of which must be there: "50" might be meant as milliseconds. Spaces
/// between number and unit are fine, case does not matter. `name` names the option in messages. @throws
/// Error{invalid_argument} for anything else, and for numbers that are not finite and above zero.
double parse_seconds(std::string_view text, std::string_view name);

/// Bytes. Units: B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (powers of 1024), and K, M, G, T for the
/// latter, as in other commands; one must be there. @throws as parse_seconds.
double parse_bytes(std::string_view text, std::string_view name);

/// A count: 1000, 1k, 1.5M, 7B, 1T (powers of 1000). @throws as parse_seconds.
double parse_count(std::string_view text, std::string_view name);

/// A number of tokens, positions or rows: 4096, 8k (8192, as contexts are named), 1.5k, 1M. Whole, zero or more.
/// @throws as parse_seconds.
std::int64_t parse_tokens(std::string_view text, std::string_view name);

}  // namespace plumb
