// Encoders: config.json and GGUF files of one model give the same spec, specs read back from the keys they are written
// as, and what is wrong with a file is told by name.

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "plumb/io/gguf.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/session.hpp"
#include "plumb/model/synth.hpp"
#include "plumb/model/weights.hpp"
#include "src/families/difference.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"
#include "tests/support/tiny_bert.hpp"

namespace plumb::encoders_test {
namespace {

AttentionSpec& attention(ModelSpec& spec, std::size_t l) { return std::get<AttentionSpec>(spec.layers[l].mixer); }

struct SameModel {
  const char* file;
  const char* json;
};
const SameModel kSame[] = {
    {"bert", R"({"model_type":"bert","vocab_size":300,"hidden_size":96,"intermediate_size":192,
      "num_hidden_layers":3,"num_attention_heads":6,"max_position_embeddings":128,"layer_norm_eps":0.005,
      "pad_token_id":0})"},
    {"nomic-bert", R"({"model_type":"nomic_bert","vocab_size":300,"n_embd":96,"n_inner":160,"n_layer":3,"n_head":6,
      "n_positions":8192,"max_trained_positions":2048,"activation_function":"swiglu","qkv_proj_bias":false,
      "mlp_fc1_bias":false})"},
    {"modern-bert", R"({"model_type":"modernbert","vocab_size":300,"hidden_size":96,"intermediate_size":128,
      "num_hidden_layers":4,"num_attention_heads":6,"max_position_embeddings":256,"norm_eps":0.01,
      "local_attention":16})"},
    {"gemma-embedding", R"({"model_type":"gemma3_text","vocab_size":333,"hidden_size":64,"intermediate_size":80,
      "num_hidden_layers":7,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":16,
      "max_position_embeddings":256,"rms_norm_eps":1e-6,"query_pre_attn_scalar":16,"sliding_window":12,
      "sliding_window_pattern":6,"use_bidirectional_attention":true})"},
};

TEST(EncoderFamilies, AFileAndAConfigJsonOfOneModelAgree) {
  PLUMB_REQUIRE_FIXTURES();
  for (const SameModel& same : kSame) {
    SCOPED_TRACE(same.file);
    const GgufFile file = GgufFile::open(test::fixtures_dir() / "arch2-dev" / (std::string(same.file) + ".gguf"));
    const ModelSpec spec = spec_from_file(file);
    EXPECT_EQ(family::difference(spec_from_json(same.json, "config.json"), spec), "");
    EXPECT_TRUE(reads_at_once(spec));
    std::int64_t found = 0, all = 0;
    for_each_tensor(spec, [&](const TensorSpec& tensor) {
      const auto view = find_tensor(file, spec, tensor);
      ASSERT_TRUE(view) << tensor_name(spec, tensor.id);
      found += view->view.shape().elements();
    });
    for (const GgufTensor& tensor : file.tensors()) all += tensor.view.shape().elements();
    EXPECT_EQ(found, all) << "parts of the file are not used";
  }
}

TEST(EncoderFamilies, PositionsOfRobertaBeginAfterThePaddings) {
  const auto context = [](const std::string& fields) {
    return spec_from_json(R"({"max_position_embeddings":514,)" + fields + "}", "config.json").context;
  };
  EXPECT_EQ(context(R"("model_type":"xlm-roberta")"), 512);
  EXPECT_EQ(context(R"("model_type":"roberta","pad_token_id":0)"), 513);
  EXPECT_EQ(context(R"("model_type":"bert","pad_token_id":0)"), 514);
  EXPECT_EQ(context(R"("model_type":"distilbert")"), 514);
}

TEST(EncoderFamilies, NomicHasExpertsWhereItsFileSaysSo) {
  const ModelSpec spec = spec_from_json(
      R"({"model_type":"nomic_bert","n_layer":5,"n_positions":2048,"max_trained_positions":2048,"num_experts":8,
          "moe_top_k":2,"moe_every_n_layers":2,"qkv_proj_bias":true,"mlp_fc1_bias":true})",
      "config.json");
  EXPECT_EQ(spec.family, "nomic-bert-moe");
  EXPECT_EQ(spec.context, 512);
  for (std::size_t l = 0; l < 5; ++l)
    EXPECT_EQ(std::holds_alternative<ExpertsSpec>(spec.layers[l].ffn), l % 2 == 1) << l;
  EXPECT_EQ(spec_from_json(R"({"model_type":"nomic_bert","moe_every_n_layers":0})", "config.json").family,
            "nomic-bert");
}

/// What a file with the spec's keys and tensors says of it.
ModelSpec read_back(const ModelSpec& spec) {
  const test::TempDir dir;
  write_random_model(dir / "m.gguf", spec, {.type = "f32"});
  return spec_from_file(GgufFile::open(dir / "m.gguf"));
}

/// Small enough to be written as a whole.
ModelSpec small(const char* preset, int layers) {
  ModelSpec spec = preset_spec(preset);
  spec.vocab_size = 64;
  spec.layers.resize(static_cast<std::size_t>(layers));
  spec.context = std::min(spec.context, 64);
  return spec;
}

TEST(EncoderFamilies, SpecsReadBackFromAFile) {
  const auto same = [](const char* what, const ModelSpec& spec) {
    SCOPED_TRACE(what);
    const ModelSpec read = read_back(spec);
    EXPECT_EQ(family::difference(read, spec), "");
    EXPECT_TRUE(read == spec);
  };
  ModelSpec spec = small("all-minilm-l6-v2", 2);
  same("bert", spec);
  spec.output.pooling = Pooling::cls;
  spec.embedding.token_types = 0;
  attention(spec, 1).qkv_bias = attention(spec, 0).out_bias = false;
  same("bert of other parts", spec);
  spec.output.pooling = Pooling::none;
  for (std::size_t l = 0; l < 2; ++l) attention(spec, l).causal = true;
  same("a causal one", spec);
  same("nomic", small("nomic-embed-text-v1.5", 2));
  spec = small("nomic-embed-text-v1.5", 4);
  spec.family = "nomic-bert-moe";
  for (LayerSpec& layer : spec.layers) {
    auto& dense = std::get<DenseSpec>(layer.ffn);
    dense.gated = false;
    dense.activation = Activation::gelu_tanh;
  }
  ExpertsSpec experts;
  experts.count = 4;
  experts.used = 2;
  experts.expert = std::get<DenseSpec>(spec.layers[1].ffn);
  experts.routing.renormalise = false;
  spec.layers[1].ffn = experts;
  same("one layer with experts", spec);
  spec.layers[3].ffn = experts;
  same("two layers with experts", spec);
  spec = small("modernbert-base", 7);
  same("modern-bert", spec);
  attention(spec, 3).window = 128;
  attention(spec, 3).rope = 1;
  same("modern-bert without a period", spec);
  for (LayerSpec& layer : spec.layers) std::get<DenseSpec>(layer.ffn).activation = Activation::silu;
  same("modern-bert with silu", spec);
  spec = small("embeddinggemma-300m", 6);
  same("gemma", spec);
  spec.output.dense_2 = 96;
  spec.output.dense_3 = 64;
  same("gemma with dense modules", spec);
  spec.output.dense_3 = 0;
  same("gemma with one of them", spec);
  spec = preset_spec("tinyllama-1.1b");
  spec.vocab_size = 64;
  spec.layers.resize(1);
  spec.output.pooling = Pooling::last;
  same("a decoder that is pooled", spec);
}

TEST(EncoderFamilies, WhatFilesCannotSayIsRefusedByName) {
  const auto refused = [](const char* mention, auto&& edit) {
    ModelSpec spec = preset_spec("bge-base-en-v1.5");
    edit(spec);
    const std::string message = test::expect_error(ErrorCode::unsupported_architecture, [&] {
      GgufWriter writer;
      write_spec(writer, spec);
    });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  refused("layer 1: attention.causal", [](ModelSpec& s) { attention(s, 1).causal = true; });
  refused("layer 2: mixer.stream_norm", [](ModelSpec& s) { s.layers[2].mixer_branch.stream_norm.reset(); });
  refused("output.head", [](ModelSpec& s) { s.output.head = true; });
  refused("output.dense_2", [](ModelSpec& s) { s.output.dense_2 = 64; });
}

TEST(EncoderFamilies, FeaturesThatMakeNoSenseOrDoNotRunAreRefused) {
  const auto refused = [](ErrorCode code, const char* mention, auto&& edit) {
    ModelSpec spec = preset_spec("bge-base-en-v1.5");
    edit(spec);
    const std::string message = test::expect_error(code, [&] { check_runnable(spec, "spec"); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  refused(ErrorCode::unsupported_architecture, "layer 3: position biases (ALiBi)",
          [](ModelSpec& s) { attention(s, 3).alibi_max_bias = 8; });
  refused(ErrorCode::bad_value, "layer 4: a norm of the stream", [](ModelSpec& s) { s.layers[4].parallel = true; });
  refused(ErrorCode::bad_value, "without logits", [](ModelSpec& s) { s.output.tied = true; });
  refused(ErrorCode::bad_value, "embedding.token_types is -1", [](ModelSpec& s) { s.embedding.token_types = -1; });
  refused(ErrorCode::bad_value, "output.dense_3 is -2", [](ModelSpec& s) { s.output.dense_3 = -2; });
  refused(ErrorCode::bad_value, "layer 0: ffn.stream_norm.eps",
          [](ModelSpec& s) { s.layers[0].ffn_branch.stream_norm->eps = -1; });
  refused(ErrorCode::bad_value, "layer 0: norm_eps", [](ModelSpec& s) { s.layers[0].ffn_branch.stream_norm->eps = 0; });
}

TEST(EncoderFamilies, BadFilesAreToldByName) {
  const auto bad = [](ErrorCode code, const char* mention, auto&& spoil) {
    test::GgufBuilder builder = test::tiny_bert();
    spoil(builder);
    const test::AlignedCopy bytes(builder.bytes());
    const std::string message =
        test::expect_error(code, [&] { Model::from_file(GgufFile::from_memory(bytes.bytes(), "bad")); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  using Builder = test::GgufBuilder;
  const auto dims = [](const char* name, std::vector<std::uint64_t> to) {
    return [name, to](Builder& b) {
      b.tensor(name).dims = to;
      b.tensor(name).data.resize(4 * to[0] * (to.size() > 1 ? to[1] : 1));
    };
  };
  bad(ErrorCode::unsupported_type, "bert.pooling_type': 4 (scores of a ranker)",
      [](Builder& b) { b.set_u32("bert.pooling_type", 4); });
  bad(ErrorCode::bad_value, "bert.pooling_type': 7", [](Builder& b) { b.set_u32("bert.pooling_type", 7); });
  bad(ErrorCode::wrong_type, "bert.pooling_type", [](Builder& b) { b.set_string("bert.pooling_type", "mean"); });
  bad(ErrorCode::wrong_type, "bert.attention.causal", [](Builder& b) { b.set_u32("bert.attention.causal", 0); });
  bad(ErrorCode::missing_key, "attention.layer_norm_epsilon",
      [](Builder& b) { b.erase("bert.attention.layer_norm_epsilon"); });
  bad(ErrorCode::bad_shape, "position_embd.weight", dims("position_embd.weight", {32, 23}));
  bad(ErrorCode::bad_shape, "token_types.weight", dims("token_types.weight", {31, 2}));
  bad(ErrorCode::bad_shape, "blk.0.attn_output_norm.weight", dims("blk.0.attn_output_norm.weight", {31}));
  bad(ErrorCode::missing_key, "blk.1.layer_output_norm.bias",
      [](Builder& b) { b.erase_tensor("blk.1.layer_output_norm.bias"); });
  bad(ErrorCode::missing_key, "token_embd_norm.weight", [](Builder& b) { b.erase_tensor("token_embd_norm.weight"); });
  bad(ErrorCode::missing_key, "position_embd.weight", [](Builder& b) { b.erase_tensor("position_embd.weight"); });
  bad(ErrorCode::bad_shape, "blk.1.ffn_up.weight", dims("blk.1.ffn_up.weight", {32, 47}));
  bad(ErrorCode::bad_tokenizer, "add_sep_token", [](Builder& b) {
    b.erase("tokenizer.ggml.seperator_token_id");
    b.set_bool("tokenizer.ggml.add_sep_token", true);
  });
}

TEST(EncoderFamilies, AFileWithoutOptionalPartsRuns) {
  test::GgufBuilder builder = test::tiny_bert();
  builder.erase_tensor("token_types.weight");
  builder.erase("bert.pooling_type");
  builder.erase("bert.attention.causal");
  for (const char* name : {"attn_q", "attn_k", "attn_v", "ffn_up", "ffn_down"})
    for (const std::string blk : {"blk.0.", "blk.1."}) builder.erase_tensor(blk + name + ".bias");
  const test::BuiltModel built(builder);
  EXPECT_EQ(built.model.spec().output.pooling, Pooling::none);
  EXPECT_TRUE(reads_at_once(built.model.spec()));
  Session session(built.model, {.threads = 1});
  const std::vector<std::vector<Token>> texts = {built.model.tokenizer().encode("The red foxes.")};
  EXPECT_EQ(texts[0], (std::vector<Token>{2, 5, 6, 7, 10, 11, 3}));
  const Embedding got = session.embed(texts, {.rows = true})[0];
  EXPECT_EQ(got.pooled, session.embed(texts, {.pooling = Pooling::mean})[0].pooled);
}

}  // namespace
}  // namespace plumb::encoders_test
