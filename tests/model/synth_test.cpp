/// Files of random weights: what is written is what Model::random makes, and other readers find what they expect.

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/session.hpp"
#include "plumb/model/synth.hpp"
#include "plumb/text/tokenizer.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/specs.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::synth_test {
namespace {

using test::TempDir;

ModelSpec small_model(bool tied) {
  // fills blocks of 32 but not of 256
  ModelSpec spec = llama_spec({.name = "small",
                               .vocab = 700,
                               .width = 288,
                               .layers = 2,
                               .heads = 6,
                               .kv_heads = 3,
                               .head_dim = 48,
                               .ffn = 768,
                               .context = 128,
                               .rope_base = 5e5f,
                               .tied = tied});
  test::for_each_norm(spec, [](NormSpec& norm) { norm.eps = 1e-6f; });
  return spec;
}

std::vector<float> logits_of(const Model& model) {
  Session session(model, {.context = 16, .threads = 2});
  const std::vector<Token> prompt = {1, 4, 260, 600, 33, 270, 271, 11, 12, 13};
  session.prefill(prompt);
  return {session.logits().begin(), session.logits().end()};
}

TEST(Synth, FileIsTheModelThatRandomMakes) {
  const TempDir dir;
  for (const bool tied : {false, true})
    for (const char* type : {"q4_0", "Q8_0", "f16", "q4_k_m"}) {
      SCOPED_TRACE(type);
      const ModelSpec spec = small_model(tied);
      write_random_model(dir / "m.gguf", spec, {.type = type, .seed = 3});
      const Model loaded = Model::load(dir / "m.gguf");
      EXPECT_EQ(logits_of(loaded), logits_of(Model::random(spec, weight_types_by_name(type, spec), 3)));
      EXPECT_TRUE(loaded.spec() == spec);
      EXPECT_TRUE(loaded.has_tokenizer());
    }
}

TEST(Synth, StretchedRotationsSurvive) {
  const TempDir dir;
  ModelSpec spec = small_model(false);
  RopeSpec& rope = spec.ropes[0];
  rope.scaling = RopeScaling::yarn;
  rope.factor = 4;
  rope.original_context = 32;
  rope.factors = RopeFactors::one;
  write_random_model(dir / "m.gguf", spec, {.type = "q8_0"});
  const ModelSpec read = spec_from_file(GgufFile::open(dir / "m.gguf"));
  ASSERT_EQ(read.ropes.size(), 1u);
  EXPECT_TRUE(read.ropes[0] == rope);
}

TEST(Synth, FamiliesWithFusedTensorsWriteThem) {
  const TempDir dir;
  std::vector<ModelSpec> specs = {preset_spec("gpt2"), preset_spec("pythia-70m"), small_model(true)};
  specs[2].family = "phi3";
  specs[2].ropes[0].pairs = RopePairs::halves;
  for (ModelSpec& spec : specs)
    for (const char* type : {"f16", "q4_k_m"}) {
      SCOPED_TRACE(spec.family);
      spec.layers.resize(1);
      spec.vocab_size = 700;
      write_random_model(dir / "m.gguf", spec, {.type = type, .seed = 3});
      const GgufFile file = GgufFile::open(dir / "m.gguf");
      EXPECT_NE(file.find_tensor("blk.0.attn_qkv.weight"), nullptr);
      EXPECT_EQ(file.find_tensor("blk.0.attn_q.weight"), nullptr);
      EXPECT_EQ(file.find_tensor("blk.0.attn_k.bias"), nullptr);
      EXPECT_EQ(file.find_tensor("blk.0.ffn_gate.weight"), nullptr);
      const Model loaded = Model::load(dir / "m.gguf");
      EXPECT_TRUE(loaded.spec() == spec);
      if (std::string(type) == "f16")
        EXPECT_EQ(logits_of(loaded), logits_of(Model::random(spec, weight_types_by_name(type, spec), 3)));
      else
        EXPECT_EQ(logits_of(loaded).size(), 700u);
    }
}

TEST(Synth, SmallVocabulariesHaveNoTokenizer) {
  const TempDir dir;
  ModelSpec spec = small_model(true);
  spec.vocab_size = 258;
  write_random_model(dir / "m.gguf", spec, {});
  EXPECT_FALSE(Model::load(dir / "m.gguf").has_tokenizer());
  test::expect_error(ErrorCode::invalid_argument, [] { synthetic_vocabulary(258); });
}

TEST(Synth, BadRequestsWriteNothing) {
  const TempDir dir;
  ModelSpec spec = small_model(true);
  const std::string message = test::expect_error(ErrorCode::invalid_argument,
                                                 [&] { write_random_model(dir / "m.gguf", spec, {.type = "q9_9"}); });
  EXPECT_NE(message.find("q9_9"), std::string::npos);
  EXPECT_NE(message.find("q4_k_m"), std::string::npos) << "the message lists what is known";
  for_each_attention(spec, [](AttentionSpec& attention) { attention.n_heads = 5; });
  test::expect_error(ErrorCode::bad_value, [&] { write_random_model(dir / "m.gguf", spec, {}); });
  EXPECT_EQ(dir.entries(), 0u);
}

TEST(SynthVocabulary, HasDistinctPiecesOfTheSizeAskedFor) {
  for (const std::int64_t size : {259, 260, 512, 32000, 128256}) {
    const Vocabulary vocabulary = synthetic_vocabulary(size);
    ASSERT_EQ(vocabulary.size(), size);
    EXPECT_EQ(std::set<std::string>(vocabulary.pieces.begin(), vocabulary.pieces.end()).size(),
              vocabulary.pieces.size());
    EXPECT_EQ(vocabulary.scores.size(), vocabulary.pieces.size());
    EXPECT_EQ(vocabulary.types.size(), vocabulary.pieces.size());
    EXPECT_EQ(vocabulary.pieces[3 + 0x0A], "<0x0A>");
  }
}

TEST(SynthVocabulary, SpellsEveryText) {
  const Tokenizer tokenizer = Tokenizer(synthetic_vocabulary(32000));
  for (const std::string text :
       {"Once upon a time, there was a little girl.", "x = 3;\n\tif (y) {}", "na\u00efve \u4f60\u597d \U0001F600"}) {
    const std::vector<Token> tokens = tokenizer.encode(text);
    EXPECT_EQ(tokens.front(), 1);
    EXPECT_EQ(tokenizer.decode(tokens, {.skip_bos_eos = true}), text);
  }
  EXPECT_LE(tokenizer.encode("little girl").size(), 7u) << "bos, then letters joined two or three at a time";
}

}  // namespace
}  // namespace plumb::synth_test
