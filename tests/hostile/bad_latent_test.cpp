/// Bad models of latent attention with an indexer: every key and tensor that no other block has, each with its exact
/// code.

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/support/hostile_model.hpp"

namespace plumb::bad_latent_test {
namespace {

using test::BadFile;
using test::BadFiles;
using test::GgufBuilder;
using test::test_name;

constexpr std::uint32_t kWidth = 8, kHeads = 3, kQRank = 6, kRank = 5, kRope = 4, kNope = 2, kValues = 7;
constexpr std::uint32_t kIndexHeads = 2, kIndexDims = 6, kVocab = 16;

/// A well-formed model of two layers.
GgufBuilder tiny_latent(const std::string& family = "deepseek32") {
  GgufBuilder file;
  std::mt19937 random(20250929);
  file.set_string("general.architecture", family);
  const auto count = [&](const std::string& key, std::uint32_t value) { file.set_u32(family + "." + key, value); };
  count("context_length", 32);
  count("embedding_length", kWidth);
  count("block_count", 2);
  count("feed_forward_length", 12);
  count("attention.head_count", kHeads);
  count("attention.head_count_kv", 1);
  count("attention.q_lora_rank", kQRank);
  count("attention.kv_lora_rank", kRank);
  count("attention.key_length_mla", kNope + kRope);
  count("attention.value_length_mla", kValues);
  count("rope.dimension_count", kRope);
  const bool indexed = family == "deepseek32";
  if (indexed) {
    count("attention.indexer.head_count", kIndexHeads);
    count("attention.indexer.key_length", kIndexDims);
    count("attention.indexer.top_k", 2);
  }
  file.set_f32(family + ".attention.layer_norm_rms_epsilon", 1e-6f);
  file.add_random("token_embd.weight", {kWidth, kVocab}, random);
  file.add_random("output_norm.weight", {kWidth}, random, 1);
  file.add_random("output.weight", {kWidth, kVocab}, random);
  for (int l = 0; l < 2; ++l) {
    const auto add = [&](const std::string& name, std::vector<std::uint64_t> dims) {
      file.add_random("blk." + std::to_string(l) + "." + name, std::move(dims), random, 1);
    };
    add("attn_norm.weight", {kWidth});
    add("attn_q_a.weight", {kWidth, kQRank});
    add("attn_q_a_norm.weight", {kQRank});
    add("attn_q_b.weight", {kQRank, kHeads * (kNope + kRope)});
    add("attn_kv_a_mqa.weight", {kWidth, kRank + kRope});
    add("attn_kv_a_norm.weight", {kRank});
    add("attn_k_b.weight", {kNope, kRank, kHeads});
    add("attn_v_b.weight", {kRank, kValues, kHeads});
    add("attn_output.weight", {kHeads * kValues, kWidth});
    if (indexed) {
      add("indexer.attn_q_b.weight", {kQRank, kIndexHeads * kIndexDims});
      add("indexer.attn_k.weight", {kWidth, kIndexDims});
      add("indexer.k_norm.weight", {kIndexDims});
      add("indexer.k_norm.bias", {kIndexDims});
      add("indexer.proj.weight", {kWidth, kIndexHeads});
    }
    add("ffn_norm.weight", {kWidth});
    add("ffn_gate.weight", {kWidth, 12});
    add("ffn_up.weight", {kWidth, 12});
    add("ffn_down.weight", {12, kWidth});
  }
  return file;
}

BadFiles& bad_files() {
  static BadFiles all([] { return tiny_latent(); });
  return all;
}

void key_cases() {
  const std::string keys[] = {"attention.kv_lora_rank",       "attention.key_length_mla",
                              "attention.value_length_mla",   "attention.indexer.head_count",
                              "attention.indexer.key_length", "attention.indexer.top_k"};
  for (const std::string& field : keys) {
    // Without the length of a key, the file is of the older form.
    bad_files().spoil_count("deepseek32", field, field != "attention.key_length_mla");
  }
  const auto number = [](const std::string& name, ErrorCode code, const std::string& key, std::uint32_t value,
                         const std::string& mention) {
    bad_files().spoil(name, code, mention, [=](GgufBuilder& file) { file.set_u32("deepseek32." + key, value); });
  };
  number("keys_differ_from_the_tensors", ErrorCode::bad_shape, "attention.key_length_mla", kRope + 1, "attn_q_b");
  number("keys_of_the_rotated_part_alone", ErrorCode::bad_value, "attention.key_length_mla", kRope, "key_length_mla");
  number("odd_rotated_part", ErrorCode::bad_value, "rope.dimension_count", 3, "rope");
  number("rotated_part_beyond_the_indexer", ErrorCode::bad_value, "attention.indexer.key_length", kRope - 2, "indexer");
  number("an_indexer_of_full_queries", ErrorCode::bad_value, "attention.q_lora_rank", 0, "indexer");
  number("rank_differs_from_the_tensors", ErrorCode::bad_shape, "attention.kv_lora_rank", kRank + 1, "attn_kv_a_mqa");
  number("as_many_guessing_layers_as_layers", ErrorCode::bad_value, "nextn_predict_layers", 2, "nextn_predict_layers");
  bad_files().spoil("temperature", ErrorCode::unsupported_type, "temperature",
                    [](GgufBuilder& file) { file.set_f32("deepseek32.attention.temperature_scale", 0.1f); });
  for (const auto& [name, value] : {std::pair{"nan", std::numeric_limits<float>::quiet_NaN()}, {"negative", -1.0f}})
    bad_files().spoil(std::string("scale_") + name, ErrorCode::bad_value, "scale",
                      [value = value](GgufBuilder& file) { file.set_f32("deepseek32.attention.scale", value); });
  bad_files().spoil("yarn_multiplier_of_text", ErrorCode::wrong_type, "yarn_log_multiplier", [](GgufBuilder& file) {
    file.set_string("deepseek32.rope.scaling.type", "yarn");
    file.set_f32("deepseek32.rope.scaling.factor", 4);
    file.set_string("deepseek32.rope.scaling.yarn_log_multiplier", "1");
  });
  // All within their own limits; the state they ask for is not.
  bad_files().spoil("state_overflows", ErrorCode::overflow, "bytes of the state", [](GgufBuilder& file) {
    file.set_u32("deepseek32.context_length", 1u << 30);
    file.set_u32("deepseek32.block_count", 1u << 12);
    file.set_u32("deepseek32.attention.kv_lora_rank", 1u << 20);
  });
}

void tensor_cases() {
  for (const std::string part :
       {"attn_q_a", "attn_q_a_norm", "attn_q_b", "attn_kv_a_mqa", "attn_kv_a_norm", "attn_k_b", "attn_v_b",
        "attn_output", "indexer.attn_q_b", "indexer.attn_k", "indexer.k_norm", "indexer.proj"}) {
    const std::string name = "blk.1." + part + ".weight";
    bad_files().spoil(test_name(part) + "_absent", ErrorCode::missing_key, name,
                      [name](GgufBuilder& file) { file.erase_tensor(name); });
    bad_files().spoil_shape(part, name);
    if (part != "attn_q_a_norm" && part != "attn_kv_a_norm" && part != "indexer.k_norm")
      bad_files().reshape(test_name(part) + "_flat", name, [](auto& dims) {
        std::uint64_t all = 1;
        for (const std::uint64_t dim : dims) all *= dim;
        dims = {all};
      });
    bad_files().spoil(test_name(part) + "_of_integers", ErrorCode::unsupported_type, name,
                      [name](GgufBuilder& file) { file.tensor(name).type = static_cast<std::uint32_t>(DType::i32); });
  }
  for (const std::string part : {"attn_k_b", "attn_v_b"})
    bad_files().spoil(part + "_as_one_matrix", ErrorCode::bad_shape, part, [part](GgufBuilder& file) {
      test::BuiltTensor& t = file.tensor("blk.0." + part + ".weight");
      t.dims = {t.dims[0], t.dims[1] * t.dims[2]};
    });
  bad_files().spoil("indexer_norm_without_bias", ErrorCode::missing_key, "blk.0.indexer.k_norm.bias",
                    [](GgufBuilder& file) { file.erase_tensor("blk.0.indexer.k_norm.bias"); });
  bad_files().spoil("keys_and_values_of_another_shape", ErrorCode::bad_shape, "blk.0.attn_kv_b.weight",
                    [](GgufBuilder& file) {
                      std::mt19937 random(1);
                      file.erase_tensor("blk.0.attn_k_b.weight");
                      file.add_random("blk.0.attn_kv_b.weight", {kRank, kHeads * (kNope + kValues) - 1}, random);
                    });
  bad_files().spoil("keys_and_values_of_integers", ErrorCode::unsupported_type, "blk.0.attn_kv_b.weight",
                    [](GgufBuilder& file) {
                      std::mt19937 random(1);
                      file.erase_tensor("blk.0.attn_k_b.weight");
                      file.add_random("blk.0.attn_kv_b.weight", {kRank, kHeads * (kNope + kValues)}, random);
                      file.tensor("blk.0.attn_kv_b.weight").type = static_cast<std::uint32_t>(DType::i32);
                    });
  bad_files().spoil("bias_of_one_compression", ErrorCode::missing_key, "attn_q_a.bias", [](GgufBuilder& file) {
    std::mt19937 random(1);
    file.add_random("blk.0.attn_kv_a_mqa.bias", {kRank + kRope}, random);
  });
}

const std::vector<BadFile>& all_cases() {
  if (bad_files().all().empty()) {
    key_cases();
    tensor_cases();
  }
  return bad_files().all();
}

class BadLatent : public testing::TestWithParam<BadFile> {};

TEST_P(BadLatent, IsRefused) { test::expect_refused(GetParam(), test::load_only); }

INSTANTIATE_TEST_SUITE_P(Named, BadLatent, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(OddLatent, TheUnspoiltFilesAreAccepted) {
  test::expect_runs(tiny_latent());
  test::expect_runs(tiny_latent("deepseek2"));
}

/// An indexer over scores of NaN still chooses as many positions as it may.
TEST(OddLatent, WeightsOfNanInAnIndexer) {
  GgufBuilder file = tiny_latent();
  for (test::BuiltTensor& t : file.tensors)
    if (t.name.find("indexer") != std::string::npos) t.data = std::string(t.data.size(), '\xff');
  test::expect_runs(file);
}

/// A file whose queries are not compressed, though a key names a rank.
TEST(OddLatent, TheMatrixOfQueriesTellsMoreThanTheKey) {
  GgufBuilder file = tiny_latent("deepseek2");
  std::mt19937 random(1);
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    for (const char* part : {"attn_q_a", "attn_q_a_norm", "attn_q_b"}) file.erase_tensor(layer + part + ".weight");
    file.add_random(layer + "attn_q.weight", {kWidth, kHeads * (kNope + kRope)}, random);
  }
  test::expect_runs(file);
}

}  // namespace
}  // namespace plumb::bad_latent_test
