/// Files of the families of one shape that are good GGUF and bad models: every key and tensor that such a family has
/// and others do not, each with its exact code.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/weights.hpp"
#include "tests/support/hostile_model.hpp"

namespace plumb::bad_family_test {
namespace {

using test::BadFile;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

/// A tensor on its way into a file.
struct Planned {
  std::string name;
  DType type = DType::f32;
  Shape shape;
};
/// What spoils a good file: its keys, and its list of tensors.
struct Spoiling {
  std::function<void(GgufWriter&)> keys = [](GgufWriter&) {};
  std::function<void(std::vector<Planned>&)> tensors = [](std::vector<Planned>&) {};
};

/// A file of the model that config.json describes, all weights 0, spoilt.
std::string file_of(const std::string& json, const Spoiling& spoiling) {
  const ModelSpec spec = spec_from_json(json, "config.json");
  GgufWriter writer;
  write_spec(writer, spec);
  spoiling.keys(writer);
  std::vector<Planned> tensors;
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    tensors.push_back({tensor_name(spec, tensor.id), DType::f32, tensor.shape});
  });
  spoiling.tensors(tensors);
  for (const Planned& tensor : tensors) writer.add_tensor(tensor.name, tensor.type, tensor.shape);
  const std::vector<std::byte> header = writer.header();
  const GgufTensorPlan& last = writer.tensors().back();
  std::string bytes(reinterpret_cast<const char*>(header.data()), header.size());
  bytes.resize(header.size() + last.offset + last.bytes + kGgufDefaultAlignment);
  return bytes;
}

/// A model of 2 layers of width 24 with 4 heads.
std::string tiny(const std::string& type, const std::string& fields = "") {
  return R"({"model_type":")" + type + R"(","vocab_size":16,"hidden_size":24,"intermediate_size":20,
    "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":16)" +
         (fields.empty() ? "" : ",") + fields + "}";
}

std::vector<BadFile>& bad_files() {
  static std::vector<BadFile> all;
  return all;
}

/// Cases of one model.
struct Family {
  std::string name;  ///< of its tests
  std::string json;

  void bad(const std::string& test, ErrorCode code, const std::string& mention, const Spoiling& spoiling) const {
    bad_files().push_back(
        {name + "_" + test, code, mention, [json = json, spoiling] { return file_of(json, spoiling); }});
  }
  template <class T>
  void key(const std::string& test, ErrorCode code, const std::string& key, T value,
           const std::string& mention = "") const {
    bad(test, code, mention.empty() ? key : mention, {.keys = [=](GgufWriter& w) { w.set(key, value); }});
  }
  void without_key(const std::string& key) const {
    bad("without_" + key.substr(key.rfind('.') + 1), ErrorCode::missing_key, key,
        {.keys = [=](GgufWriter& w) { w.remove(key); }});
  }
  /// What no number may be.
  void scalar(const std::string& test, const std::string& key, const std::string& field, bool zero_is_bad) const {
    this->key(test + "_nan", ErrorCode::bad_value, key, kNan);
    this->key(test + "_infinite", ErrorCode::bad_value, key, kInf);
    this->key(test + "_negative", ErrorCode::bad_value, key, -1.0f, field);
    if (zero_is_bad) this->key(test + "_0", ErrorCode::bad_value, key, 0.0f, field);
    this->key(test + "_of_text", ErrorCode::wrong_type, key, "1");
    this->key(test + "_an_integer", ErrorCode::wrong_type, key, std::uint32_t{1});
  }
  void without(const std::string& tensor) const { without(tensor, tensor); }
  /// `mention`: what is missed then.
  void without(const std::string& tensor, const std::string& mention) const {
    bad("without_" + plain(tensor), ErrorCode::missing_key, mention, {.tensors = [=](std::vector<Planned>& all) {
          std::erase_if(all, [&](const Planned& own) { return own.name == tensor; });
        }});
  }
  void shaped(const std::string& tensor, const Shape& shape, const std::string& test = "misshapen") const {
    bad(test + "_" + plain(tensor), ErrorCode::bad_shape, tensor, {.tensors = [=](std::vector<Planned>& all) {
          for (Planned& own : all)
            if (own.name == tensor) own.shape = shape;
        }});
  }
  void with(const std::string& test, ErrorCode code, const std::string& mention, const Planned& tensor) const {
    bad(test, code, mention, {.tensors = [=](std::vector<Planned>& all) { all.push_back(tensor); }});
  }

 private:
  static std::string plain(std::string name) {
    for (char& c : name)
      if (c == '.') c = '_';
    return name;
  }
};

void cohere_cases(const Family& command_r, const Family& cohere2) {
  command_r.scalar("logit_scale", "command-r.logit_scale", "output.scale", true);
  command_r.without("blk.1.attn_k_norm.weight");
  command_r.shaped("blk.0.attn_q_norm.weight", Shape{6});
  command_r.shaped("blk.0.attn_q_norm.weight", Shape{6, 4}, "transposed");
  command_r.with("bias_of_q_alone", ErrorCode::missing_key, "blk.0.attn_k.bias",
                 {"blk.0.attn_q.bias", DType::f32, Shape{24}});
  cohere2.without_key("cohere2.attention.sliding_window");
  cohere2.key("window_2_31", ErrorCode::bad_value, "cohere2.attention.sliding_window", 1u << 31);
  cohere2.key("window_negative", ErrorCode::bad_value, "cohere2.attention.sliding_window", std::int32_t{-4});
  cohere2.key("window_of_text", ErrorCode::wrong_type, "cohere2.attention.sliding_window", "4");
  cohere2.key("pattern_of_text", ErrorCode::wrong_type, "cohere2.attention.sliding_window_pattern", "4");
  cohere2.key("pattern_negative", ErrorCode::bad_value, "cohere2.attention.sliding_window_pattern", std::int32_t{-1});
  cohere2.key("pattern_of_numbers", ErrorCode::wrong_type, "cohere2.attention.sliding_window_pattern",
              GgufArray::of<std::uint64_t>(std::vector<std::uint64_t>{1, 0}));
  cohere2.key("pattern_of_twos", ErrorCode::bad_value, "cohere2.attention.sliding_window_pattern",
              GgufArray::of<std::uint32_t>(std::vector<std::uint32_t>{2, 0}));
  GgufArray flags(GgufType::boolean);
  flags.add(true);
  cohere2.key("pattern_too_short", ErrorCode::bad_value, "cohere2.attention.sliding_window_pattern", flags);
}

void falcon_cases(const Family& one_norm, const Family& two_norms) {
  one_norm.shaped("blk.0.attn_norm.bias", Shape{23});
  one_norm.with("second_norm_without_a_bias", ErrorCode::missing_key, "blk.1.attn_norm_2.bias",
                {"blk.1.attn_norm_2.weight", DType::f32, Shape{24}});
  two_norms.without("blk.0.attn_norm.weight");
  two_norms.without("blk.0.attn_norm_2.bias");
  two_norms.shaped("blk.1.attn_norm_2.weight", Shape{12, 2});
}

void gpt_oss_cases(const Family& gpt_oss) {
  gpt_oss.without("blk.0.attn_sinks.weight");
  gpt_oss.without("blk.1.post_attention_norm.weight");
  gpt_oss.shaped("blk.0.attn_sinks.weight", Shape{3});
  gpt_oss.shaped("blk.1.ffn_gate_inp.bias", Shape{4});
  gpt_oss.shaped("blk.1.ffn_up_exps.bias", Shape{5, 21});
  gpt_oss.shaped("blk.1.ffn_down_exps.bias", Shape{4, 24});
  gpt_oss.shaped("blk.0.ffn_down_exps.weight", Shape{5, 20, 24});
  gpt_oss.without("blk.0.ffn_down_exps.bias");
  gpt_oss.without_key("gpt-oss.expert_count");
  gpt_oss.without_key("gpt-oss.expert_used_count");
  gpt_oss.key("experts_0", ErrorCode::bad_value, "gpt-oss.expert_count", 0u);
  gpt_oss.key("experts_used_0", ErrorCode::bad_value, "gpt-oss.expert_used_count", 0u);
  gpt_oss.key("more_experts_used", ErrorCode::bad_value, "gpt-oss.expert_used_count", 6u);
  gpt_oss.key("base_of_windows_nan", ErrorCode::bad_value, "gpt-oss.rope.freq_base_swa", kNan);
  gpt_oss.key("base_of_windows_0", ErrorCode::bad_value, "gpt-oss.rope.freq_base_swa", 0.0f, "rope table 1.base");
}

void granite_cases(const Family& granite, const Family& minicpm) {
  granite.scalar("logit_scale", "granitemoe.logit_scale", "output.scale", true);
  granite.scalar("residual_scale", "granitemoe.residual_scale", "residual_scale", true);
  granite.scalar("attention_scale", "granitemoe.attention.scale", "scale", false);
  granite.scalar("embedding_scale", "granitemoe.embedding_scale", "embedding.scale", true);
  granite.key("finetuned_a_number", ErrorCode::wrong_type, "granitemoe.rope.scaling.finetuned", 1u);
  granite.key("shared_2_31", ErrorCode::bad_value, "granitemoe.expert_shared_feed_forward_length", 1u << 31);
  granite.key("shared_of_another_width", ErrorCode::bad_shape, "granitemoe.expert_shared_feed_forward_length", 9u,
              "_shexp");
  granite.without("blk.1.ffn_down_shexp.weight");
  granite.without_key("granitemoe.expert_count");
  minicpm.scalar("logit_scale", "minicpm.logit_scale", "output.scale", true);
  minicpm.scalar("residual_scale", "minicpm.residual_scale", "residual_scale", true);
}

void alibi_cases(const Family& mpt, const Family& bloom, const Family& olmo) {
  mpt.scalar("clip", "mpt.attention.clamp_kqv", "clip", false);
  mpt.scalar("alibi", "mpt.attention.max_alibi_bias", "alibi_max_bias", false);
  mpt.with("factors_of_the_activation", ErrorCode::unsupported_architecture, "blk.0.ffn.act.scales",
           {"blk.0.ffn.act.scales", DType::f32, Shape{96}});
  mpt.with("norm_of_q_alone", ErrorCode::missing_key, "blk.1.attn_k_norm.weight",
           {"blk.1.attn_q_norm.weight", DType::f32, Shape{24}});
  mpt.with("positions_too_few", ErrorCode::bad_shape, "position_embd.weight",
           {"position_embd.weight", DType::f32, Shape{15, 24}});
  bloom.without("token_embd_norm.weight");
  bloom.without("token_embd_norm.bias");
  bloom.shaped("token_embd_norm.weight", Shape{25});
  bloom.key("heads_that_do_not_divide", ErrorCode::bad_value, "bloom.attention.head_count", 5u);
  olmo.scalar("clip", "olmo.attention.clamp_kqv", "clip", false);
}

void other_cases(const std::vector<Family>& all) {
  const auto of = [&](const std::string& name) -> const Family& {
    for (const Family& family : all)
      if (family.name == name) return family;
    return all.front();
  };
  of("phi2").without("output.bias");
  of("phi2").without("blk.0.attn_norm.bias");
  of("phi2").key("rope_of_odd_dims", ErrorCode::bad_value, "phi2.rope.dimension_count", 3u, "rope.dims");
  of("stablelm").without("blk.0.attn_k_norm.weight");
  of("stablelm").shaped("blk.1.attn_k_norm.weight", Shape{6});
  of("stablelm")
      .with("norm_without_a_bias", ErrorCode::missing_key, "blk.0.ffn_norm.bias",
            {"blk.0.ffn_norm.weight", DType::f32, Shape{24}});
  of("olmo2").without("blk.0.post_ffw_norm.weight");
  of("olmo2").shaped("blk.0.attn_k_norm.weight", Shape{24});
  of("olmoe").without("blk.1.attn_q_norm.weight");
  of("starcoder").without("position_embd.weight");
  of("nemotron").without("output_norm.bias");
  of("seed_oss").without("blk.1.post_attention_norm.weight");
  of("seed_oss").without("blk.1.attn_v.bias");
  of("glm4").shaped("blk.0.ffn_up.weight", Shape{30, 24});
  of("glm4").without("blk.0.post_ffw_norm.weight");
  of("glm4").key("all_layers_guess", ErrorCode::bad_value, "glm4.nextn_predict_layers", 2u);
  of("glm4").key("guesses_2_31", ErrorCode::bad_value, "glm4.nextn_predict_layers", 1u << 31);
  of("glm4").key("sections_a_number", ErrorCode::wrong_type, "glm4.rope.dimension_sections", 3u);
}

std::vector<Family> families() {
  const std::string experts = R"("num_local_experts":5,"num_experts":5,"num_experts_per_tok":2)";
  return {
      {"command_r", tiny("cohere", R"("use_qk_norm":true)")},
      {"cohere2", tiny("cohere2", R"("sliding_window":5)")},
      {"falcon", tiny("falcon")},
      {"falcon40", tiny("falcon", R"("new_decoder_architecture":true,"num_kv_heads":2)")},
      {"gpt_oss", tiny("gpt_oss", experts + R"(,"head_dim":6)")},
      {"granitemoe", tiny("granitemoeshared", experts + R"(,"shared_intermediate_size":8)")},
      {"minicpm", tiny("minicpm")},
      {"mpt", tiny("mpt")},
      {"bloom", tiny("bloom")},
      {"olmo", tiny("olmo")},
      {"phi2", tiny("phi", R"("partial_rotary_factor":0.7)")},
      {"stablelm",
       tiny("stablelm", R"("qk_layernorm":true,"use_parallel_residual":true,"partial_rotary_factor":0.34)")},
      {"olmo2", tiny("olmo2")},
      {"olmoe", tiny("olmoe", experts)},
      {"starcoder", tiny("gpt_bigcode")},
      {"nemotron", tiny("nemotron", R"("partial_rotary_factor":0.34)")},
      {"seed_oss", tiny("seed_oss", R"("head_dim":6)")},
      {"glm4", tiny("glm4", R"("head_dim":6,"partial_rotary_factor":0.7)")},
  };
}

const std::vector<BadFile>& all_cases() {
  if (!bad_files().empty()) return bad_files();
  const std::vector<Family> all = families();
  cohere_cases(all[0], all[1]);
  falcon_cases(all[2], all[3]);
  gpt_oss_cases(all[4]);
  granite_cases(all[5], all[6]);
  alibi_cases(all[7], all[8], all[9]);
  other_cases(all);
  return bad_files();
}

class BadFamily : public testing::TestWithParam<BadFile> {};

TEST_P(BadFamily, IsRefused) { test::expect_refused(GetParam(), test::load_only); }

INSTANTIATE_TEST_SUITE_P(Named, BadFamily, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

/// The models that the bad ones are made from load and run.
TEST(OddFamily, TheUnspoiltFilesAreAccepted) {
  for (const Family& family : families()) {
    SCOPED_TRACE(family.name);
    const auto outcome = test::read_bounded(file_of(family.json, {}), [](std::span<const std::byte> bytes) {
      test::load_and_run(bytes, {.tokenizer = false});
    });
    EXPECT_FALSE(outcome.code) << outcome.message;
  }
}

}  // namespace
}  // namespace plumb::bad_family_test
