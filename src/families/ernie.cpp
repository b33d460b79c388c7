// ERNIE 4.5 with experts: leading dense layers, then experts that are chosen by a softmax with a bias of the choice,
// beside those that all rows visit. The dense models are in llama_kin.cpp.

#include <limits>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace ernie {
namespace {

ModelSpec read_ernie_moe(const Keys& keys) {
  ModelSpec spec = read_decoder(keys, {});
  const int first = keys.natural_or({"", "moe_layer_start_index"}, 0, SpecLimits::kLayers);
  const int step = keys.count_or({"interleave_moe_layer_step", "moe_layer_interval"}, 1, SpecLimits::kLayers);
  const Field end{"", "moe_layer_end_index"};  // -1: the last layer
  const int last = keys.has(end) && keys.real(end) >= 0 ? keys.natural_or(end, 0, SpecLimits::kLayers)
                                                        : std::numeric_limits<int>::max();
  ExpertStyle experts;
  experts.choice_bias = keys.flag_or({"", "moe_use_aux_free"}, true);
  experts.sparse = [=](int layer) { return layer >= first && layer <= last && (layer + 1) % step == 0; };
  read_experts(keys, spec, experts);
  plain_expert_weights(spec, false);
  return spec;
}

/// Layers with experts are told by their tensors here; other engines ask for the period.
void write_ernie_moe(GgufWriter& writer, const ModelSpec&) {
  writer.set("ernie4_5-moe.interleave_moe_layer_step", std::uint32_t{1});
}

constexpr Alias kNames[] = {{"num_experts", "moe_num_experts"},
                            {"num_experts_per_tok", "moe_k"},
                            {"n_shared_experts", "moe_num_shared_experts"},
                            {"first_k_dense_replace", "moe_layer_start_index"},
                            {"attention_bias", "use_bias"},
                            {"mlp_bias", "use_bias"}};
constexpr ModelType kTypes[] = {
    {"ernie4_5_moe",
     R"({"max_position_embeddings":131072,"rms_norm_eps":1e-5,"num_key_value_heads":4,"rope_theta":500000.0,
         "tie_word_embeddings":true,"moe_intermediate_size":1536,"moe_k":6,"moe_num_experts":64,
         "moe_num_shared_experts":2,"moe_layer_start_index":1,"moe_layer_end_index":-1,"moe_layer_interval":1})",
     kNames}};

constexpr Place kPlaces[] = {
    {TensorRole::router_choice_bias, "mlp.moe_statics.e_score_correction_bias", nullptr, Suffix::none},
};

constexpr Family kFamilies[] = {
    {.architecture = "ernie4_5-moe",
     .models = "ERNIE 4.5 with experts",
     .read = read_ernie_moe,
     .types = kTypes,
     .write = write_ernie_moe,
     .folder = {.places = kPlaces}},
};

}  // namespace
}  // namespace ernie

std::span<const Family> ernie_families() { return ernie::kFamilies; }

}  // namespace plumb::family
