/// Files of random weights: what is written is what Model::random makes, and other readers find what they expect.

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/io/tensor_id.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/session.hpp"
#include "plumb/model/synth.hpp"
#include "plumb/quant/recipe.hpp"
#include "plumb/text/tokenizer.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb {
namespace {

using test::TempDir;

ModelSpec small_model(bool tied) {
  ModelSpec spec;
  config.name = "small";
  config.vocab_size = 700;
  config.width = 288;  // fills blocks of 32 but not of 256
  config.n_layers = 2;
  config.n_heads = 6;
  config.n_kv_heads = 3;
  config.head_dim = 48;
  config.ffn_dim = 768;
  config.context = 128;
  config.norm_eps = 1e-6f;
  config.rope.base = 5e5f;
  config.tied_head = tied;
  return config;
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
      write_random_model(dir / "m.gguf", config, {.type = type, .seed = 3});
      const Model loaded = Model::load(dir / "m.gguf");
      EXPECT_EQ(logits_of(loaded), logits_of(Model::random(config, weight_types_by_name(type, config), 3)));
      EXPECT_EQ(loaded.spec().vocab_size, config.vocab_size);
      EXPECT_EQ(loaded.spec().n_kv_heads, config.n_kv_heads);
      EXPECT_EQ(loaded.spec().head_dim, config.head_dim);
      EXPECT_EQ(loaded.spec().ffn_dim, config.ffn_dim);
      EXPECT_EQ(loaded.spec().context, config.context);
      EXPECT_EQ(loaded.spec().norm_eps, config.norm_eps);
      EXPECT_EQ(loaded.spec().rope.base, config.rope.base);
      EXPECT_EQ(loaded.spec().tied_head, tied);
      EXPECT_TRUE(loaded.has_tokenizer());
    }
}

TEST(Synth, StretchedRotationsSurvive) {
  const TempDir dir;
  ModelSpec spec = small_model(false);
  config.rope.scaling = RopeScaling::yarn;
  config.rope.factor = 4;
  config.rope.original_context = 32;
  config.rope_factors = true;
  write_random_model(dir / "m.gguf", config, {.type = "q8_0"});
  const ModelSpec read = spec_from_file(GgufFile::open(dir / "m.gguf"));
  EXPECT_EQ(read.rope.scaling, RopeScaling::yarn);
  EXPECT_EQ(read.rope.factor, 4);
  EXPECT_EQ(read.rope.original_context, 32);
  EXPECT_TRUE(read.rope_factors);
}

TEST(Synth, SmallVocabulariesHaveNoTokenizer) {
  const TempDir dir;
  ModelSpec spec = small_model(true);
  config.vocab_size = 258;
  write_random_model(dir / "m.gguf", config, {});
  EXPECT_FALSE(Model::load(dir / "m.gguf").has_tokenizer());
  test::expect_error(ErrorCode::invalid_argument, [] { synthetic_vocabulary(258); });
}

TEST(Synth, BadRequestsWriteNothing) {
  const TempDir dir;
  ModelSpec spec = small_model(true);
  const std::string message = test::expect_error(ErrorCode::invalid_argument,
                                                 [&] { write_random_model(dir / "m.gguf", config, {.type = "q9_9"}); });
  EXPECT_NE(message.find("q9_9"), std::string::npos);
  EXPECT_NE(message.find("q4_k_m"), std::string::npos) << "the message lists what is known";
  config.n_heads = 5;
  test::expect_error(ErrorCode::bad_value, [&] { write_random_model(dir / "m.gguf", config, {}); });
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
}  // namespace plumb
