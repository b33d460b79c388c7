/// Files of RWKV 7 with one thing spoilt.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/hostile_model.hpp"

namespace plumb::bad_rwkv_test {
namespace {

using test::BadFile;
using test::BadFiles;
using test::GgufBuilder;
using test::test_name;

constexpr std::uint32_t kDim = 8, kHead = 4, kFfn = 12, kVocab = 10;

/// Ranks of decays, rates, values and gates: 2, 3, 5, 6. The first layer has the matrices that nobody reads.
GgufBuilder tiny_rwkv() {
  GgufBuilder file;
  std::mt19937 random(11);
  file.set_string("general.architecture", "rwkv7");
  for (const auto& [key, value] : {std::pair{"context_length", 32u},
                                   {"embedding_length", kDim},
                                   {"block_count", 2u},
                                   {"feed_forward_length", kFfn},
                                   {"attention.head_count", 0u},
                                   {"wkv.head_size", kHead},
                                   {"attention.decay_lora_rank", 2u},
                                   {"attention.iclr_lora_rank", 3u},
                                   {"attention.value_residual_mix_lora_rank", 5u},
                                   {"attention.gate_lora_rank", 6u}})
    file.set_u32(std::string("rwkv7.") + key, value);
  file.set_f32("rwkv7.attention.layer_norm_epsilon", 1e-5f);
  const auto norm = [&](const std::string& name) {
    file.add_random(name + ".weight", {kDim}, random, 1);
    file.add_random(name + ".bias", {kDim}, random, 1);
  };
  const auto low_rank = [&](const std::string& name, std::uint64_t rank) {
    file.add_random(name + "1.weight", {kDim, rank}, random);
    file.add_random(name + "2.weight", {rank, kDim}, random);
  };
  file.add_random("token_embd.weight", {kDim, kVocab}, random);
  norm("token_embd_norm");
  norm("output_norm");
  file.add_random("output.weight", {kDim, kVocab}, random);
  for (const std::string blk : {"blk.0.", "blk.1."}) {
    for (const char* own : {"attn_norm", "attn_norm_2", "time_mix_ln"}) norm(blk + own);
    file.add_random(blk + "time_mix_lerp_fused.weight", {kDim, 1, 1, 6}, random);
    low_rank(blk + "time_mix_w", 2);
    low_rank(blk + "time_mix_a", 3);
    low_rank(blk + "time_mix_v", blk == "blk.0." ? 3 : 5);
    low_rank(blk + "time_mix_g", 6);
    for (const char* vector : {"w0", "a0", "v0", "k_k", "k_a", "r_k"})
      file.add_random(blk + "time_mix_" + vector + ".weight", {kDim}, random, 1);
    for (const char* matrix : {"receptance", "key", "value", "output"})
      file.add_random(blk + "time_mix_" + matrix + ".weight", {kDim, kDim}, random);
    file.add_random(blk + "channel_mix_lerp_k.weight", {kDim}, random, 1);
    file.add_random(blk + "channel_mix_key.weight", {kDim, kFfn}, random);
    file.add_random(blk + "channel_mix_value.weight", {kFfn, kDim}, random);
  }
  return file;
}

std::vector<BadFile> all_cases() {
  BadFiles files(tiny_rwkv, "rwkv7_");
  const auto number = [&](const std::string& name, ErrorCode code, const std::string& key, std::uint32_t value,
                          const std::string& mention) {
    files.spoil(name, code, mention, [=](GgufBuilder& file) { file.set_u32(key, value); });
  };
  for (const auto& [part, tensor] : {std::pair{"wkv.head_size", ""},
                                     {"attention.decay_lora_rank", "blk.0.time_mix_w1.weight"},
                                     {"attention.iclr_lora_rank", "blk.0.time_mix_a1.weight"},
                                     {"attention.value_residual_mix_lora_rank", "blk.1.time_mix_v1.weight"},
                                     {"attention.gate_lora_rank", "blk.0.time_mix_g1.weight"},
                                     {"feed_forward_length", "blk.0.channel_mix_key.weight"}}) {
    const std::string key = std::string("rwkv7.") + part;
    files.spoil_count("rwkv7", part);
    if (*tensor) number(test_name(part) + "_differs", ErrorCode::bad_shape, key, 7, tensor);
  }
  number("head_size_no_divisor", ErrorCode::bad_value, "rwkv7.wkv.head_size", 3, "rwkv7.wkv.head_size");
  number("head_size_beyond_the_width", ErrorCode::bad_value, "rwkv7.wkv.head_size", 16, "rwkv7.wkv.head_size");
  number("token_shift_of_one_block", ErrorCode::unsupported_type, "rwkv7.token_shift_count", 1,
         "rwkv7.token_shift_count");
  files.spoil("epsilon_nan", ErrorCode::bad_value, "rwkv7.attention.layer_norm_epsilon",
              [](GgufBuilder& file) { file.set_f32("rwkv7.attention.layer_norm_epsilon", NAN); });
  for (const std::string part :
       {"blk.0.attn_norm.bias", "blk.1.attn_norm_2.weight", "blk.1.time_mix_ln.bias",
        "blk.0.time_mix_lerp_fused.weight", "blk.0.time_mix_receptance.weight", "blk.0.time_mix_w0.weight",
        "blk.1.time_mix_a2.weight", "blk.1.time_mix_v0.weight", "blk.1.time_mix_v2.weight", "blk.0.time_mix_g2.weight",
        "blk.0.time_mix_k_k.weight", "blk.0.time_mix_k_a.weight", "blk.0.time_mix_r_k.weight",
        "blk.1.time_mix_output.weight", "blk.0.channel_mix_lerp_k.weight", "blk.0.channel_mix_value.weight"})
    files.spoil("missing_" + test_name(part), ErrorCode::missing_key, part,
                [=](GgufBuilder& file) { file.erase_tensor(part); });
  const auto reshaped = [&](const std::string& name, const std::string& tensor, std::vector<std::uint64_t> dims) {
    files.spoil(name, ErrorCode::bad_shape, tensor, [=](GgufBuilder& file) {
      std::mt19937 random(14);
      file.erase_tensor(tensor);
      file.add_random(tensor, dims, random, 1);
    });
  };
  reshaped("five_shares", "blk.0.time_mix_lerp_fused.weight", {kDim, 1, 1, 5});
  reshaped("shares_of_two_dimensions", "blk.1.time_mix_lerp_fused.weight", {kDim, 6});
  reshaped("shares_of_half_a_row", "blk.0.channel_mix_lerp_k.weight", {kDim / 2});
  reshaped("rank_transposed", "blk.1.time_mix_w1.weight", {2, kDim});
  reshaped("norm_of_a_head", "blk.0.time_mix_ln.weight", {kHead});
  reshaped("bonus_of_a_head", "blk.0.time_mix_r_k.weight", {kHead});
  reshaped("values_too_few", "blk.1.time_mix_value.weight", {kDim, kHead});
  files.spoil("shares_of_integers", ErrorCode::unsupported_type, "blk.0.time_mix_lerp_fused.weight",
              [](GgufBuilder& file) {
                file.tensor("blk.0.time_mix_lerp_fused.weight").type = static_cast<std::uint32_t>(DType::i32);
              });
  return files.all();
}

class BadRwkv : public testing::TestWithParam<BadFile> {};

TEST_P(BadRwkv, IsRefused) { test::expect_refused(GetParam(), test::load_only); }

INSTANTIATE_TEST_SUITE_P(Named, BadRwkv, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

/// With the matrices that nobody reads and without them, with keys that are left out, of any head size.
TEST(OddRwkv, WhatFilesMayLeaveOut) {
  test::expect_runs(tiny_rwkv());
  GgufBuilder file = tiny_rwkv();
  for (const char* unread : {"v0", "v1", "v2"}) file.erase_tensor(std::string("blk.0.time_mix_") + unread + ".weight");
  for (const char* part : {"token_embd_norm.weight", "token_embd_norm.bias", "output.weight"}) file.erase_tensor(part);
  file.erase("rwkv7.attention.head_count");
  file.set_u32("rwkv7.token_shift_count", 2);
  for (const std::uint32_t head : {1u, 2u, 8u}) {
    file.set_u32("rwkv7.wkv.head_size", head);
    test::expect_runs(file);
  }
}

}  // namespace
}  // namespace plumb::bad_rwkv_test
