// dots.llm1: norms of the heads of q and k, leading dense layers, then experts beside one that all rows visit.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace dots {
namespace {

ModelSpec read_dots1(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  norm_queries_and_keys(spec, QkNormOver::head);
  ExpertStyle experts;
  experts.sigmoid = experts.choice_bias = true;
  experts.renormalise = false;
  read_experts(keys, spec, experts);
  return spec;
}

constexpr Alias kNames[] = {{"num_experts", "n_routed_experts"}};
constexpr ModelType kTypes[] = {
    {"dots1",
     R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6,"first_k_dense_replace":0,"norm_topk_prob":false})",
     kNames}};

constexpr Family kFamilies[] = {{"dots1", "dots.llm1", read_dots1, kTypes}};

}  // namespace
}  // namespace dots

std::span<const Family> dots_families() { return dots::kFamilies; }

}  // namespace plumb::family
