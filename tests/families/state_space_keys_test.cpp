// Keys of families with state spaces: variants are read, what makes no sense and what is not run is refused by name.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "plumb/io/gguf.hpp"
#include "plumb/model/family.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/gguf_builder.hpp"

namespace plumb::state_space_keys_test {
namespace {

/// A config.json of the type with some fields changed: null takes one away.
ModelSpec read_json(const char* type, const char* changes) {
  nlohmann::json json = nlohmann::json::parse(R"({"vocab_size":64,"hidden_size":48,"intermediate_size":40,
    "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":16,"num_heads":6,"n_groups":2,
    "state_size":20,"expand":2,"mamba_num_heads":6,"mamba_head_dim":16,"ssm_state_size":20,"mamba_n_heads":6,
    "mamba_n_groups":3,"mamba_d_state":8,"mamba_d_ssm":96,"hybrid_override_pattern":"M*-","num_local_experts":0,
    "shared_intermediate_size":40,"num_experts":1,"attn_layer_period":3,"attn_layer_offset":1})");
  json["model_type"] = type;
  json.merge_patch(nlohmann::json::parse(changes));
  return spec_from_json(json.dump(), "config.json");
}
const StateSpaceSpec& space_of(const Mixer& mixer) { return std::get<StateSpaceSpec>(mixer); }

TEST(StateSpaceKeys, VariantsOfConfigsAreRead) {
  EXPECT_EQ(space_of(read_json("mamba2", "{}").layers[0].mixer).groups, 2);
  EXPECT_FALSE(space_of(read_json("mamba2", R"({"use_conv_bias":false})").layers[2].mixer).conv_bias);
  EXPECT_EQ(space_of(read_json("mamba", R"({"time_step_rank":"auto"})").layers[0].mixer).rank, 3);
  EXPECT_EQ(space_of(read_json("mamba", R"({"time_step_rank":7})").layers[0].mixer).rank, 7);
  const ModelSpec granite = read_json("granitemoehybrid", R"({"mamba_d_head":"auto"})");
  EXPECT_EQ(space_of(granite.layers[1].mixer).head_dim(), 16);
  EXPECT_TRUE(granite.ropes.empty());
  const ModelSpec turned = read_json(
      "granitemoehybrid", R"({"position_embedding_type":"rope","layer_types":["attention","mamba","mamba"]})");
  EXPECT_EQ(turned.ropes.size(), 1u);
  const ModelSpec nemotron = read_json("nemotron_h", "{}");
  EXPECT_EQ(space_of(nemotron.layers[0].mixer).inner, 96);
  EXPECT_FALSE(nemotron.layers[1].ffn_branch.norm.has_value());
  EXPECT_FALSE(nemotron.layers[2].mixer_branch.norm.has_value());
  const ModelSpec falcon = read_json("falcon_h1", "{}");
  EXPECT_FALSE(space_of(falcon.layers[0].beside).norm.has_value());
  EXPECT_TRUE(
      space_of(read_json("falcon_h1", R"({"mamba_rms_norm":true,"mamba_norm_before_gate":false})").layers[0].beside)
          .norm.has_value());
  const ModelSpec jamba = read_json("jamba", "{}");
  EXPECT_TRUE(std::holds_alternative<AttentionSpec>(jamba.layers[1].mixer));
  EXPECT_TRUE(space_of(jamba.layers[2].mixer).step_norm.has_value());
}

TEST(StateSpaceKeys, ConfigsThatMakeNoSenseAreRefusedByName) {
  struct Case {
    const char *type, *changes, *mention;
    ErrorCode code = ErrorCode::bad_value;
  };
  constexpr ErrorCode kUnsupported = ErrorCode::unsupported_type;
  const Case cases[] = {
      {"mamba2", R"({"n_groups":0})", "n_groups"},
      {"mamba2", R"({"n_groups":4})", "n_groups"},
      {"mamba2", R"({"num_heads":5})", "head_dim"},
      {"mamba2", R"({"num_heads":0})", "num_heads"},
      {"mamba2", R"({"head_dim":1048576})", "head_dim"},
      {"mamba2", R"({"expand":1000000,"mamba_d_ssm":null})", "expand"},
      {"mamba2", R"({"state_size":0})", "state_size"},
      {"mamba2", R"({"conv_kernel":0})", "conv_kernel"},
      {"mamba2", R"({"conv_kernel":33})", "conv_kernel"},
      {"mamba2", R"({"use_bias":true})", "use_bias", kUnsupported},
      {"mamba2", R"({"time_step_limit":[0.001,0.1]})", "time_step_limit", kUnsupported},
      {"mamba", R"({"time_step_rank":-1})", "time_step_rank"},
      {"granitemoehybrid", R"({"layer_types":["mamba"]})", "layer_types"},
      {"granitemoehybrid", R"({"layer_types":["mamba","mamba","hyena"]})", "layer_types"},
      {"granitemoehybrid", R"({"mamba_n_groups":5})", "mamba_n_groups"},
      {"nemotron_h", R"({"hybrid_override_pattern":"M*"})", "hybrid_override_pattern"},
      {"nemotron_h", R"({"hybrid_override_pattern":"M*x"})", "hybrid_override_pattern"},
      {"nemotron_h", R"({"hybrid_override_pattern":null,"layers_block_type":["mamba","moe","x"]})",
       "layers_block_type"},
      {"falcon_h1", R"({"mamba_d_ssm":95})", "mamba_n_heads"},
      {"falcon_h1", R"({"mamba_rms_norm":true})", "mamba_norm_before_gate", kUnsupported},
      {"jamba", R"({"attn_layer_period":0})", "attn_layer_period"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.type) + c.changes);
    const std::string message = test::expect_error(c.code, [&] { read_json(c.type, c.changes); });
    EXPECT_NE(message.find(c.mention), std::string::npos) << message;
  }
}

/// Bare words that JSON does not have, as Python writes them; in strings they stay.
TEST(StateSpaceKeys, InfinityIsRead) {
  const std::string json = R"({"model_type":"mamba2","vocab_size":64,"hidden_size":32,"num_hidden_layers":1,
    "num_heads":4,"head_dim":16,"n_groups":1,"time_step_limit":[0.0, Infinity],"_name_or_path":"a \" Infinity"})";
  EXPECT_EQ(spec_from_json(json, "config.json").name, "a \" Infinity");
  for (const char* wrong : {R"({"model_type":Infinity})", R"({Infinity:1})", R"({"a":Infinityy})"})
    EXPECT_THROW(spec_from_json(wrong, "config.json"), Error) << wrong;
}

TEST(StateSpaceKeys, FilesThatMakeNoSenseAreRefusedByName) {
  const auto read = [](const char* key, std::uint32_t value) {
    test::GgufBuilder f;
    f.set_string("general.architecture", "mamba2");
    for (const auto& [name, usual] : {std::pair{"context_length", 16u},
                                      {"embedding_length", 8u},
                                      {"block_count", 1u},
                                      {"ssm.conv_kernel", 4u},
                                      {"ssm.inner_size", 24u},
                                      {"ssm.state_size", 5u},
                                      {"ssm.time_step_rank", 6u},
                                      {"ssm.group_count", 2u}})
      f.set_u32(std::string("mamba2.") + name, std::string_view(name) == key ? value : usual);
    f.set_f32("mamba2.attention.layer_norm_rms_epsilon", 1e-5f);
    std::mt19937 random(3);
    f.add_random("token_embd.weight", {8, 10}, random, 1);
    const test::AlignedCopy bytes(f.bytes());
    return spec_from_file(GgufFile::from_memory(bytes.bytes(), "m.gguf"));
  };
  EXPECT_EQ(space_of(read("", 0).layers[0].mixer).head_dim(), 4);
  for (const auto& [key, value] : {std::pair{"ssm.group_count", 0u},
                                   {"ssm.group_count", 4u},
                                   {"ssm.time_step_rank", 0u},
                                   {"ssm.time_step_rank", 5u},
                                   {"ssm.inner_size", 0u},
                                   {"ssm.inner_size", 1u << 31},
                                   {"ssm.state_size", 0u},
                                   {"ssm.conv_kernel", 0u},
                                   {"ssm.conv_kernel", 1000u}}) {
    const std::string message = test::expect_error(ErrorCode::bad_value, [&] { read(key, value); });
    EXPECT_NE(message.find("mamba2.ssm."), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace plumb::state_space_keys_test
