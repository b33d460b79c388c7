/// Files that are good GGUF and bad models: configuration and weights, each with its exact code.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/hostile_model.hpp"
#include "tests/support/hostile_vocabulary.hpp"

namespace plumb::bad_model_test {
namespace {

using test::BadFile;
using test::BadFiles;
using test::encoded;
using test::encoded_array;
using test::GgufBuilder;
using test::test_name;
namespace vt = test::value_type;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

BadFiles& bad_files() {
  static BadFiles all([] { return test::tiny_llama(false); });
  return all;
}

void spoil(const std::string& name, ErrorCode code, const std::string& mention, const test::Change& change) {
  bad_files().spoil(name, code, mention, change);
}

void missing(const std::string& key) {
  spoil("missing_" + test_name(key), ErrorCode::missing_key, key, [key](GgufBuilder& file) { file.erase(key); });
}

/// A key with values of every type it must not have.
/// `before`: makes the file one that needs the key.
void wrong_types(
    const std::string& key, const std::vector<std::uint32_t>& types,
    const std::function<void(GgufBuilder&)>& before = [](GgufBuilder&) {}) {
  const std::pair<std::uint32_t, std::pair<const char*, std::string>> values[] = {
      {vt::u32, {"u32", encoded(2u)}},
      {vt::f32, {"f32", encoded(2.0f)}},
      {vt::boolean, {"bool", "\1"}},
      {vt::string, {"string", encoded("2")}},
      {vt::array, {"array", encoded_array(vt::string, 1, encoded("2"))}},
  };
  for (const std::uint32_t type : types)
    for (const auto& [id, value] : values)
      if (id == type)
        spoil("wrong_type_" + test_name(key) + "_" + value.first, ErrorCode::wrong_type, key,
              [=, payload = value.second](GgufBuilder& file) {
                before(file);
                file.set(key, type, payload);
              });
}

void number(const std::string& name, ErrorCode code, const std::string& key, std::uint32_t value,
            const std::string& mention = "") {
  spoil(name, code, mention.empty() ? key : mention, [=](GgufBuilder& file) { file.set_u32(key, value); });
}

void real(const std::string& name, const std::string& key, float value, const std::string& mention = "") {
  spoil(name, ErrorCode::bad_value, mention.empty() ? key : mention,
        [=](GgufBuilder& file) { file.set_f32(key, value); });
}

void key_cases() {
  const std::vector<std::uint32_t> not_integer = {vt::f32, vt::boolean, vt::string, vt::array};
  const std::vector<std::uint32_t> not_float = {vt::u32, vt::boolean, vt::string, vt::array};
  const std::vector<std::uint32_t> not_string = {vt::u32, vt::f32, vt::boolean, vt::array};
  for (const char* key :
       {"general.architecture", "llama.context_length", "llama.embedding_length", "llama.block_count",
        "llama.feed_forward_length", "llama.attention.head_count", "llama.attention.layer_norm_rms_epsilon"})
    missing(key);
  for (const char* key : {"llama.context_length", "llama.embedding_length", "llama.block_count",
                          "llama.feed_forward_length", "llama.attention.head_count", "llama.attention.head_count_kv",
                          "llama.attention.key_length", "llama.attention.value_length", "llama.rope.dimension_count",
                          "llama.rope.scaling.original_context_length", "llama.vocab_size", "llama.expert_count"})
    wrong_types(key, not_integer);
  for (const char* key : {"llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base", "llama.rope.scaling.factor",
                          "llama.rope.scale_linear", "llama.rope.scaling.attn_factor"})
    wrong_types(key, not_float);
  for (const char* key :
       {"llama.rope.scaling.yarn_ext_factor", "llama.rope.scaling.yarn_beta_fast", "llama.rope.scaling.yarn_beta_slow"})
    wrong_types(key, not_float, [](GgufBuilder& file) { file.set_string("llama.rope.scaling.type", "yarn"); });
  for (const char* key : {"general.architecture", "general.name", "llama.rope.scaling.type"})
    wrong_types(key, not_string);
}

void architecture_cases() {
  const auto architecture = [](const std::string& name, const std::string& value, const std::string& mention) {
    spoil("architecture_" + name, ErrorCode::unsupported_architecture, mention,
          [=](GgufBuilder& file) { file.set_string("general.architecture", value); });
  };
  architecture("unknown", "frankenllama", "'frankenllama'");
  architecture("empty", "", "general.architecture");
  architecture("with_a_nul", std::string("llama\0", 6), "llama\\x00");
  architecture("of_escapes", "\x1b[2Jllama", "\\x1b[2Jllama");
  architecture("upper_case", "LLAMA", "'LLAMA'");
}

void dimension_cases() {
  for (const char* field : {"context_length", "embedding_length", "block_count", "feed_forward_length",
                            "attention.head_count", "attention.head_count_kv", "attention.key_length",
                            "attention.value_length", "rope.dimension_count", "vocab_size"}) {
    const std::string key = std::string("llama.") + field;
    number(test_name(field) + "_0", ErrorCode::bad_value, key, 0);
    number(test_name(field) + "_2_31", ErrorCode::bad_value, key, 1u << 31);
    spoil(test_name(field) + "_negative", ErrorCode::bad_value, key,
          [key](GgufBuilder& file) { file.set(key, vt::i32, encoded(std::int32_t{-2})); });
    spoil(test_name(field) + "_2_64", ErrorCode::bad_value, key,
          [key](GgufBuilder& file) { file.set(key, vt::u64, encoded(~std::uint64_t{0})); });
  }
  number("heads_do_not_divide_the_width", ErrorCode::bad_value, "llama.attention.head_count", 3, "head_count");
  number("kv_heads_do_not_divide_the_heads", ErrorCode::bad_value, "llama.attention.head_count_kv", 3, "head_count_kv");
  number("more_kv_heads_than_heads", ErrorCode::bad_value, "llama.attention.head_count_kv", 4, "head_count_kv");
  number("rope_dims_odd", ErrorCode::bad_value, "llama.rope.dimension_count", 3, "rope.dims");
  number("rope_dims_beyond_the_head", ErrorCode::bad_value, "llama.rope.dimension_count", 6, "rope.dims");
  number("experts_but_none_used", ErrorCode::missing_key, "llama.expert_count", 8, "expert_used_count");
  number("value_length_differs_from_the_tensors", ErrorCode::bad_shape, "llama.attention.value_length", 6, "attn_v");
  number("block_count_beyond_the_tensors", ErrorCode::missing_key, "llama.block_count", 3, "blk.2.");
  number("block_count_beyond_all_limits", ErrorCode::bad_value, "llama.block_count", 1u << 30);
  number("context_beyond_all_limits", ErrorCode::bad_value, "llama.context_length", (1u << 30) + 1, "context");
  spoil("heads_per_layer_of_wrong_length", ErrorCode::bad_value, "head_count", [](GgufBuilder& file) {
    const std::vector<std::uint32_t> heads = {2, 2, 2};
    file.set_numbers<std::uint32_t>("llama.attention.head_count", vt::u32, heads);
  });
  spoil("heads_per_layer_all_0", ErrorCode::bad_value, "head_count", [](GgufBuilder& file) {
    const std::vector<std::uint32_t> heads = {0, 0};
    file.set_numbers<std::uint32_t>("llama.attention.head_count", vt::u32, heads);
  });
  spoil("heads_per_layer_empty", ErrorCode::bad_value, "head_count",
        [](GgufBuilder& file) { file.set_numbers<std::uint32_t>("llama.attention.head_count", vt::u32, {}); });
  spoil("heads_per_layer_beyond_32_bits", ErrorCode::overflow, "head_count", [](GgufBuilder& file) {
    const std::vector<std::uint64_t> heads = {std::uint64_t{1} << 40, std::uint64_t{1} << 40};
    file.set_numbers<std::uint64_t>("llama.attention.head_count", vt::u64, heads);
  });
  spoil("heads_per_layer_of_floats", ErrorCode::wrong_type, "head_count", [](GgufBuilder& file) {
    const std::vector<float> heads = {2, 2};
    file.set_numbers<float>("llama.attention.head_count", vt::f32, heads);
  });
  // All within their own limits; the cache they ask for is not.
  spoil("context_times_layers_overflows", ErrorCode::overflow, "bytes of the state", [](GgufBuilder& file) {
    file.set_u32("llama.context_length", 1u << 30);
    file.set_u32("llama.block_count", 1u << 12);
    file.set_u32("llama.attention.head_count", 1u << 14);
    file.set_u32("llama.attention.head_count_kv", 1u << 14);
    file.set_u32("llama.attention.key_length", 1u << 14);
    file.erase("llama.rope.dimension_count");
  });
}

void scalar_cases() {
  const std::string epsilon = "llama.attention.layer_norm_rms_epsilon", rope = "llama.rope.";
  real("epsilon_nan", epsilon, kNan);
  real("epsilon_infinite", epsilon, kInf);
  real("epsilon_negative", epsilon, -1e-5f, "eps");
  real("epsilon_0", epsilon, 0, "eps");
  spoil("epsilon_beyond_f32", ErrorCode::bad_value, epsilon,
        [=](GgufBuilder& file) { file.set(epsilon, vt::f64, encoded(1e300)); });
  real("rope_base_nan", rope + "freq_base", kNan);
  real("rope_base_0", rope + "freq_base", 0, "rope.base");
  real("rope_base_negative", rope + "freq_base", -10000, "rope.base");
  real("rope_base_infinite", rope + "freq_base", kInf);
  real("rope_factor_nan", rope + "scaling.factor", kNan);
  real("rope_factor_0", rope + "scaling.factor", 0, "rope.factor");
  real("rope_factor_negative", rope + "scaling.factor", -4, "rope.factor");
  real("rope_attn_factor_nan", rope + "scaling.attn_factor", kNan);
  real("rope_attn_factor_0", rope + "scaling.attn_factor", 0, "attn_factor");
  spoil("rope_scaling_unknown", ErrorCode::bad_value, "'warp'",
        [=](GgufBuilder& file) { file.set_string(rope + "scaling.type", "warp"); });
  const auto yarn = [&](const std::string& name, const std::string& key, float value, const std::string& mention) {
    spoil("yarn_" + name, ErrorCode::bad_value, mention, [=](GgufBuilder& file) {
      file.set_string(rope + "scaling.type", "yarn");
      file.set_f32(rope + "scaling.factor", 4);
      file.set_f32(rope + key, value);
    });
  };
  yarn("beta_fast_0", "scaling.yarn_beta_fast", 0, "yarn_beta_fast");
  yarn("beta_slow_negative", "scaling.yarn_beta_slow", -1, "yarn_beta_slow");
  yarn("ext_factor_infinite", "scaling.yarn_ext_factor", kInf, "yarn_ext_factor");
  yarn("of_base_1", "freq_base", 1, "rope.base");
}

/// The tiny model with tensor `name` changed.
void tensor(const std::string& test, ErrorCode code, const std::string& name,
            const std::function<void(test::BuiltTensor&)>& change) {
  spoil(test, code, name, [=](GgufBuilder& file) { change(file.tensor(name)); });
}

void tensor_cases() {
  const std::string parts[] = {"attn_norm", "attn_q",   "attn_k", "attn_v",  "attn_output",
                               "ffn_norm",  "ffn_gate", "ffn_up", "ffn_down"};
  for (const std::string& part : parts) {
    const std::string name = "blk.1." + part + ".weight";
    spoil("missing_tensor_" + part, ErrorCode::missing_key, name,
          [name](GgufBuilder& file) { file.erase_tensor(name); });
    tensor("transposed_or_halved_" + part, ErrorCode::bad_shape, name, [](test::BuiltTensor& t) {
      if (t.dims.size() == 2 && t.dims[0] != t.dims[1])
        std::swap(t.dims[0], t.dims[1]);
      else
        t.dims[0] /= 2;
    });
    tensor("integers_in_" + part, ErrorCode::unsupported_type, name,
           [](test::BuiltTensor& t) { t.type = static_cast<std::uint32_t>(DType::i32); });
  }
  for (const char* name : {"token_embd.weight", "output_norm.weight"})
    spoil("missing_tensor_" + test_name(name), ErrorCode::missing_key, name,
          [name](GgufBuilder& file) { file.erase_tensor(name); });
  tensor("embedding_with_fewer_rows_than_tokens", ErrorCode::bad_shape, "token_embd.weight",
         [](test::BuiltTensor& t) { --t.dims[1]; });
  spoil("embedding_with_more_rows_than_tokens", ErrorCode::bad_shape, "token_embd.weight", [](GgufBuilder& file) {
    std::mt19937 random(1);
    const std::uint64_t rows = file.tensor("token_embd.weight").dims[1] + 1;
    file.erase_tensor("token_embd.weight");
    file.add_random("token_embd.weight", {8, rows}, random);
  });
  number("vocab_size_differs_from_the_embedding", ErrorCode::bad_shape, "llama.vocab_size", 15, "token_embd.weight");
  tensor("embedding_of_wrong_width", ErrorCode::bad_shape, "token_embd.weight", [](test::BuiltTensor& t) {
    t.dims = {4, t.dims[1]};
  });
  tensor("embedding_of_three_dimensions", ErrorCode::bad_shape, "token_embd.weight", [](test::BuiltTensor& t) {
    t.dims = {8, t.dims[1] / 2, 2};
  });
  tensor("embedding_of_rank_1", ErrorCode::bad_shape, "token_embd.weight", [](test::BuiltTensor& t) { t.dims = {8}; });
  tensor("head_with_fewer_rows", ErrorCode::bad_shape, "output.weight", [](test::BuiltTensor& t) { --t.dims[1]; });
  tensor("output_norm_too_short", ErrorCode::bad_shape, "output_norm.weight",
         [](test::BuiltTensor& t) { --t.dims[0]; });
  tensor("output_norm_a_matrix", ErrorCode::bad_shape, "output_norm.weight", [](test::BuiltTensor& t) {
    t.dims = {4, 2};
  });
  // A width of 32, so that a norm could be one block of Q8_0.
  bad_files().make("norm_of_quantized_type", ErrorCode::wrong_type, "output_norm.weight", [] {
    GgufBuilder file;
    test::add_tiny_llama(file, test::add_spm_vocabulary(file, false),
                         {.dim = 32, .heads = 2, .kv_heads = 1, .head_dim = 16, .ffn = 12, .layers = 1, .context = 8});
    file.tensor("output_norm.weight").type = static_cast<std::uint32_t>(DType::q8_0);
    return file.bytes();
  });
  for (const auto& [name, type] : {std::pair{"f64", DType::f64}, {"i8", DType::i8}, {"i64", DType::i64}})
    tensor(std::string("embedding_of_type_") + name, ErrorCode::unsupported_type, "token_embd.weight",
           [type = type](test::BuiltTensor& t) {
             t.type = static_cast<std::uint32_t>(type);
             t.data.resize(t.data.size() * 2);
           });
  const auto bias = [](const std::string& name, std::uint64_t size, ErrorCode code, const std::string& mention) {
    spoil("bias_" + name, code, mention, [=](GgufBuilder& file) {
      std::mt19937 random(1);
      file.add_random("blk.0.attn_q.bias", {size}, random);
      if (name != "of_the_first_layer_only") file.add_random("blk.1.attn_q.bias", {8}, random);
    });
  };
  bias("of_wrong_size", 7, ErrorCode::bad_shape, "blk.0.attn_q.bias");
  bias("of_q_but_not_of_k", 8, ErrorCode::missing_key, "blk.0.attn_k.bias");
  const auto factors = [](const std::string& name, std::vector<float> values, ErrorCode code) {
    spoil("rope_factors_" + name, code, "rope_freqs.weight", [=](GgufBuilder& file) {
      test::BuiltTensor& t = file.tensor("rope_freqs.weight");
      t.dims = {values.size()};
      for (const float value : values) t.data += encoded(value);
    });
  };
  factors("too_many", {1, 1, 1}, ErrorCode::bad_shape);
  factors("of_0", {1, 0}, ErrorCode::bad_value);
  factors("negative", {1, -8}, ErrorCode::bad_value);
  factors("nan", {1, kNan}, ErrorCode::bad_value);
  factors("infinite", {1, kInf}, ErrorCode::bad_value);
}

/// That loading a model reads the vocabulary and compares it with the weights; what can be wrong inside a vocabulary
/// has its own tests.
void vocabulary_cases() {
  const auto tokens = [](const std::string& name, const std::function<void(std::vector<std::string>&)>& change) {
    spoil("vocabulary_" + name, ErrorCode::bad_shape, "token_embd.weight", [change](GgufBuilder& file) {
      std::vector<std::string> pieces = test::strings_of(file, "tokens");
      change(pieces);
      file.set_strings("tokenizer.ggml.tokens", pieces);
    });
  };
  tokens("of_no_tokens", [](auto& pieces) { pieces.clear(); });
  tokens("one_token_short", [](auto& pieces) { pieces.pop_back(); });
  tokens("one_token_long", [](auto& pieces) { pieces.push_back("more"); });
  spoil("vocabulary_with_an_empty_token", ErrorCode::bad_tokenizer, "token 5 ", test::set_token(5, ""));
  spoil("vocabulary_of_unknown_kind", ErrorCode::unsupported_tokenizer, "'wordpiece9'",
        [](GgufBuilder& file) { file.set_string("tokenizer.ggml.model", "wordpiece9"); });
}

const std::vector<BadFile>& all_cases() {
  if (bad_files().all().empty()) {
    key_cases();
    architecture_cases();
    dimension_cases();
    scalar_cases();
    tensor_cases();
    vocabulary_cases();
  }
  return bad_files().all();
}

class BadModel : public testing::TestWithParam<BadFile> {};

TEST_P(BadModel, IsRefused) { test::expect_refused(GetParam(), test::load_only); }

INSTANTIATE_TEST_SUITE_P(Named, BadModel, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

/// The models that the bad ones are made from load and run.
TEST(OddModel, TheUnspoiltFilesAreAccepted) {
  for (const GgufBuilder& file : {test::tiny_llama(), test::tiny_llama(false), test::tiny_llama_bpe()})
    for (const bool exact : {false, true}) {
      const auto outcome = test::read_bounded(
          file.bytes(), [&](std::span<const std::byte> bytes) { test::load_and_run(bytes, {.exact = exact}); });
      EXPECT_FALSE(outcome.code) << outcome.message;
    }
}

TEST(OddModel, WithoutVocabularyOrWithWeightsOfNan) {
  GgufBuilder bare;
  test::add_tiny_llama(bare, 10);
  EXPECT_FALSE(test::read_bounded(bare.bytes(), [](auto bytes) { test::load_and_run(bytes, {}); }).code);
  GgufBuilder poisoned = test::tiny_llama();
  for (test::BuiltTensor& t : poisoned.tensors) t.data = std::string(t.data.size(), '\xff');
  const auto outcome = test::read_bounded(poisoned.bytes(), [](auto bytes) { test::load_and_run(bytes, {}); });
  ASSERT_TRUE(outcome.code);
  EXPECT_EQ(error_code_name(*outcome.code), "bad_value") << "no logit is a number: " << outcome.message;
}

}  // namespace
}  // namespace plumb::bad_model_test
