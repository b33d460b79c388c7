#pragma once
/// Moving the keys and values of a sequence to earlier positions.

#include <span>

#include "plumb/model/forward_pass.hpp"

namespace plumb::inline PLUMB_ABI {

/// Whether what a model remembers can be moved: keys and values of every position, and keys that position changes by
/// rotation alone, last of all.
bool can_shift(const ModelSpec& spec, const SessionState& state);

/// Forgets positions `gone` of sequence s and moves those that follow into their place. can_shift() must hold.
void shift(const Transformer& model, std::span<const ops::RopeTable> ropes, SessionState& state, int s, Range gone,
           int threads);

}  // namespace plumb
