#pragma once
/// Keys of state-space scans, which several families share.

#include "keys.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI::family {

/// Mamba 2: heads, groups, sizes. Fields of config.json by the names of `mamba2`, but for the length of a head,
/// `mamba_head_dim`. Its norm and the bias of its convolution are a layer's (put_state_space).
StateSpaceSpec read_mamba2(const Keys& keys, const ModelSpec& spec);
/// Mamba 1: the rank of its steps. Fields by the names of `mamba`.
StateSpaceSpec read_mamba1(const Keys& keys, const ModelSpec& spec);

/// `like` as layer `layer` has it: with a bias of the convolution or without.
/// @throws Error{unsupported_type} where its projections have biases.
StateSpaceSpec state_space_of(const Keys& keys, const StateSpaceSpec& like, int layer);

/// The layers whose mixer is nothing get a state space. `norm`: Mamba 2 norms its output.
void fill_with_mamba2(const Keys& keys, ModelSpec& spec);
void fill_with_mamba1(const Keys& keys, ModelSpec& spec, const std::optional<NormSpec>& step_norm);

/// The first state space of a model, be it beside another mixer; nullptr: none.
const StateSpaceSpec* first_state_space(const ModelSpec& spec);
/// Its keys.
void write_state_space(GgufWriter& writer, const ModelSpec& spec);
/// KV heads of every layer, 0 where it has no attention.
void write_kv_heads(GgufWriter& writer, const ModelSpec& spec);

}  // namespace plumb::family
