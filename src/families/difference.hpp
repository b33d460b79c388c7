#pragma once
/// Where two specs differ, in words: what a file cannot say of a spec is found by reading back what it does say. And
/// what a spec says, for fingerprints.

#include <string>

#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI::family {

/// The first difference: "layer 3: attention.window is 512 and not 0"; empty for equal specs. Names do not count.
std::string difference(const ModelSpec& a, const ModelSpec& b);

/// All fields but names, a line each: "layer 3: attention.window=512". Equal for equal specs alone.
std::string description(const ModelSpec& spec);

}  // namespace plumb::family
