// MiniMax M2: norms over all heads of q and k, a part of each head rotated, experts in every layer that are chosen by
// sigmoids with a bias of the choice. The usual key of a width is that of an expert.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace minimax {
namespace {

ModelSpec read_minimax_m2(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  norm_queries_and_keys(spec, QkNormOver::all_heads);
  spec.ropes[0].dims = keys.count_or({"", "rotary_dim"}, spec.ropes[0].dims, SpecLimits::kHeadDim);
  const int inner = dense_inner(spec);
  ExpertStyle experts;
  experts.fallback_inner = inner;
  experts.sigmoid = true;
  experts.choice_bias = keys.flag_or({"", "use_routing_bias"}, true);
  read_experts(keys, spec, experts);
  const bool sigmoid = first_experts(spec)->routing.sigmoid;
  for_each_experts(spec, [&](ExpertsSpec& own) {
    own.expert.inner = inner;
    own.shared.inner = 0;
  });
  plain_expert_weights(spec, sigmoid);
  return spec;
}

constexpr Alias kNames[] = {{"num_experts", "num_local_experts"}, {"moe_intermediate_size", "intermediate_size"}};
constexpr ModelType kTypes[] = {
    {"minimax_m2",
     R"({"max_position_embeddings":196608,"rms_norm_eps":1e-6,"num_key_value_heads":8,"rope_theta":5000000.0,
         "num_experts_per_tok":8,"num_local_experts":256})",
     kNames}};

constexpr Place kOwnPlaces[] = {
    {TensorRole::router_choice_bias, "block_sparse_moe.e_score_correction_bias", nullptr, Suffix::none},
};
constexpr auto kPlaces = joined(kMixtralPlaces, kOwnPlaces);

constexpr Family kFamilies[] = {{.architecture = "minimax-m2",
                                 .models = "MiniMax M2",
                                 .read = read_minimax_m2,
                                 .types = kTypes,
                                 .folder = {.places = kPlaces}}};

}  // namespace
}  // namespace minimax

std::span<const Family> minimax_families() { return minimax::kFamilies; }

}  // namespace plumb::family
