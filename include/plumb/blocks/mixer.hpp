#pragma once
/// @file
/// Mixers: what lets positions see each other. A new kind is a page of its own beside these, an alternative of the two
/// variants below and its line in each of the functions that follow: the compiler asks for them.

#include <span>
#include <variant>

#include "plumb/blocks/attention.hpp"
#include "plumb/blocks/delta_net.hpp"
#include "plumb/blocks/latent_attention.hpp"
#include "plumb/blocks/part.hpp"
#include "plumb/blocks/rwkv.hpp"
#include "plumb/blocks/short_conv.hpp"
#include "plumb/blocks/state_space.hpp"

namespace plumb::inline PLUMB_ABI {

using Mixer =
    std::variant<Nothing, AttentionSpec, LatentAttentionSpec, DeltaNetSpec, ShortConvSpec, StateSpaceSpec, RwkvSpec>;
using MixerWeights = std::variant<Nothing, AttentionWeights, LatentAttentionWeights, DeltaNetWeights, ShortConvWeights,
                                  StateSpaceWeights, RwkvWeights>;

/// Dimensions that a table turns; 0 for index -1 and for a table that turns nothing.
inline int rotated_dims(std::span<const RopeSpec> ropes, int rope) {
  if (rope < 0) return 0;
  const RopeSpec& table = ropes[static_cast<std::size_t>(rope)];
  return table.pairs == RopePairs::none ? 0 : table.dims;
}

inline void mixer_tensors(const Mixer& mixer, int width, MixerWeights& w, const TensorList& list) {
  match(
      mixer, [](const Nothing&) {},
      [&](const AttentionSpec& s) { attention_tensors(s, width, weights_as<AttentionWeights>(w), list); },
      [&](const LatentAttentionSpec& s) {
        latent_attention_tensors(s, width, weights_as<LatentAttentionWeights>(w), list);
      },
      [&](const DeltaNetSpec& s) { delta_net_tensors(s, width, weights_as<DeltaNetWeights>(w), list); },
      [&](const ShortConvSpec& s) { short_conv_tensors(s, width, weights_as<ShortConvWeights>(w), list); },
      [&](const StateSpaceSpec& s) { state_space_tensors(s, width, weights_as<StateSpaceWeights>(w), list); },
      [&](const RwkvSpec& s) { rwkv_tensors(s, width, weights_as<RwkvWeights>(w), list); });
}

/// Fills in what follows from a mixer's spec and the weights that were stored.
inline void mixer_derive(const Mixer& mixer, MixerWeights& w) {
  match(
      mixer, [](const Nothing&) {}, [&](const AttentionSpec& s) { attention_derive(s, std::get<AttentionWeights>(w)); },
      [](const LatentAttentionSpec&) {},
      [&](const DeltaNetSpec& s) { delta_net_derive(s, std::get<DeltaNetWeights>(w)); },
      [&](const ShortConvSpec& s) { short_conv_derive(s, std::get<ShortConvWeights>(w)); },
      [&](const StateSpaceSpec& s) { state_space_derive(s, std::get<StateSpaceWeights>(w)); }, [](const RwkvSpec&) {});
}

/// What a sequence remembers for a mixer of a stream of that width.
inline LayerState mixer_state(const Mixer& mixer, int width) {
  return match(
      mixer, [](const Nothing&) -> LayerState { return {}; },
      [](const AttentionSpec& s) -> LayerState { return attention_state(s); },
      [](const LatentAttentionSpec& s) -> LayerState { return latent_attention_state(s); },
      [](const DeltaNetSpec& s) { return delta_net_state(s); },
      [](const ShortConvSpec& s) { return short_conv_state(s); },
      [](const StateSpaceSpec& s) { return state_space_state(s); },
      [&](const RwkvSpec& s) { return rwkv_state(s, width); });
}

inline void mixer_work(const Mixer& mixer, int width, std::span<const RopeSpec> ropes, WorkWriter& writer) {
  match(
      mixer, [](const Nothing&) {},
      [&](const AttentionSpec& s) { attention_work(s, width, rotated_dims(ropes, s.rope), writer); },
      [&](const LatentAttentionSpec& s) {
        latent_attention_work(s, width, rotated_dims(ropes, s.rope), rotated_dims(ropes, s.indexer.rope), writer);
      },
      [&](const DeltaNetSpec& s) { delta_net_work(s, width, writer); },
      [&](const ShortConvSpec& s) { short_conv_work(s, width, writer); },
      [&](const StateSpaceSpec& s) { state_space_work(s, width, writer); },
      [&](const RwkvSpec& s) { rwkv_work(s, width, writer); });
}

inline void mixer_scratch(const Mixer& mixer, ScratchSizes& sizes) {
  match(
      mixer, [](const Nothing&) {}, [&](const AttentionSpec& s) { attention_scratch(s, sizes); },
      [&](const LatentAttentionSpec& s) { latent_attention_scratch(s, sizes); },
      [&](const DeltaNetSpec& s) { delta_net_scratch(s, sizes); },
      [&](const ShortConvSpec& s) { short_conv_scratch(s, sizes); },
      [&](const StateSpaceSpec& s) { state_space_scratch(s, sizes); },
      [&](const RwkvSpec& s) { rwkv_scratch(s, sizes); });
}

/// @throws Error{bad_value} for a mixer that makes no sense.
inline void mixer_check(const Mixer& mixer, std::span<const RopeSpec> ropes, const SpecChecker& check) {
  const int tables = static_cast<int>(ropes.size());
  const auto turns = [&](const char* field, int rope, int dims) {
    if (rope >= 0) check.in_range(field, ropes[static_cast<std::size_t>(rope)].dims, 2, dims);
  };
  match(
      mixer, [](const Nothing&) {},
      [&](const AttentionSpec& s) {
        attention_check(s, tables, check);
        turns("rope.dims", s.rope, s.head_dim);
      },
      [&](const LatentAttentionSpec& s) {
        latent_attention_check(s, tables, check);
        turns("rope.dims", s.rope, s.rope_dims);
        turns("indexer's rope.dims", s.indexer.rope, s.indexer.dims);
      },
      [&](const DeltaNetSpec& s) { delta_net_check(s, check); },
      [&](const ShortConvSpec& s) { short_conv_check(s, check); },
      [&](const StateSpaceSpec& s) { state_space_check(s, check); }, [&](const RwkvSpec& s) { rwkv_check(s, check); });
}

/// Why a mixer cannot be run here; empty when it can.
inline Refusal mixer_refuses(const Mixer& mixer) {
  return match(
      mixer, [](const Nothing&) -> Refusal { return {}; }, [](const AttentionSpec& s) { return attention_refuses(s); },
      [](const LatentAttentionSpec& s) { return latent_attention_refuses(s); },
      [](const DeltaNetSpec& s) { return delta_net_refuses(s); },
      [](const ShortConvSpec& s) { return short_conv_refuses(s); },
      [](const StateSpaceSpec& s) { return state_space_refuses(s); },
      [](const RwkvSpec& s) { return rwkv_refuses(s); });
}

}  // namespace plumb
