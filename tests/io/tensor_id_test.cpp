#include "plumb/io/tensor_id.hpp"

#include <gtest/gtest.h>

namespace plumb::tensor_id_test {
namespace {

TEST(GgufNames, AreTakenApart) {
  const GgufName down = split_gguf_name("blk.17.ffn_down_exps.weight");
  EXPECT_EQ(down.base, "ffn_down_exps");
  EXPECT_EQ(down.suffix, ".weight");
  EXPECT_EQ(down.layer, 17);
  EXPECT_EQ(split_gguf_name("output.bias").base, "output");
  EXPECT_EQ(split_gguf_name("output.bias").suffix, ".bias");
  EXPECT_EQ(split_gguf_name("output.weight").layer, -1);
  EXPECT_EQ(split_gguf_name("blk.x.weight").base, "blk.x");
  EXPECT_EQ(split_gguf_name("blk.99999999999999.a.weight").layer, -1);
  EXPECT_EQ(split_gguf_name("blk.1").base, "blk.1");
  EXPECT_EQ(split_gguf_name("").base, "");
}

TEST(GgufNames, OfRolesAreReadBack) {
  for (const RoleNames& names : kRoleNames)
    for (const int layer : {-1, 0, 12}) {
      const TensorId id{names.role, layer, false};
      EXPECT_EQ(tensor_id_of_gguf_name(gguf_tensor_name(id)), id) << gguf_tensor_name(id);
      const bool one_name = names.role == TensorRole::router_choice_bias || names.role == TensorRole::ssm_a ||
                            names.role == TensorRole::ssm_d;
      if (one_name || is_scale_role(names.role)) continue;  // have no bias
      const TensorId bias{names.role, layer, true};
      EXPECT_EQ(tensor_id_of_gguf_name(gguf_tensor_name(bias)), bias) << gguf_tensor_name(bias);
    }
  for (const char* name : {"blk.0.attn_kv_b.weight", "blk.0.nextn.eh_proj.weight", "", "blk.", ".weight"})
    EXPECT_EQ(tensor_id_of_gguf_name(name), std::nullopt) << name;
}

// What quantizers, predictions and random models take for weights: everything but norms, routers and small tables.
TEST(TensorRoles, NormsRoutersAndTablesAreNoMatrices) {
  for (const RoleNames& names : kRoleNames) {
    const bool other = names.name.ends_with("norm") || names.name.find("router") != std::string_view::npos ||
                       names.name.starts_with("rope_") || names.role == TensorRole::position_embedding ||
                       names.role == TensorRole::token_types || names.role == TensorRole::attn_sinks ||
                       names.role == TensorRole::layer_scale || names.role == TensorRole::expert_scale ||
                       names.role == TensorRole::altup_predict || names.role == TensorRole::altup_correct ||
                       names.role == TensorRole::altup_scale || names.name.starts_with("ssm_conv") ||
                       names.role == TensorRole::shortconv_conv || names.role == TensorRole::ssm_a ||
                       names.role == TensorRole::ssm_d || names.role == TensorRole::indexer_weights ||
                       names.role == TensorRole::mix_lerp || names.role == TensorRole::mix_decay ||
                       names.role == TensorRole::mix_rate || names.role == TensorRole::mix_first ||
                       names.role == TensorRole::mix_key_scale || names.role == TensorRole::mix_key_rate ||
                       names.role == TensorRole::mix_bonus || names.role == TensorRole::ffn_shift;
    EXPECT_EQ(is_matrix_role(names.role), !other) << names.name;
  }
}

}  // namespace
}  // namespace plumb::tensor_id_test
