/// Files of Gemma 3n and 4 with one thing spoilt: per-layer embeddings, shared keys and values, several streams.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/hostile_model.hpp"

namespace plumb::bad_gemma_test {
namespace {

using test::BadFile;
using test::BadFiles;
using test::encoded;
using test::GgufBuilder;
namespace vt = test::value_type;

constexpr std::uint32_t kDim = 8, kHeads = 2, kFfn = 12, kVocab = 10, kPerLayer = 4;

void set_flags(GgufBuilder& file, const std::string& key, std::initializer_list<bool> flags) {
  std::string elements;
  for (const bool flag : flags) elements += flag ? '\1' : '\0';
  file.set(key, vt::array, test::encoded_array(vt::boolean, flags.size(), elements));
}

/// Keys and tensors that both have. Layer l has heads of head_dims[l]; the last `shared` layers have no keys and
/// values.
GgufBuilder tiny_gemma(const std::string& architecture, const std::vector<std::uint32_t>& head_dims,
                       std::uint32_t shared) {
  GgufBuilder file;
  std::mt19937 random(11);
  const auto layers = static_cast<std::uint32_t>(head_dims.size());
  file.set_string("general.architecture", architecture);
  for (const auto& [key, value] : {std::pair{"context_length", 32u},
                                   {"embedding_length", kDim},
                                   {"block_count", layers},
                                   {"feed_forward_length", kFfn},
                                   {"attention.head_count", kHeads},
                                   {"attention.head_count_kv", 1u},
                                   {"attention.sliding_window", 4u},
                                   {"attention.shared_kv_layers", shared},
                                   {"embedding_length_per_layer_input", kPerLayer}})
    file.set_u32(architecture + "." + key, value);
  file.set_f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
  file.add_random("token_embd.weight", {kDim, kVocab}, random);
  file.add_random("output_norm.weight", {kDim}, random, 1);
  file.add_random("per_layer_token_embd.weight", {kPerLayer * layers, kVocab}, random);
  file.add_random("per_layer_model_proj.weight", {kDim, kPerLayer * layers}, random);
  file.add_random("per_layer_proj_norm.weight", {kPerLayer}, random, 1);
  for (std::uint32_t l = 0; l < layers; ++l) {
    const std::string blk = "blk." + std::to_string(l) + ".";
    const std::uint64_t head = head_dims[l];
    for (const char* norm : {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "post_norm"})
      file.add_random(blk + norm + ".weight", {kDim}, random, 1);
    file.add_random(blk + "attn_q.weight", {kDim, kHeads * head}, random);
    file.add_random(blk + "attn_q_norm.weight", {head}, random, 1);
    file.add_random(blk + "attn_output.weight", {kHeads * head, kDim}, random);
    if (l < layers - shared) {
      file.add_random(blk + "attn_k.weight", {kDim, head}, random);
      file.add_random(blk + "attn_v.weight", {kDim, head}, random);
      file.add_random(blk + "attn_k_norm.weight", {head}, random, 1);
    }
    file.add_random(blk + "ffn_gate.weight", {kDim, kFfn}, random);
    file.add_random(blk + "ffn_up.weight", {kDim, kFfn}, random);
    file.add_random(blk + "ffn_down.weight", {kFfn, kDim}, random);
    file.add_random(blk + "inp_gate.weight", {kDim, kPerLayer}, random);
    file.add_random(blk + "proj.weight", {kPerLayer, kDim}, random);
  }
  return file;
}

/// A layer with a window, one without and one with, which reads the keys of the first.
GgufBuilder tiny_gemma4() {
  GgufBuilder file = tiny_gemma("gemma4", {4, 8, 4}, 1);
  std::mt19937 random(12);
  for (const auto& [key, value] : {std::pair{"attention.key_length", 8u},
                                   {"attention.value_length", 8u},
                                   {"attention.key_length_swa", 4u},
                                   {"attention.value_length_swa", 4u}})
    file.set_u32(std::string("gemma4.") + key, value);
  set_flags(file, "gemma4.attention.sliding_window_pattern", {true, false, true});
  test::BuiltTensor& factors = file.tensor("rope_freqs.weight");
  factors.dims = {4};
  for (const float factor : {1.0f, 1.0f, 1e30f, 1e30f}) factors.data += encoded(factor);
  for (const char* layer : {"0", "1", "2"})
    file.add_random(std::string("blk.") + layer + ".layer_output_scale.weight", {1}, random, 1);
  return file;
}

/// The same with experts beside the dense block of layer 1.
GgufBuilder tiny_gemma4_moe() {
  GgufBuilder file = tiny_gemma4();
  std::mt19937 random(16);
  for (const auto& [key, value] :
       {std::pair{"expert_count", 3u}, {"expert_used_count", 2u}, {"expert_feed_forward_length", 6u}})
    file.set_u32(std::string("gemma4.") + key, value);
  for (const char* norm : {"pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"})
    file.add_random(std::string("blk.1.") + norm + ".weight", {kDim}, random, 1);
  file.add_random("blk.1.ffn_gate_inp.weight", {kDim, 3}, random);
  file.add_random("blk.1.ffn_gate_inp.scale", {kDim}, random, 1);
  file.add_random("blk.1.ffn_gate_exps.weight", {kDim, 6, 3}, random);
  file.add_random("blk.1.ffn_up_exps.weight", {kDim, 6, 3}, random);
  file.add_random("blk.1.ffn_down_exps.weight", {6, kDim, 3}, random);
  file.add_random("blk.1.ffn_down_exps.scale", {3}, random, 1);
  return file;
}

GgufBuilder tiny_gemma3n() {
  GgufBuilder file = tiny_gemma("gemma3n", {4, 4}, 0);
  std::mt19937 random(13);
  file.set_u32("gemma3n.altup.num_inputs", 4);
  file.set_u32("gemma3n.altup.active_idx", 0);
  file.add_random("altup_proj.weight", {kDim, kDim, 3}, random);
  file.add_random("altup_unembd_proj.weight", {kDim, kDim, 3}, random);
  for (const std::string blk : {"blk.0.", "blk.1."}) {
    file.add_random(blk + "altup_router_norm.weight", {kDim}, random, 1);
    file.add_random(blk + "altup_router.weight", {kDim, 4}, random);
    file.add_random(blk + "altup_predict_coef.weight", {4, 16}, random);
    file.add_random(blk + "altup_correct_coef.weight", {4, 4}, random);
    file.add_random(blk + "altup_correct_scale.weight", {kDim}, random, 1);
    file.add_random(blk + "laurel_l.weight", {kDim, 6}, random);
    file.add_random(blk + "laurel_r.weight", {6, kDim}, random);
    file.add_random(blk + "laurel_post_norm.weight", {kDim}, random, 1);
  }
  return file;
}

void number(BadFiles& files, const std::string& name, ErrorCode code, const std::string& key, std::uint32_t value,
            const std::string& mention = "") {
  files.spoil(name, code, mention.empty() ? key : mention, [=](GgufBuilder& file) { file.set_u32(key, value); });
}
void missing(BadFiles& files, const std::string& part) {
  std::string name = part;
  for (char& c : name)
    if (c == '.') c = '_';
  files.spoil("missing_" + name, ErrorCode::missing_key, part + ".weight",
              [=](GgufBuilder& file) { file.erase_tensor(part + ".weight"); });
}
void reshaped(BadFiles& files, const std::string& name, const std::string& tensor, std::vector<std::uint64_t> dims) {
  files.spoil(name, ErrorCode::bad_shape, tensor + ".weight", [=](GgufBuilder& file) {
    std::mt19937 random(14);
    file.erase_tensor(tensor + ".weight");
    file.add_random(tensor + ".weight", dims, random, 1);
  });
}

void gemma4_cases(BadFiles& files) {
  const std::string pre = "gemma4.", shared = pre + "attention.shared_kv_layers";
  number(files, "more_shared_layers_than_layers", ErrorCode::bad_value, shared, 4);
  number(files, "all_layers_shared", ErrorCode::bad_value, shared, 3);
  number(files, "shared_layers_beyond_all_limits", ErrorCode::bad_value, shared, 1u << 31);
  files.spoil("shared_layers_a_float", ErrorCode::wrong_type, shared,
              [=](GgufBuilder& file) { file.set_f32(shared, 1); });
  const std::string pattern = pre + "attention.sliding_window_pattern";
  files.spoil("shared_layer_of_a_kind_without_keys", ErrorCode::bad_value, shared, [=](GgufBuilder& file) {
    set_flags(file, pattern, {false, false, true});
  });
  files.spoil("pattern_too_short", ErrorCode::bad_value, pattern, [=](GgufBuilder& file) {
    set_flags(file, pattern, {true, false});
  });
  files.spoil("pattern_of_floats", ErrorCode::wrong_type, pattern, [=](GgufBuilder& file) {
    const std::vector<float> numbers = {1, 0, 1};
    file.set_numbers<float>(pattern, vt::f32, numbers);
  });
  files.spoil("pattern_of_larger_integers", ErrorCode::bad_value, pattern, [=](GgufBuilder& file) {
    const std::vector<std::uint32_t> numbers = {1, 0, 2};
    file.set_numbers<std::uint32_t>(pattern, vt::u32, numbers);
  });
  const std::string width = pre + "embedding_length_per_layer_input";
  number(files, "per_layer_width_beyond_all_limits", ErrorCode::bad_value, width, 1u << 31);
  number(files, "per_layer_width_differs", ErrorCode::bad_shape, width, 5, "per_layer_token_embd.weight");
  files.spoil("per_layer_width_a_string", ErrorCode::wrong_type, width,
              [=](GgufBuilder& file) { file.set_string(width, "4"); });
  for (const char* part : {"per_layer_token_embd", "per_layer_model_proj", "per_layer_proj_norm", "blk.1.inp_gate",
                           "blk.1.proj", "blk.1.post_norm", "rope_freqs", "blk.1.attn_k", "blk.0.attn_k_norm"})
    missing(files, part);
  reshaped(files, "per_layer_table_transposed", "per_layer_token_embd", {kVocab, 12});
  reshaped(files, "per_layer_table_of_three_dimensions", "per_layer_token_embd", {4, 3, kVocab});
  reshaped(files, "per_layer_norm_of_all_layers", "per_layer_proj_norm", {12});
  reshaped(files, "per_layer_gate_transposed", "blk.0.inp_gate", {kPerLayer, kDim});
  reshaped(files, "two_scales_of_a_layer", "blk.0.layer_output_scale", {2});
  reshaped(files, "factors_of_the_shorter_heads", "rope_freqs", {2});
  number(files, "key_length_swa_0", ErrorCode::bad_value, pre + "attention.key_length_swa", 0);
  number(files, "key_length_swa_differs", ErrorCode::bad_shape, pre + "attention.key_length_swa", 6, "attn_q.weight");
  number(files, "value_length_swa_differs", ErrorCode::bad_shape, pre + "attention.value_length_swa", 6, "attn_v");
  number(files, "rope_dims_swa_odd", ErrorCode::bad_value, pre + "rope.dimension_count_swa", 3, "dims");
  number(files, "rope_dims_swa_beyond_the_head", ErrorCode::bad_value, pre + "rope.dimension_count_swa", 6,
         "rope.dims");
  files.spoil("rope_base_swa_nan", ErrorCode::bad_value, pre + "rope.freq_base_swa",
              [=](GgufBuilder& file) { file.set_f32(pre + "rope.freq_base_swa", NAN); });
}

void gemma3n_cases(BadFiles& files) {
  const std::string streams = "gemma3n.altup.num_inputs", active = "gemma3n.altup.active_idx";
  number(files, "streams_0", ErrorCode::bad_value, streams, 0);
  number(files, "streams_1", ErrorCode::bad_value, streams, 1, "altup.streams");
  number(files, "streams_17", ErrorCode::bad_value, streams, 17);
  number(files, "streams_3", ErrorCode::bad_shape, streams, 3, "altup_proj.weight");
  number(files, "active_stream_4", ErrorCode::bad_value, active, 4);
  files.spoil("active_stream_a_float", ErrorCode::wrong_type, active,
              [=](GgufBuilder& file) { file.set_f32(active, 0); });
  number(files, "streams_without_per_layer_embeddings", ErrorCode::bad_value,
         "gemma3n.embedding_length_per_layer_input", 0, "per-layer embedding");
  for (const char* part : {"altup_proj", "altup_unembd_proj", "blk.0.altup_router_norm", "blk.0.altup_router",
                           "blk.1.altup_predict_coef", "blk.1.altup_correct_coef", "blk.1.altup_correct_scale",
                           "blk.1.laurel_l", "blk.1.laurel_r", "blk.1.laurel_post_norm", "blk.0.attn_v"})
    missing(files, part);
  reshaped(files, "one_projection_short", "altup_proj", {kDim, kDim, 2});
  reshaped(files, "projections_of_two_dimensions", "altup_unembd_proj", {kDim, kDim});
  reshaped(files, "router_transposed", "blk.0.altup_router", {4, kDim});
  reshaped(files, "predict_transposed", "blk.0.altup_predict_coef", {16, 4});
  reshaped(files, "correct_of_three_streams", "blk.0.altup_correct_coef", {4, 3});
  reshaped(files, "scale_a_number", "blk.0.altup_correct_scale", {1});
  reshaped(files, "laurel_of_another_rank", "blk.0.laurel_r", {5, kDim});
  files.spoil("router_of_integers", ErrorCode::unsupported_type, "blk.0.altup_router.weight", [](GgufBuilder& file) {
    file.tensor("blk.0.altup_router.weight").type = static_cast<std::uint32_t>(DType::i32);
  });
}

void gemma4_moe_cases(BadFiles& files) {
  for (const char* key : {"expert_count", "expert_used_count", "expert_feed_forward_length"}) {
    const std::string name = std::string("gemma4.") + key;
    files.spoil(std::string("missing_") + key, ErrorCode::missing_key, name,
                [=](GgufBuilder& file) { file.erase(name); });
    number(files, std::string(key) + "_0", ErrorCode::bad_value, name, 0);
    number(files, std::string(key) + "_2_31", ErrorCode::bad_value, name, 1u << 31);
  }
  number(files, "more_experts_used_than_there_are", ErrorCode::bad_value, "gemma4.expert_used_count", 4);
  number(files, "expert_count_differs", ErrorCode::bad_shape, "gemma4.expert_count", 4, "blk.1.ffn_gate_inp.weight");
  for (const char* part : {"blk.1.pre_ffw_norm_2", "blk.1.post_ffw_norm_1", "blk.1.post_ffw_norm_2", "blk.1.ffn_down",
                           "blk.1.ffn_gate_exps", "blk.1.ffn_down_exps"})
    missing(files, part);
  files.spoil("missing_scale_of_the_router", ErrorCode::missing_key, "blk.1.ffn_gate_inp.scale",
              [](GgufBuilder& file) { file.erase_tensor("blk.1.ffn_gate_inp.scale"); });
  for (const char* scale : {"blk.1.ffn_down_exps.scale", "blk.1.ffn_gate_inp.scale"})
    files.spoil(scale[10] == 'd' ? "two_scales_of_experts" : "two_scales_of_the_router", ErrorCode::bad_shape, scale,
                [=](GgufBuilder& file) {
                  std::mt19937 random(17);
                  file.erase_tensor(scale);
                  file.add_random(scale, {2}, random, 1);
                });
}

std::vector<BadFile> all_cases() {
  BadFiles four(tiny_gemma4, "gemma4_"), moe(tiny_gemma4_moe, "gemma4_moe_"), nano(tiny_gemma3n, "gemma3n_");
  gemma4_cases(four);
  gemma4_moe_cases(moe);
  gemma3n_cases(nano);
  std::vector<BadFile> all = four.all();
  for (const BadFiles* files : {&moe, &nano}) all.insert(all.end(), files->all().begin(), files->all().end());
  return all;
}

class BadGemma : public testing::TestWithParam<BadFile> {};

TEST_P(BadGemma, IsRefused) { test::expect_refused(GetParam(), test::load_only); }

INSTANTIATE_TEST_SUITE_P(Named, BadGemma, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(OddGemma, TheUnspoiltFilesAreAccepted) {
  test::expect_runs(tiny_gemma4());
  test::expect_runs(tiny_gemma4_moe());
  test::expect_runs(tiny_gemma3n());
}

/// Keys stand in for values, layers have no scale, tokens beyond a shorter table read its first row, nobody shares.
TEST(OddGemma, WhatFilesMayLeaveOut) {
  GgufBuilder file = tiny_gemma4();
  file.erase_tensor("blk.1.attn_v.weight");
  file.erase_tensor("blk.0.layer_output_scale.weight");
  test::expect_runs(file);
  std::mt19937 random(15);
  file.erase_tensor("per_layer_token_embd.weight");
  file.add_random("per_layer_token_embd.weight", {12, 1}, random);
  test::expect_runs(file);
  file = tiny_gemma4_moe();
  file.erase_tensor("blk.1.ffn_down_exps.scale");
  test::expect_runs(file);
  file = tiny_gemma4();
  file.erase("gemma4.attention.shared_kv_layers");
  file.erase("gemma4.embedding_length_per_layer_input");
  file.add_random("blk.2.attn_k.weight", {kDim, 4}, random);
  file.add_random("blk.2.attn_k_norm.weight", {4}, random, 1);
  test::expect_runs(file);
}

}  // namespace
}  // namespace plumb::bad_gemma_test
