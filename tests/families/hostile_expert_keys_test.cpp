// Keys, fields and tensors of families with experts and windows, spoiled one at a time: each has its exact error code,
// and the message names what is wrong.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/io/gguf.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/weights.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::hostile_expert_keys_test {
namespace {

/// What a test does to a file: to its keys, and to the list of its tensors, where an empty shape leaves one out.
struct Spoil {
  std::function<void(GgufWriter&)> keys = [](GgufWriter&) {};
  std::function<Shape(const std::string& name, const Shape& shape)> tensors = [](const std::string&, const Shape& s) {
    return s;
  };
  std::string extra = {};  ///< a tensor that is not the model's
};

/// The fixture of a family, written anew and spoiled. Weights are zeros, a file with holes, but for factors of the
/// rotation.
Model spoiled(const std::string& fixture, const Spoil& spoil) {
  const ModelSpec spec = spec_from_file(GgufFile::open(test::architecture_fixture(fixture + ".gguf")));
  const test::TempDir dir;
  GgufWriter writer;
  write_spec(writer, spec);
  spoil.keys(writer);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    const std::string name = tensor_name(spec, tensor.id);
    const Shape shape = spoil.tensors(name, tensor.shape);
    if (shape.rank() > 0) writer.add_tensor(name, DType::f32, shape);
  });
  if (!spoil.extra.empty()) writer.add_tensor(spoil.extra, DType::f32, Shape{1});
  const std::vector<std::byte> header = writer.header();
  const auto path = dir.file("spoiled.gguf", {reinterpret_cast<const char*>(header.data()), header.size()});
  const GgufTensorPlan& last = writer.tensors().back();
  std::filesystem::resize_file(path, header.size() + last.offset + last.bytes + kGgufDefaultAlignment);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  for (const GgufTensorPlan& tensor : writer.tensors()) {
    if (!tensor.name.starts_with("rope_")) continue;
    const std::vector<float> ones(static_cast<std::size_t>(tensor.shape.elements()), 1.0f);
    file.seekp(static_cast<std::streamoff>(header.size() + tensor.offset));
    file.write(reinterpret_cast<const char*>(ones.data()), static_cast<std::streamsize>(tensor.bytes));
  }
  file.close();
  return Model::load(path, {.exact = true, .tokenizer = false});
}

void refused(const std::string& fixture, ErrorCode code, const std::string& mention, const Spoil& spoil) {
  SCOPED_TRACE(fixture + ": " + mention);
  const std::string message = test::expect_error(code, [&] { spoiled(fixture, spoil); });
  EXPECT_NE(message.find(mention), std::string::npos) << message;
}

template <class T>
Spoil with_key(const std::string& key, const T& value) {
  Spoil spoil;
  spoil.keys = [=](GgufWriter& writer) { writer.set(key, value); };
  return spoil;
}
template <class T>
Spoil with_array(const std::string& key, GgufType type, const std::vector<T>& values) {
  GgufArray array(type);
  for (const T& value : values) array.add(value);
  return with_key(key, array);
}
/// Another shape for the tensors of a name.
Spoil with_shape(const std::string& name, const Shape& shape) {
  Spoil spoil;
  spoil.tensors = [=](const std::string& each, const Shape& own) { return each == name ? shape : own; };
  return spoil;
}

TEST(HostileExpertKeys, ArraysForEachLayerAreChecked) {
  PLUMB_REQUIRE_FIXTURES();
  constexpr auto kBad = ErrorCode::bad_value;
  using Ints = std::vector<std::int32_t>;
  using Reals = std::vector<float>;
  const std::string pattern = "mimo2.attention.sliding_window_pattern", kv = "mimo2.attention.head_count_kv";
  refused("mimo2", kBad, pattern, with_array(pattern, GgufType::i32, Ints{0, 1, 1}));
  refused("mimo2", kBad, pattern, with_array(pattern, GgufType::i32, Ints{0, 1, 2, 0}));
  refused("mimo2", ErrorCode::wrong_type, pattern, with_array(pattern, GgufType::f32, Reals{0, 1, 1, 0}));
  refused("mimo2", kBad, kv, with_array(kv, GgufType::i32, Ints{1, 2, 0, 1}));
  refused("mimo2", kBad, kv, with_array(kv, GgufType::i32, Ints{1, 3, 2, 1}));
  refused("mimo2", kBad, kv, with_array(kv, GgufType::i32, Ints{1, 2}));
  const std::string heads = "step35.attention.head_count", clamp = "step35.swiglu_clamp_exp";
  refused("step35", kBad, heads, with_array(heads, GgufType::i32, Ints{4, 6}));
  refused("step35", kBad, clamp, with_array(clamp, GgufType::f32, Reals{0, 0}));
  refused("step35", kBad, clamp, with_array(clamp, GgufType::f32, Reals{0, NAN, 1}));
  refused("step35", ErrorCode::wrong_type, clamp, with_array(clamp, GgufType::i32, Ints{0, 1, 1}));
  refused("apertus", kBad, "xielu.beta", with_array("xielu.beta", GgufType::f32, Reals{1, 1}));
  refused("apertus", kBad, "xielu.eps", with_array("xielu.eps", GgufType::f32, Reals{0, 1, 0}));
  refused("apertus", kBad, "xielu.alpha_n", with_array("xielu.alpha_n", GgufType::f32, Reals{INFINITY, 1, 0}));
}

TEST(HostileExpertKeys, NumbersAreChecked) {
  PLUMB_REQUIRE_FIXTURES();
  constexpr auto kBad = ErrorCode::bad_value;
  const auto u32 = [](std::uint32_t value) { return value; };
  refused("mimo2", kBad, "value_scale", with_key("mimo2.attention.value_scale", NAN));
  refused("mimo2", kBad, "value_scale", with_key("mimo2.attention.value_scale", 0.0f));
  refused("mimo2", ErrorCode::wrong_type, "value_scale", with_key("mimo2.attention.value_scale", u32(1)));
  refused("mistral3", kBad, "temperature.scale", with_key("mistral3.attention.temperature_scale", -0.5f));
  refused("mistral3", kBad, "original_context_length",
          with_key("mistral3.rope.scaling.original_context_length", u32(0)));
  refused("hunyuan-dense", kBad, "rope.base", with_key("hunyuan-dense.rope.scaling.alpha", 1e38f));
  refused("bailingmoe2", kBad, "experts.groups", with_key("bailingmoe2.expert_group_count", u32(3)));
  refused("bailingmoe2", kBad, "expert_group_used_count", with_key("bailingmoe2.expert_group_used_count", u32(0)));
  refused("bailingmoe2", kBad, "expert_group_used_count", with_key("bailingmoe2.expert_group_used_count", u32(5)));
  refused("bailingmoe2", kBad, "expert_shared_count", with_key("bailingmoe2.expert_shared_count", u32(1u << 31)));
  refused("glm4moe", kBad, "nextn_predict_layers", with_key("glm4moe.nextn_predict_layers", u32(3)));
  refused("glm4moe", kBad, "leading_dense_block_count", with_key("glm4moe.leading_dense_block_count", u32(4)));
  refused("glm4moe", kBad, "expert_used_count", with_key("glm4moe.expert_used_count", u32(7)));
  refused("glm4moe", ErrorCode::unsupported_type, "expert_gating_func", with_key("glm4moe.expert_gating_func", u32(3)));
  refused("step35", kBad, "rope.dims", with_key("step35.rope.dimension_count", u32(34)));
  refused("step35", kBad, "rope.dims", with_key("step35.rope.dimension_count", u32(6)));
  refused("llama4", kBad, "sliding_window_pattern", with_key("llama4.attention.sliding_window_pattern", u32(1u << 30)));
}

TEST(HostileExpertKeys, TensorsAreChecked) {
  PLUMB_REQUIRE_FIXTURES();
  constexpr auto kShape = ErrorCode::bad_shape;
  refused("step35", kShape, "blk.1.attn_gate.weight", with_shape("blk.1.attn_gate.weight", Shape{5, 64}));
  refused("step35", kShape, "blk.0.attn_gate.weight", with_shape("blk.0.attn_gate.weight", Shape{4, 2, 32}));
  refused("step35", kShape, "rope_freqs.weight", with_shape("rope_freqs.weight", Shape{4}));
  refused("afmoe", kShape, "blk.2.attn_gate.weight", with_shape("blk.2.attn_gate.weight", Shape{4, 64}));
  refused("afmoe", ErrorCode::missing_key, "blk.2.attn_gate.weight", with_shape("blk.2.attn_gate.weight", Shape{}));
  refused("bitnet", kShape, "blk.0.attn_sub_norm.weight", with_shape("blk.0.attn_sub_norm.weight", Shape{63}));
  refused("bitnet", ErrorCode::missing_key, "blk.1.ffn_sub_norm.weight",
          with_shape("blk.1.ffn_sub_norm.weight", Shape{}));
  refused("phimoe", ErrorCode::missing_key, "blk.1.ffn_norm.bias", with_shape("blk.1.ffn_norm.bias", Shape{}));
  refused("mimo2", kShape, "blk.1.attn_sinks.weight", with_shape("blk.1.attn_sinks.weight", Shape{3}));
  Spoil scales;
  scales.extra = "blk.1.ffn_up.scale";
  refused("bitnet", ErrorCode::unsupported_architecture, scales.extra, scales);
}

TEST(HostileExpertKeys, FieldsOfConfigJsonAreChecked) {
  constexpr auto kBad = ErrorCode::bad_value;
  const auto refused_json = [](ErrorCode code, const std::string& mention, const std::string& type,
                               const std::string& fields) {
    SCOPED_TRACE(type + ": " + fields);
    const std::string message = test::expect_error(code, [&] {
      spec_from_json(R"({"model_type":")" + type +
                         R"(","vocab_size":64,"hidden_size":64,"intermediate_size":32,"num_hidden_layers":2,
        "num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":64,)" +
                         fields + "}",
                     "config.json");
    });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  refused_json(kBad, "sliding_window_pattern", "exaone4", R"("sliding_window":8,"sliding_window_pattern":"LLXG")");
  refused_json(kBad, "sliding_window_pattern", "exaone4", R"("sliding_window":8,"sliding_window_pattern":"")");
  refused_json(kBad, "moe_topk", "hunyuan_v1_moe", R"("num_experts":4,"moe_topk":[2,3],"moe_intermediate_size":32)");
  refused_json(ErrorCode::wrong_type, "moe_topk", "hunyuan_v1_moe",
               R"("num_experts":4,"moe_topk":[],"moe_intermediate_size":32)");
  refused_json(kBad, "moe_topk", "hunyuan_v1_moe", R"("num_experts":4,"moe_topk":[0,0],"moe_intermediate_size":32)");
  refused_json(ErrorCode::unsupported_architecture, "BailingMoeForCausalLM", "bailing_moe",
               R"("architectures":["BailingMoeForCausalLM"])");
  refused_json(kBad, "no_rope_layers", "llama4_text", R"("intermediate_size_mlp":32,"no_rope_layers":[1])");
  refused_json(kBad, "rope_layout", "smallthinker", R"("moe_ffn_hidden_size":16,"rope_layout":[1,0,1])");
  const std::string mimo = R"("head_dim":16,"sliding_window":8,"n_routed_experts":4,"num_experts_per_tok":2,
                              "moe_intermediate_size":16,"swa_num_key_value_heads":4,)";
  refused_json(kBad, "hybrid_layer_pattern", "mimo_v2_flash", mimo + R"("hybrid_layer_pattern":[1])");
  refused_json(ErrorCode::unsupported_architecture, "swa_head_dim", "mimo_v2_flash",
               mimo + R"("hybrid_layer_pattern":[0,1],"swa_head_dim":32)");
  refused_json(kBad, "swa_num_key_value_heads", "mimo_v2_flash",
               mimo + R"("hybrid_layer_pattern":[0,1],"swa_num_attention_heads":6)");
  const std::string step = R"("num_attention_groups":2,"sliding_window":8,"moe_num_experts":4,"moe_top_k":2,
      "moe_intermediate_size":16,"share_expert_dim":16,"attention_other_setting":{"num_attention_heads":6,
      "num_attention_groups":3},)";
  refused_json(kBad, "layer_types", "step3p5", step + R"("layer_types":["full_attention"])");
  const std::string types = R"("layer_types":["full_attention","sliding_attention"],)";
  refused_json(kBad, "moe_layers_enum", "step3p5", step + types + R"("moe_layers_enum":"1,two")");
  refused_json(kBad, "rope_theta", "step3p5", step + types + R"("moe_layers_enum":"1","rope_theta":[])");
}

}  // namespace
}  // namespace plumb::hostile_expert_keys_test
