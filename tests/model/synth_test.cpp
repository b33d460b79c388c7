/// Files of random weights: what is written is what Model::random makes, and other readers find what they expect.

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/model/config_from_gguf.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/session.hpp"
#include "plumb/model/synth.hpp"
#include "plumb/model/tensor_names.hpp"
#include "plumb/model/weight_mixes.hpp"
#include "plumb/quantize/recipe.hpp"
#include "plumb/text/tokenizer.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb {
namespace {

using test::TempDir;

ModelConfig small_model(bool tied) {
  ModelConfig config;
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
      const ModelConfig config = small_model(tied);
      write_random_model(dir / "m.gguf", config, {.type = type, .seed = 3});
      const Model loaded = Model::load(dir / "m.gguf");
      EXPECT_EQ(logits_of(loaded), logits_of(Model::random(config, weight_types_by_name(type, config), 3)));
      EXPECT_EQ(loaded.config().vocab_size, config.vocab_size);
      EXPECT_EQ(loaded.config().n_kv_heads, config.n_kv_heads);
      EXPECT_EQ(loaded.config().head_dim, config.head_dim);
      EXPECT_EQ(loaded.config().ffn_dim, config.ffn_dim);
      EXPECT_EQ(loaded.config().context, config.context);
      EXPECT_EQ(loaded.config().norm_eps, config.norm_eps);
      EXPECT_EQ(loaded.config().rope.base, config.rope.base);
      EXPECT_EQ(loaded.config().tied_head, tied);
      EXPECT_TRUE(loaded.has_tokenizer());
    }
}

TEST(Synth, StretchedRotationsSurvive) {
  const TempDir dir;
  ModelConfig config = small_model(false);
  config.rope.scaling = RopeScaling::yarn;
  config.rope.factor = 4;
  config.rope.original_context = 32;
  config.rope_factors = true;
  write_random_model(dir / "m.gguf", config, {.type = "q8_0"});
  const ModelConfig read = config_from_file(GgufFile::open(dir / "m.gguf"));
  EXPECT_EQ(read.rope.scaling, RopeScaling::yarn);
  EXPECT_EQ(read.rope.factor, 4);
  EXPECT_EQ(read.rope.original_context, 32);
  EXPECT_TRUE(read.rope_factors);
}

TEST(Synth, SmallVocabulariesHaveNoTokenizer) {
  const TempDir dir;
  ModelConfig config = small_model(true);
  config.vocab_size = 258;
  write_random_model(dir / "m.gguf", config, {});
  EXPECT_FALSE(Model::load(dir / "m.gguf").has_tokenizer());
  test::expect_error(ErrorCode::invalid_argument, [] { synthetic_vocabulary(258); });
}

TEST(Synth, BadRequestsWriteNothing) {
  const TempDir dir;
  ModelConfig config = small_model(true);
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

/// Tensors by type of a 22-layer and a 32-layer model as the loaders of published Q4_K_M files list them:
/// TinyLlama 1.1B has 135 Q4_K and 21 Q6_K, Mistral 7B 193 and 33.
TEST(WeightMixes, Q4KMHasThePublishedNumberOfTensors) {
  const auto count = [](const ModelConfig& config) {
    const WeightTypes types = weight_types_by_name("q4_k_m", config);
    std::map<DType, int> counts;
    for_each_tensor(config, [&](const TensorSpec& tensor) { ++counts[types.of(tensor)]; });
    return counts;
  };
  const auto tiny = count(presets::tinyllama_1_1b());
  EXPECT_EQ(tiny.at(DType::q4_k), 135);
  EXPECT_EQ(tiny.at(DType::q6_k), 21);
  const auto mistral = count(presets::mistral_7b());
  EXPECT_EQ(mistral.at(DType::q4_k), 193);
  EXPECT_EQ(mistral.at(DType::q6_k), 33);
}

/// The mixes by configuration and the recipes by tensor name are two statements of one rule.
TEST(WeightMixes, OfExpertsAreThoseThatRecipesGive) {
  for (const auto& [config, name] : {std::pair{presets::mixtral_8x7b(), "q4_k_m"},
                                     {presets::mixtral_8x7b(), "q3_k_m"},
                                     {presets::mixtral_8x7b(), "q5_k_m"},
                                     {presets::mixtral_8x7b(), "q4_k_s"},
                                     {presets::qwen3_30b_a3b(), "q4_k_m"},
                                     {presets::qwen1_5_moe_a2_7b(), "q4_k_m"}}) {
    const WeightTypes types = weight_types_by_name(name, config);
    RecipeFacts facts;
    facts.architecture = config.architecture;
    facts.n_layers = config.n_layers;
    facts.n_experts = config.moe.count;
    facts.group_size = config.group_size();
    const Recipe recipe = Recipe::parse(name);
    for_each_tensor(config, [&](const TensorSpec& tensor) {
      const std::string tensor_name = gguf_tensor_name(tensor);
      if (!is_quantizable(tensor_name, tensor.shape) || tensor.shape.cols() % 256 != 0) return;
      EXPECT_EQ(dtype_name(types.of(tensor)), dtype_name(recipe.wanted(tensor_name, DType::f32, tensor.shape, facts)))
          << config.name << ' ' << name << ' ' << tensor_name;
    });
  }
}

TEST(WeightMixes, EveryNameIsKnownAndOneTypeMeansOneType) {
  const ModelConfig config = presets::llama_3_2_1b();
  for (const WeightMix& mix : weight_mixes()) {
    const WeightTypes types = weight_types_by_name(mix.name, config);
    EXPECT_EQ(types.matrices(), mix.matrices) << mix.name;
    EXPECT_EQ(types.uniform(), dtype_from_name(mix.name).has_value()) << mix.name;
  }
}

}  // namespace
}  // namespace plumb
