// What a file says about its model is checked before any forward pass: each spoiled file has its exact error code, and
// the message names file and field.

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "plumb/model/family.hpp"
#include "plumb/model/llama_spec.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"

namespace plumb::config_from_file_test {
namespace {

using test::GgufBuilder;

/// dim 8, 2 heads of 4, 1 KV head, ffn 12, 2 layers, context 32.
GgufBuilder valid() { return test::tiny_llama(); }

TEST(ConfigFromFile, ReadsAllKeys) {
  GgufBuilder builder = valid();
  builder.set_string("general.name", "tiny");
  builder.set_string("llama.rope.scaling.type", "yarn");
  builder.set_f32("llama.rope.scaling.factor", 4.0f);
  builder.set_u32("llama.rope.scaling.original_context_length", 8);
  const test::BuiltModel built(builder, {.tokenizer = false});
  const ModelSpec& spec = built.model.spec();
  EXPECT_EQ(spec.name, "tiny");
  EXPECT_EQ(spec.family, "llama");
  EXPECT_EQ(spec.vocab_size, 3 + 256 + 13);
  EXPECT_EQ(spec.width, 8);
  EXPECT_EQ(spec.n_layers(), 2);
  EXPECT_EQ(spec.context, 32);
  EXPECT_FALSE(spec.output.tied);
  EXPECT_EQ(spec.output.norm->eps, 1e-5f);
  for (const LayerSpec& layer : spec.layers) {
    const auto& attention = std::get<AttentionSpec>(layer.mixer);
    EXPECT_EQ(attention.n_heads, 2);
    EXPECT_EQ(attention.n_kv_heads, 1);
    EXPECT_EQ(attention.head_dim, 4);
    EXPECT_EQ(std::get<DenseSpec>(layer.ffn).inner, 12);
  }
  EXPECT_EQ(spec.ropes[0].pairs, RopePairs::interleaved);
  EXPECT_EQ(spec.ropes[0].scaling, RopeScaling::yarn);
  EXPECT_EQ(spec.ropes[0].factor, 4.0f);
  EXPECT_EQ(spec.ropes[0].original_context, 8);
}

void set_u32s(GgufBuilder& f, const std::string& key, const std::vector<std::uint32_t>& values) {
  f.set_numbers<std::uint32_t>(key, test::value_type::u32, values);
}

TEST(ConfigFromFile, TakesOneNumberForAllLayersOrOneForEach) {
  GgufBuilder builder = valid();
  set_u32s(builder, "llama.attention.head_count", {2, 4});
  set_u32s(builder, "llama.attention.head_count_kv", {1, 2});
  set_u32s(builder, "llama.feed_forward_length", {12, 16});
  builder.set_u32("llama.attention.key_length", 4);
  const test::AlignedCopy bytes(builder.bytes());
  const ModelSpec spec = spec_from_file(GgufFile::from_memory(bytes.bytes(), "built"));
  EXPECT_EQ(std::get<AttentionSpec>(spec.layers[0].mixer).n_heads, 2);
  EXPECT_EQ(std::get<AttentionSpec>(spec.layers[1].mixer).n_heads, 4);
  EXPECT_EQ(std::get<AttentionSpec>(spec.layers[1].mixer).n_kv_heads, 2);
  EXPECT_EQ(std::get<DenseSpec>(spec.layers[0].ffn).inner, 12);
  EXPECT_EQ(std::get<DenseSpec>(spec.layers[1].ffn).inner, 16);
}

struct BadFile {
  std::string name;
  ErrorCode code;
  std::string field;  ///< must stand in the message
  std::function<void(GgufBuilder&)> spoil;
};

void expect_refused(const std::vector<BadFile>& files) {
  for (const BadFile& bad : files) {
    SCOPED_TRACE(bad.name);
    GgufBuilder builder = valid();
    bad.spoil(builder);
    const std::string message =
        test::expect_error(bad.code, [&] { test::BuiltModel built(builder, {.tokenizer = false}); });
    EXPECT_NE(message.find("built"), std::string::npos) << "the message names no file: " << message;
    EXPECT_NE(message.find(bad.field), std::string::npos) << "the message names no field: " << message;
  }
}

/// Every key that is read, absent, of another type, zero, negative, huge.
TEST(ConfigFromFile, RefusesEveryBadInteger) {
  std::vector<BadFile> files;
  for (const std::string key : {"context_length", "embedding_length", "block_count", "feed_forward_length",
                                "attention.head_count", "attention.head_count_kv", "attention.key_length",
                                "attention.value_length", "rope.dimension_count", "vocab_size"}) {
    const std::string full = "llama." + key;
    const bool required = key == "context_length" || key == "embedding_length" || key == "block_count" ||
                          key == "feed_forward_length" || key == "attention.head_count";
    if (required)
      files.push_back({key + " absent", ErrorCode::missing_key, full, [full](GgufBuilder& f) { f.erase(full); }});
    files.push_back(
        {key + " as text", ErrorCode::wrong_type, full, [full](GgufBuilder& f) { f.set_string(full, "8"); }});
    files.push_back({key + " as f32", ErrorCode::wrong_type, full, [full](GgufBuilder& f) { f.set_f32(full, 8.0f); }});
    files.push_back(
        {key + " as bool", ErrorCode::wrong_type, full, [full](GgufBuilder& f) { f.set_bool(full, true); }});
    files.push_back({key + " 0", ErrorCode::bad_value, full, [full](GgufBuilder& f) { f.set_u32(full, 0); }});
    files.push_back({key + " -1", ErrorCode::bad_value, full,
                     [full](GgufBuilder& f) { f.set(full, test::value_type::i32, test::encoded(std::int32_t{-1})); }});
    files.push_back({key + " 2^32-1", ErrorCode::bad_value, full,
                     [full](GgufBuilder& f) { f.set_u32(full, std::numeric_limits<std::uint32_t>::max()); }});
    files.push_back({key + " 2^63", ErrorCode::bad_value, full, [full](GgufBuilder& f) {
                       f.set(full, test::value_type::u64, test::encoded(std::uint64_t{1} << 63));
                     }});
  }
  expect_refused(files);
}

TEST(ConfigFromFile, RefusesEveryBadNumber) {
  std::vector<BadFile> files;
  for (const std::string key :
       {"attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.scaling.factor", "rope.scaling.attn_factor"}) {
    const std::string full = "llama." + key;
    const auto with = [&](const std::string& name, float value) {
      files.push_back(
          {key + " " + name, ErrorCode::bad_value, key == "rope.freq_base" ? "rope" : "", [=](GgufBuilder& f) {
             f.set_string("llama.rope.scaling.type", "linear");
             if (key != "rope.scaling.factor") f.set_f32("llama.rope.scaling.factor", 2.0f);
             f.set_f32(full, value);
           }});
    };
    with("0", 0.0f);
    with("negative", -1.0f);
    with("NaN", std::numeric_limits<float>::quiet_NaN());
    with("infinite", std::numeric_limits<float>::infinity());
    files.push_back({key + " as u32", ErrorCode::wrong_type, full, [full](GgufBuilder& f) { f.set_u32(full, 1); }});
    files.push_back(
        {key + " as text", ErrorCode::wrong_type, full, [full](GgufBuilder& f) { f.set_string(full, "1"); }});
  }
  files.push_back({"epsilon absent", ErrorCode::missing_key, "epsilon",
                   [](GgufBuilder& f) { f.erase("llama.attention.layer_norm_rms_epsilon"); }});
  expect_refused(files);
}

TEST(ConfigFromFile, RefusesContradictions) {
  expect_refused({
      {"no architecture", ErrorCode::missing_key, "general.architecture",
       [](GgufBuilder& f) { f.erase("general.architecture"); }},
      {"architecture is a number", ErrorCode::wrong_type, "general.architecture",
       [](GgufBuilder& f) { f.set_u32("general.architecture", 1); }},
      {"unknown architecture", ErrorCode::unsupported_architecture, "hyena",
       [](GgufBuilder& f) { f.set_string("general.architecture", "hyena"); }},
      {"architecture with control bytes", ErrorCode::unsupported_architecture, "\\x1b",
       [](GgufBuilder& f) { f.set_string("general.architecture", "\x1b[31m"); }},
      {"empty architecture", ErrorCode::unsupported_architecture, "general.architecture",
       [](GgufBuilder& f) { f.set_string("general.architecture", ""); }},
      {"heads do not divide the width", ErrorCode::bad_value, "head_count",
       [](GgufBuilder& f) { f.set_u32("llama.attention.head_count", 3), f.erase("llama.attention.head_count_kv"); }},
      {"KV heads do not divide the heads", ErrorCode::bad_value, "head_count_kv",
       [](GgufBuilder& f) {
         f.set_u32("llama.attention.head_count", 4), f.set_u32("llama.attention.head_count_kv", 3);
       }},
      {"more KV heads than heads", ErrorCode::bad_value, "head_count_kv",
       [](GgufBuilder& f) { f.set_u32("llama.attention.head_count_kv", 4); }},
      {"a layer wider than its tensors", ErrorCode::bad_shape, "blk.1.ffn_",
       [](GgufBuilder& f) {
         set_u32s(f, "llama.feed_forward_length", {12, 16});
       }},
      {"too few widths", ErrorCode::bad_value, "feed_forward_length",
       [](GgufBuilder& f) { set_u32s(f, "llama.feed_forward_length", {12}); }},
      {"no widths", ErrorCode::bad_value, "feed_forward_length",
       [](GgufBuilder& f) { set_u32s(f, "llama.feed_forward_length", {}); }},
      {"widths of 0", ErrorCode::bad_value, "feed_forward_length",
       [](GgufBuilder& f) {
         set_u32s(f, "llama.feed_forward_length", {0, 0});
       }},
      {"values longer than their tensors", ErrorCode::bad_shape, "blk.0.attn_v.weight",
       [](GgufBuilder& f) { f.set_u32("llama.attention.value_length", 6); }},
      {"odd rotation", ErrorCode::bad_value, "rope.dim",
       [](GgufBuilder& f) { f.set_u32("llama.rope.dimension_count", 3); }},
      {"rotation wider than a head", ErrorCode::bad_value, "rope.dim",
       [](GgufBuilder& f) { f.set_u32("llama.rope.dimension_count", 6); }},
      {"unknown rope scaling", ErrorCode::bad_value, "rope.scaling.type",
       [](GgufBuilder& f) { f.set_string("llama.rope.scaling.type", "dynamic"); }},
      {"rope scaling is a number", ErrorCode::wrong_type, "rope.scaling.type",
       [](GgufBuilder& f) { f.set_u32("llama.rope.scaling.type", 2); }},
      {"yarn with base 1", ErrorCode::bad_value, "rope.base",
       [](GgufBuilder& f) {
         f.set_string("llama.rope.scaling.type", "yarn");
         f.set_f32("llama.rope.scaling.factor", 2.0f);
         f.set_f32("llama.rope.freq_base", 1.0f);
       }},
      {"context and layers overflow", ErrorCode::overflow, "bytes of the state",
       [](GgufBuilder& f) {
         f.set_u32("llama.context_length", 1u << 30);
         f.set_u32("llama.block_count", 1u << 12);
         f.set_u32("llama.attention.key_length", 1u << 14);
         f.set_u32("llama.attention.value_length", 1u << 14);
         f.set_u32("llama.attention.head_count", 1u << 14);
         f.set_u32("llama.attention.head_count_kv", 1u << 14);
       }},
      {"more layers than tensors", ErrorCode::missing_key, "blk.2.attn_norm.weight",
       [](GgufBuilder& f) { f.set_u32("llama.block_count", 1u << 12); }},
      {"absurd context", ErrorCode::bad_value, "context",
       [](GgufBuilder& f) { f.set_u32("llama.context_length", (1u << 30) + 1); }},
      {"experts of which none is used", ErrorCode::missing_key, "expert_used_count",
       [](GgufBuilder& f) { f.set_u32("llama.expert_count", 8); }},
      {"vocabulary key larger than the embedding", ErrorCode::bad_shape, "token_embd.weight",
       [](GgufBuilder& f) { f.set_u32("llama.vocab_size", 273); }},
      {"vocabulary key smaller than the embedding", ErrorCode::bad_shape, "token_embd.weight",
       [](GgufBuilder& f) { f.set_u32("llama.vocab_size", 271); }},
  });
}

TEST(ConfigFromFile, TokenListsThatDisagreeWithTheEmbeddingAreRefused) {
  GgufBuilder builder = valid();
  builder.set_strings("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
  const std::string message =
      test::expect_error(ErrorCode::bad_shape, [&] { test::BuiltModel built(builder, {.tokenizer = false}); });
  EXPECT_NE(message.find("token_embd.weight"), std::string::npos) << message;
}

/// Every tensor, absent, of another shape, of a type that is not computed.
TEST(Weights, EveryTensorIsChecked) {
  std::vector<BadFile> files;
  const GgufBuilder good = valid();
  for (const test::BuiltTensor& tensor : good.tensors) {
    const std::string name = tensor.name;
    if (name != "output.weight")  // without it, the head is tied
      files.push_back(
          {name + " absent", ErrorCode::missing_key, name, [name](GgufBuilder& f) { f.erase_tensor(name); }});
    const bool vector = tensor.dims.size() == 1;
    files.push_back({name + " one column more", ErrorCode::bad_shape, name, [name](GgufBuilder& f) {
                       test::BuiltTensor& t = f.tensor(name);
                       t.data.resize(t.data.size() / t.dims[0] * (t.dims[0] + 1));
                       ++t.dims[0];
                     }});
    if (!vector)
      files.push_back({name + " one row more", ErrorCode::bad_shape, name, [name](GgufBuilder& f) {
                         test::BuiltTensor& t = f.tensor(name);
                         t.data.resize(t.data.size() / t.dims[1] * (t.dims[1] + 1));
                         ++t.dims[1];
                       }});
    if (!vector)
      files.push_back({name + " transposed twice over", ErrorCode::bad_shape, name, [name](GgufBuilder& f) {
                         test::BuiltTensor& t = f.tensor(name);
                         t.dims = {t.dims[0] * t.dims[1]};
                       }});
    files.push_back({name + " as I32", vector ? ErrorCode::unsupported_type : ErrorCode::unsupported_type, name,
                     [name](GgufBuilder& f) { f.tensor(name).type = 26; }});
    files.push_back({name + " one more dimension", ErrorCode::bad_shape, name, [name](GgufBuilder& f) {
                       test::BuiltTensor& t = f.tensor(name);
                       t.data += t.data;
                       t.dims.push_back(1);
                       while (t.dims.size() < 3) t.dims.push_back(1);
                       t.dims.back() = 2;
                     }});
  }
  files.push_back({"rope factors of the wrong length", ErrorCode::bad_shape, "rope_freqs.weight", [](GgufBuilder& f) {
                     std::mt19937 random(1);
                     f.add_random("rope_freqs.weight", {3}, random, 2);
                   }});
  files.push_back({"rope factors of zero", ErrorCode::bad_value, "rope_freqs.weight", [](GgufBuilder& f) {
                     f.tensors.push_back({"rope_freqs.weight", {2}, 0, std::string(8, '\0'), {}, {}, {}});
                   }});
  expect_refused(files);
}

TEST(CheckRunnable, RefusesSpecsMadeByHand) {
  const ModelSpec good = llama_spec({"", 10, 8, 1, 2, 1, 4, 12, 16});
  check_runnable(good, "spec");
  ModelSpec bad = good;
  bad.layers[0].mixer = LatentAttentionSpec{2, 0, 4, 2, 4, 4};  // the table turns four dimensions
  test::expect_error(ErrorCode::bad_value, [&] { check_runnable(bad, "spec"); });
  bad = good;
  bad.output.norm->eps = 0;
  test::expect_error(ErrorCode::bad_value, [&] { check_runnable(bad, "spec"); });
  bad = good;
  std::get<AttentionSpec>(bad.layers[0].mixer).n_heads = 0;
  test::expect_error(ErrorCode::bad_value, [&] { check_runnable(bad, "spec"); });
}

}  // namespace
}  // namespace plumb::config_from_file_test
