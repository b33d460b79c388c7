// Kimi Linear with other hyper-parameters than the recorded model has: what config.json says stands in the spec, reads
// back from a file, and runs the same in every cut; what makes no sense or is not run is refused by name.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/families/same_spec.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"
#include "tests/support/specs.hpp"

namespace plumb::kimi_linear_test {
namespace {

/// A config.json of 4 layers with some fields changed: null takes one away.
std::string json_of(const char* changes) {
  nlohmann::json json = nlohmann::json::parse(R"({"model_type":"kimi_linear","vocab_size":300,"hidden_size":48,
    "intermediate_size":40,"head_dim":12,"num_hidden_layers":4,"num_attention_heads":3,"num_key_value_heads":3,
    "model_max_length":64,"rms_norm_eps":1e-5,"kv_lora_rank":20,"qk_nope_head_dim":10,"qk_rope_head_dim":6,
    "v_head_dim":14,"mla_use_nope":true,"num_experts":6,"num_experts_per_token":2,"num_shared_experts":1,
    "moe_intermediate_size":24,"first_k_dense_replace":1,"routed_scaling_factor":2.5,"linear_attn_config":{
    "kda_layers":[1,2,4],"full_attn_layers":[3],"head_dim":16,"num_heads":3,"short_conv_kernel_size":4}})");
  json.merge_patch(nlohmann::json::parse(changes));
  return json.dump();
}
ModelSpec spec_of(const char* changes = "{}") { return spec_from_json(json_of(changes), "config.json"); }

const char* const kVariants[] = {
    "{}",
    R"({"num_attention_heads":5,"linear_attn_config":{"num_heads":5,"head_dim":7}})",
    R"({"num_attention_heads":1,"linear_attn_config":{"num_heads":1,"head_dim":40,"short_conv_kernel_size":1}})",
    R"({"linear_attn_config":{"kda_layers":[2,3],"full_attn_layers":[1,4],"short_conv_kernel_size":7}})",
    R"({"linear_attn_config":{"kda_layers":[1,2,3,4],"full_attn_layers":[]},"kv_lora_rank":null})",
    R"({"linear_attn_config":{"kda_layers":[],"full_attn_layers":[1,2,3,4]}})",
    R"({"linear_attn_config":null,"q_lora_rank":9})",
    R"({"q_lora_rank":18,"qk_rope_head_dim":0})",
    R"({"num_experts":null})",
    R"({"num_experts":8,"num_expert_group":4,"topk_group":2,"num_experts_per_token":3,"num_shared_experts":2})",
    R"({"num_shared_experts":0,"moe_router_activation_func":"softmax","tie_word_embeddings":true})",
    R"({"moe_layer_freq":2,"first_k_dense_replace":0})",
};

TEST(KimiLinear, VariantsReadBackFromAFile) {
  for (const char* changes : kVariants) {
    SCOPED_TRACE(changes);
    const ModelSpec spec = spec_of(changes);
    test::expect_same(test::through_a_file(spec), spec);
  }
}

/// However a text is cut, on any number of threads, and cut back and read on.
TEST(KimiLinear, VariantsRunTheSameInEveryCut) {
  std::vector<Token> tokens;
  for (int i = 0; i < 11; ++i) tokens.push_back((i * 37 + 5) % 300);
  for (const char* changes : kVariants) {
    SCOPED_TRACE(changes);
    const Model own = Model::random(spec_of(changes), WeightTypes(DType::f32), 3);
    const std::vector<float> whole = test::all_logits(own, tokens, tokens.size(), {.context = 32, .threads = 1});
    EXPECT_TRUE(std::ranges::all_of(whole, [](float logit) { return std::isfinite(logit); }));
    EXPECT_EQ(test::all_logits(own, tokens, 1, {.context = 32, .threads = 3}), whole);
    EXPECT_EQ(test::all_logits(own, tokens, 4, {.context = 32, .threads = 8}), whole);
    Session session(own, {.context = 32, .threads = 2, .sequences = 2});
    session.prefill(tokens, 0);
    session.copy(0, 1, 5);
    session.truncate(0, 5);
    for (const int sequence : {0, 1}) {
      session.prefill(std::span(tokens).subspan(5), sequence);
      EXPECT_TRUE(std::ranges::equal(session.logits(), std::span(whole).last(300))) << sequence;
    }
  }
}

TEST(KimiLinear, FieldsStandInTheSpec) {
  const ModelSpec spec = spec_of(R"({"q_lora_rank":18,"linear_attn_config":{"head_dim":8}})");
  EXPECT_EQ(spec.context, 64);
  EXPECT_TRUE(spec.ropes.empty());
  const auto& net = std::get<DeltaNetSpec>(spec.layers[3].mixer);
  EXPECT_EQ(net.k_heads, 3);
  EXPECT_EQ(net.v_heads, 3);
  EXPECT_EQ(net.v_dim, 8);
  EXPECT_EQ(net.decay_rank, 8);
  EXPECT_EQ(net.gate_rank, 8);
  EXPECT_TRUE(net.sigmoid_gate);
  const auto& latent = std::get<LatentAttentionSpec>(spec.layers[2].mixer);
  EXPECT_EQ(latent.q_rank, 18);
  EXPECT_EQ(latent.rope_dims, 6);
  EXPECT_EQ(latent.rope, -1);
  EXPECT_TRUE(std::holds_alternative<DenseSpec>(spec.layers[0].ffn));
  const ExpertsSpec& experts = *first_experts(spec);
  EXPECT_TRUE(experts.choice_bias && experts.routing.sigmoid && experts.routing.renormalise);
  EXPECT_EQ(experts.routing.weight_scale, 2.5f);
  // Either list tells all, and a model that was cut short may keep the lists of the whole.
  test::expect_same(spec_of(R"({"linear_attn_config":{"kda_layers":null}})"), spec_of());
  test::expect_same(spec_of(R"({"linear_attn_config":{"full_attn_layers":null}})"), spec_of());
  test::expect_same(spec_of(R"({"linear_attn_config":{"kda_layers":[1,2,4,5,6],"full_attn_layers":[3,7]}})"),
                    spec_of());
  test::expect_same(spec_of(R"({"model_max_length":null,"max_position_embeddings":64})"), spec_of());
}

TEST(KimiLinear, WhatMakesNoSenseOrIsNotRunIsRefusedByName) {
  struct Case {
    const char *changes, *mention;
    ErrorCode code = ErrorCode::bad_value;
  };
  constexpr ErrorCode kUnknown = ErrorCode::unsupported_architecture, kMissing = ErrorCode::missing_key;
  const Case cases[] = {
      {R"({"linear_attn_config":{"kda_layers":[1,2]}})", "layer 4 neither"},
      {R"({"linear_attn_config":{"kda_layers":[1,2,3,4]}})", "layer 3 both"},
      {R"({"linear_attn_config":{"kda_layers":[0,1,2,4]}})", "kda_layers"},
      {R"({"linear_attn_config":{"full_attn_layers":[-3]}})", "full_attn_layers"},
      {R"({"linear_attn_config":{"kda_layers":[1.5]}})", "kda_layers"},
      {R"({"linear_attn_config":{"kda_layers":"all"}})", "kda_layers", ErrorCode::wrong_type},
      {R"({"linear_attn_config":{"kda_layers":null,"full_attn_layers":null}})", "kda_layers", kMissing},
      {R"({"linear_attn_config":{"head_dim":null}})", "linear_attn_config", kMissing},
      {R"({"linear_attn_config":{"head_dim":0}})", "head_dim"},
      {R"({"linear_attn_config":{"num_heads":null}})", "num_heads", kMissing},
      {R"({"linear_attn_config":{"num_heads":100000}})", "num_heads"},
      {R"({"linear_attn_config":{"num_heads":16384,"head_dim":4096}})", "delta.channels"},
      {R"({"linear_attn_config":{"short_conv_kernel_size":0}})", "short_conv_kernel_size"},
      {R"({"linear_attn_config":{"short_conv_kernel_size":1000}})", "short_conv_kernel_size"},
      {R"({"linear_attn_config":[1]})", "linear_attn_config", ErrorCode::wrong_type},
      {R"({"linear_attn_config":{"use_full_rank_gate":true}})", "use_full_rank_gate", kUnknown},
      {R"({"linear_attn_config":{"gate_lower_bound":-5.0}})", "gate_lower_bound", kUnknown},
      {R"({"mla_use_nope":false})", "mla_use_nope", kUnknown},
      {R"({"mla_use_output_gate":true})", "mla_use_output_gate", kUnknown},
      {R"({"attn_res_block_size":12})", "attn_res_block_size", kUnknown},
      {R"({"routed_expert_hidden_size":24})", "routed_expert_hidden_size", kUnknown},
      {R"({"latent_moe_use_norm":true})", "latent_moe_use_norm", kUnknown},
      {R"({"hidden_act":"situ"})", "hidden_act"},
      {R"({"kv_lora_rank":null})", "kv_lora_rank", kMissing},
      {R"({"num_experts_per_token":7})", "num_experts_per_token"},
      {R"({"num_expert_group":4})", "groups"},
      {R"({"moe_router_activation_func":"tanh"})", "moe_router_activation_func"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.changes);
    const std::string message = test::expect_error(c.code, [&] { spec_of(c.changes); });
    EXPECT_NE(message.find(c.mention), std::string::npos) << message;
    EXPECT_NE(message.find("config.json"), std::string::npos) << message;
  }
}

/// GGUF files have one number of heads for both kinds of layers, and their weights are always divided by the sum.
TEST(KimiLinear, WhatFilesCannotSayIsNotWritten) {
  const auto refused = [](const char* changes, const char* mention) {
    SCOPED_TRACE(changes);
    GgufWriter writer;
    const std::string message =
        test::expect_error(ErrorCode::unsupported_architecture, [&] { write_spec(writer, spec_of(changes)); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  refused(R"({"linear_attn_config":{"num_heads":4}})", "layer 0: delta.k_heads");
  refused(R"({"moe_renormalize":false})", "experts.renormalise");
}

}  // namespace
}  // namespace plumb::kimi_linear_test
