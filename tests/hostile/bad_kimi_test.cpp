/// Bad models of Kimi Linear: every key and tensor that its delta nets have and no other block, each with its exact
/// code; and the shapes that files may have.

#include <gtest/gtest.h>

#include <string>

#include "tests/support/hostile_model.hpp"
#include "tests/support/models.hpp"

namespace plumb::bad_kimi_test {
namespace {

using test::BadFile;
using test::BadFiles;
using test::GgufBuilder;
using test::test_name;
namespace vt = test::value_type;

constexpr std::uint32_t kWidth = 8, kHeads = 3, kDim = 5, kKernel = 4, kInner = kHeads * kDim;
constexpr std::uint32_t kRank = 6, kStill = 4, kNope = 2, kValues = 7, kExperts = 4, kExpertInner = 10, kVocab = 16;

/// A well-formed model of three layers: a delta net with a dense block, latent attention with experts, a delta net with
/// experts.
GgufBuilder tiny_kimi() {
  GgufBuilder file;
  std::mt19937 random(20251030);
  const std::string family = "kimi-linear";
  file.set_string("general.architecture", family);
  const auto count = [&](const std::string& key, std::uint32_t value) { file.set_u32(family + "." + key, value); };
  count("context_length", 32);
  count("embedding_length", kWidth);
  count("block_count", 3);
  count("feed_forward_length", 12);
  count("attention.head_count", kHeads);
  file.set_numbers<std::uint32_t>(family + ".attention.head_count_kv", vt::u32, std::vector<std::uint32_t>{0, 1, 0});
  count("attention.kv_lora_rank", kRank);
  count("attention.key_length_mla", kNope + kStill);
  count("attention.value_length_mla", kValues);
  count("rope.dimension_count", kStill);
  count("ssm.conv_kernel", kKernel);
  count("kda.head_dim", kDim);
  count("expert_count", kExperts);
  count("expert_used_count", 2);
  count("expert_feed_forward_length", kExpertInner);
  count("expert_shared_count", 1);
  count("expert_gating_func", 2);
  count("leading_dense_block_count", 1);
  file.set_f32(family + ".expert_weights_scale", 2.0f);
  file.set_f32(family + ".attention.layer_norm_rms_epsilon", 1e-6f);
  file.add_random("token_embd.weight", {kWidth, kVocab}, random);
  file.add_random("output_norm.weight", {kWidth}, random, 1);
  file.add_random("output.weight", {kWidth, kVocab}, random);
  for (int l = 0; l < 3; ++l) {
    const auto add = [&](const std::string& name, std::vector<std::uint64_t> dims) {
      file.add_random("blk." + std::to_string(l) + "." + name, std::move(dims), random, 1);
    };
    add("attn_norm.weight", {kWidth});
    if (l == 1) {
      add("attn_q.weight", {kWidth, kHeads * (kNope + kStill)});
      add("attn_kv_a_mqa.weight", {kWidth, kRank + kStill});
      add("attn_kv_a_norm.weight", {kRank});
      add("attn_k_b.weight", {kNope, kRank, kHeads});
      add("attn_v_b.weight", {kRank, kValues, kHeads});
      add("attn_output.weight", {kHeads * kValues, kWidth});
    } else {
      for (const std::string part : {"q", "k", "v"}) {
        add("attn_" + part + ".weight", {kWidth, kInner});
        add("ssm_conv1d_" + part + ".weight", {kKernel, 1, kInner, 1});
      }
      add("ssm_f_a.weight", {kWidth, kDim});
      add("ssm_f_b.weight", {kDim, kInner});
      add("ssm_g_a.weight", {kWidth, kDim});
      add("ssm_g_b.weight", {kDim, kInner});
      add("ssm_beta.weight", {kWidth, kHeads});
      file.add_random("blk." + std::to_string(l) + ".ssm_a", {1, kHeads, 1, 1}, random, -1);
      add("ssm_dt.bias", {kInner});
      add("ssm_norm.weight", {kDim});
      add("attn_output.weight", {kInner, kWidth});
    }
    add("ffn_norm.weight", {kWidth});
    if (l == 0) {
      add("ffn_gate.weight", {kWidth, 12});
      add("ffn_up.weight", {kWidth, 12});
      add("ffn_down.weight", {12, kWidth});
      continue;
    }
    add("ffn_gate_inp.weight", {kWidth, kExperts});
    add("exp_probs_b.bias", {kExperts});
    add("ffn_gate_exps.weight", {kWidth, kExpertInner, kExperts});
    add("ffn_up_exps.weight", {kWidth, kExpertInner, kExperts});
    add("ffn_down_exps.weight", {kExpertInner, kWidth, kExperts});
    add("ffn_gate_shexp.weight", {kWidth, kExpertInner});
    add("ffn_up_shexp.weight", {kWidth, kExpertInner});
    add("ffn_down_shexp.weight", {kExpertInner, kWidth});
  }
  return file;
}

BadFiles& bad_files() {
  static BadFiles all([] { return tiny_kimi(); });
  return all;
}

void key_cases() {
  for (const std::string field : {"kda.head_dim", "ssm.conv_kernel", "attention.head_count", "attention.kv_lora_rank",
                                  "attention.key_length_mla", "attention.value_length_mla"}) {
    // Without the length of a key, the file is of the older form.
    bad_files().spoil_count("kimi-linear", field, field != "attention.key_length_mla");
  }
  const auto number = [](const std::string& name, ErrorCode code, const std::string& key, std::uint32_t value,
                         const std::string& mention) {
    bad_files().spoil(name, code, mention, [=](GgufBuilder& file) { file.set_u32("kimi-linear." + key, value); });
  };
  number("heads_differ_from_the_tensors", ErrorCode::bad_shape, "attention.head_count", kHeads + 1, "blk.0.attn_q");
  number("dim_differs_from_the_tensors", ErrorCode::bad_shape, "kda.head_dim", kDim + 1, "blk.0.attn_q");
  number("kernel_differs_from_the_tensors", ErrorCode::bad_shape, "ssm.conv_kernel", kKernel + 1, "ssm_conv1d_q");
  number("longest_kernel_and_one", ErrorCode::bad_value, "ssm.conv_kernel", 33, "ssm.conv_kernel");
  number("one_kind_for_all", ErrorCode::bad_shape, "attention.head_count_kv", 1, "blk.0.attn_q");
  number("keys_of_the_shared_part_alone", ErrorCode::bad_value, "attention.key_length_mla", kStill, "key_length_mla");
  number("as_many_guessing_layers_as_layers", ErrorCode::bad_value, "nextn_predict_layers", 3, "nextn_predict_layers");
  number("more_experts_used", ErrorCode::bad_value, "expert_used_count", kExperts + 1, "expert_used_count");
  number("another_gating", ErrorCode::unsupported_type, "expert_gating_func", 3, "expert_gating_func");
  const auto kinds = [](const std::string& name, ErrorCode code, std::vector<std::uint32_t> heads,
                        const std::string& mention) {
    bad_files().spoil(name, code, mention, [=](GgufBuilder& file) {
      file.set_numbers<std::uint32_t>("kimi-linear.attention.head_count_kv", vt::u32, heads);
    });
  };
  kinds("kinds_of_two_layers", ErrorCode::bad_value, {0, 1}, "head_count_kv");
  kinds("kinds_of_no_layer", ErrorCode::bad_value, {}, "head_count_kv");
  kinds("a_kind_2_31", ErrorCode::overflow, {0, 1u << 31, 0}, "head_count_kv");
  kinds("a_kind_beyond_the_heads", ErrorCode::bad_value, {0, 1u << 15, 0}, "head_count_kv");
  kinds("a_net_that_is_latent_attention", ErrorCode::bad_shape, {0, 0, 0}, "blk.1.attn_q");
  kinds("latent_attention_that_is_a_net", ErrorCode::bad_shape, {1, 1, 0}, "blk.0.attn_q");
  // All within their own limits; what they make together is not.
  bad_files().spoil("channels_beyond_the_limit", ErrorCode::bad_value, "delta.channels", [](GgufBuilder& file) {
    file.set_u32("kimi-linear.attention.head_count", 1u << 14);
    file.set_u32("kimi-linear.kda.head_dim", 1u << 12);
  });
  bad_files().spoil("state_overflows", ErrorCode::overflow, "bytes of the state", [](GgufBuilder& file) {
    file.set_u32("kimi-linear.context_length", 1u << 30);
    file.set_u32("kimi-linear.attention.kv_lora_rank", 1u << 20);
    file.set_u32("kimi-linear.block_count", 1u << 12);
    file.set_u32("kimi-linear.attention.head_count_kv", 1);
  });
}

void tensor_cases() {
  for (const std::string part :
       {"attn_q.weight", "attn_k.weight", "attn_v.weight", "ssm_conv1d_q.weight", "ssm_conv1d_k.weight",
        "ssm_conv1d_v.weight", "ssm_f_a.weight", "ssm_f_b.weight", "ssm_g_a.weight", "ssm_g_b.weight",
        "ssm_beta.weight", "ssm_a", "ssm_dt.bias", "ssm_norm.weight", "attn_output.weight", "exp_probs_b.bias",
        "ffn_gate_inp.weight", "ffn_up_exps.weight", "ffn_down_shexp.weight"}) {
    const std::string name = "blk.2." + part;
    // What else tells that there is a bias, or experts, is the tensor itself.
    if (part != "exp_probs_b.bias")
      bad_files().spoil(test_name(part) + "_absent", ErrorCode::missing_key, name,
                        [name](GgufBuilder& file) { file.erase_tensor(name); });
    bad_files().spoil_shape(part, name);
  }
  bad_files().spoil("convolution_of_blocks", ErrorCode::wrong_type, "ssm_conv1d_k", [](GgufBuilder& file) {
    test::BuiltTensor& t = file.tensor("blk.0.ssm_conv1d_k.weight");
    t.dims = {32, 1, kInner, 1};
    t.type = static_cast<std::uint32_t>(DType::q8_0);
    t.data = std::string(kInner * 34, '\0');
    file.set_u32("kimi-linear.ssm.conv_kernel", 32);
    for (const std::string part : {"q", "v"})
      for (const std::string layer : {"blk.0.", "blk.2."}) {
        const std::string name = layer + "ssm_conv1d_" + part + ".weight";
        std::mt19937 random(1);
        file.erase_tensor(name);
        file.add_random(name, {32, 1, kInner, 1}, random);
      }
  });
  bad_files().spoil("rates_of_integers", ErrorCode::unsupported_type, "ssm_a", [](GgufBuilder& file) {
    file.tensor("blk.0.ssm_a").type = static_cast<std::uint32_t>(DType::i32);
  });
}

const std::vector<BadFile>& all_cases() {
  if (bad_files().all().empty()) {
    key_cases();
    tensor_cases();
  }
  return bad_files().all();
}

class BadKimi : public testing::TestWithParam<BadFile> {};

TEST_P(BadKimi, IsRefused) { test::expect_refused(GetParam(), test::load_only); }

INSTANTIATE_TEST_SUITE_P(Named, BadKimi, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(OddKimi, TheUnspoiltFileIsAccepted) { test::expect_runs(tiny_kimi()); }

/// Other tools leave out trailing dimensions of 1.
TEST(OddKimi, ShapesWithoutTrailingOnes) {
  GgufBuilder file = tiny_kimi();
  for (test::BuiltTensor& t : file.tensors)
    while (t.name.find(".ssm_") != std::string::npos && t.dims.size() > 2 && t.dims.back() == 1) t.dims.pop_back();
  EXPECT_EQ(file.tensor("blk.0.ssm_conv1d_q.weight").dims.size(), 3u);
  EXPECT_EQ(file.tensor("blk.0.ssm_a").dims.size(), 2u);
  test::expect_runs(file);
}

/// Keys and values of latent attention in one matrix, as files had before there was the absorbed form.
TEST(OddKimi, KeysAndValuesInOneMatrix) {
  GgufBuilder file = tiny_kimi();
  std::mt19937 random(1);
  for (const char* part : {"k", "v"}) file.erase_tensor("blk.1.attn_" + std::string(part) + "_b.weight");
  file.add_random("blk.1.attn_kv_b.weight", {kRank, kHeads * (kNope + kValues)}, random);
  test::expect_runs(file);
}

/// Compressed queries, which no published model has.
TEST(OddKimi, CompressedQueries) {
  GgufBuilder file = tiny_kimi();
  std::mt19937 random(1);
  file.set_u32("kimi-linear.attention.q_lora_rank", 5);
  file.erase_tensor("blk.1.attn_q.weight");
  file.add_random("blk.1.attn_q_a.weight", {kWidth, 5}, random);
  file.add_random("blk.1.attn_q_a_norm.weight", {5}, random);
  file.add_random("blk.1.attn_q_b.weight", {5, kHeads * (kNope + kStill)}, random);
  test::expect_runs(file);
}

/// Rates that grow rather than decay, or are no numbers, make logits that are none, which no sampler takes.
TEST(OddKimi, RatesOfAnyValue) {
  for (const char byte : {'\x7f', '\xff', '\x41'}) {
    GgufBuilder file = tiny_kimi();
    for (test::BuiltTensor& t : file.tensors)
      if (t.name.find("ssm_a") != std::string::npos) t.data = std::string(t.data.size(), byte);
    const auto outcome = test::read_bounded(file.bytes(), [](std::span<const std::byte> bytes) {
      const Model model = test::load_from(bytes);
      Session session(model, {.context = 8, .threads = 1});
      session.prefill(std::vector<Token>{1, 2, 3, 4, 5});
      session.forward(test::rows_of(std::vector<Token>{6}, 5));
    });
    EXPECT_FALSE(outcome.code) << outcome.message;
  }
}

}  // namespace
}  // namespace plumb::bad_kimi_test
