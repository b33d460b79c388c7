// Files that users reported: a vocabulary that is not as long as the model's rows, ids of tokens that are none, keys
// that are missing, a checkpoint beside the vocabulary of another, weights that are no numbers.

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "plumb/model/evaluate.hpp"
#include "plumb/model/generate_text.hpp"
#include "plumb/model/session.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/llama2c_files.hpp"
#include "tests/support/model_folder.hpp"
#include "tests/support/models.hpp"

namespace plumb::reported_files_test {
namespace {

using test::encoded;
using test::expect_error;
using test::GgufBuilder;
using test::TempDir;
namespace vt = test::value_type;

/// The model of a file, and what was told when it was loaded.
struct Loaded {
  explicit Loaded(const GgufBuilder& file)
      : built(file, {.exact = true, .warning = [this](std::string_view text) { told.emplace_back(text); }}) {}
  std::vector<std::string> told;
  test::BuiltModel built;

  std::string text(const std::string& prompt, TextOptions options = {}) const {
    std::string all;
    options.session.threads = 1;
    (void)generate_text(built.model, prompt, options, [&](std::string_view part) { all += part; });
    return all;
  }
};

std::vector<std::string> pieces_of(const Loaded& loaded) { return loaded.built.model.tokenizer().vocabulary().pieces; }

/// tiny_llama with `count` tokens and as many rows as before, which a key says.
GgufBuilder with_tokens(std::size_t count) {
  const Loaded whole(test::tiny_llama());
  std::vector<std::string> pieces = pieces_of(whole);
  const std::size_t rows = pieces.size();
  std::vector<float> scores(count, -100);
  std::vector<std::int32_t> types(count, test::token_type::user_defined);
  for (std::size_t i = 0; i < std::min(rows, count); ++i) {
    scores[i] = whole.built.model.tokenizer().vocabulary().scores[i];
    types[i] = static_cast<std::int32_t>(whole.built.model.tokenizer().type(static_cast<Token>(i)));
  }
  for (std::size_t i = rows; i < count; ++i) pieces.push_back("<|" + std::to_string(i) + "|>");
  pieces.resize(count);
  GgufBuilder file = test::tiny_llama();
  file.set_strings("tokenizer.ggml.tokens", pieces);
  file.set_numbers<float>("tokenizer.ggml.scores", vt::f32, scores);
  file.set_numbers<std::int32_t>("tokenizer.ggml.token_type", vt::i32, types);
  file.set_u32("llama.vocab_size", static_cast<std::uint32_t>(rows));
  return file;
}

TEST(VocabulariesAndRows, RowsWithoutATokenAreNeverDrawn) {
  const std::size_t rows = pieces_of(Loaded(test::tiny_llama())).size();
  const Loaded loaded(with_tokens(rows - 12));  // nearly all that is text
  TextOptions options;
  options.generate.sampling.temperature = 10;
  options.generate.stop_at_end = false;
  options.generate.max_tokens = 30;
  for (options.generate.sampling.seed = 0; options.generate.sampling.seed < 20; ++options.generate.sampling.seed)
    EXPECT_NO_THROW(loaded.text("t", options));
  EXPECT_EQ(loaded.built.model.spec().vocab_size, static_cast<int>(rows));
}

TEST(VocabulariesAndRows, TokensWithoutARowAreTextAndToldOfOnce) {
  const std::size_t rows = pieces_of(Loaded(test::tiny_llama())).size();
  const Loaded loaded(with_tokens(rows + 2));
  ASSERT_EQ(loaded.told.size(), 1u);
  EXPECT_NE(loaded.told[0].find(std::to_string(rows + 2) + " tokens"), std::string::npos) << loaded.told[0];
  const std::string spelled = "the <|" + std::to_string(rows) + "|> the";
  for (const Token token : loaded.built.model.tokenizer().encode(spelled)) EXPECT_LT(token, static_cast<Token>(rows));
  EXPECT_EQ(loaded.text(spelled, {.generate = {.max_tokens = 0}}), spelled);
}

TEST(VocabulariesAndRows, MergesOfTokensWithoutARowAreGone) {
  const test::AlignedCopy bytes(test::tiny_llama_bpe().bytes());
  Vocabulary vocabulary = vocabulary_from_file(GgufFile::from_memory(bytes.bytes()));
  const std::int64_t rows = vocabulary.size() - 3;  // without "the", "Ġthe" and the end of the text
  cut_vocabulary(vocabulary, rows);
  EXPECT_EQ(vocabulary.size(), rows);
  EXPECT_EQ(vocabulary.merges, (std::vector<std::string>{"h e", "r e"}));
  EXPECT_EQ(vocabulary.eos, kNoToken);
  EXPECT_EQ(Tokenizer(vocabulary).decode(Tokenizer(vocabulary).encode("the here")), "the here");
}

// As Hugging Face's own library does: the tokenizer of a folder knows nothing of the model's rows.
TEST(VocabulariesAndRows, TokensOfATokenizerJsonWithoutARowAreToldOfAndRefusedWhenRead) {
  const TempDir folder;
  test::small_llama_folder().write(folder);  // 12 rows
  folder.file("tokenizer.json", R"({"added_tokens":[{"id":12,"content":"<more>","special":true}],
    "model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0,"b":1,"c":2,"d":3,"e":4,"f":5,"g":6,"h":7,"i":8,"j":9,
    "k":10,"l":11}}})");
  std::vector<std::string> told;
  LoadOptions load;
  load.warning = [&](std::string_view text) { told.emplace_back(text); };
  const Model model = Model::load(folder.path(), load);
  ASSERT_EQ(told.size(), 1u);
  for (const std::string part : {"tokenizer.json", "ids go up to 12", "'vocab_size'", "is 12", "'<more>'"})
    EXPECT_NE(told[0].find(part), std::string::npos) << told[0];
  const std::vector<Token> tokens = model.tokenizer().encode("l<more>", {.parse_special = true});
  ASSERT_EQ(tokens, (std::vector<Token>{11, 12}));
  Session session(model, {.threads = 1});
  session.prefill(std::span(tokens).first(1));
  const std::string problem =
      expect_error(ErrorCode::out_of_range, [&] { session.prefill(std::span(tokens).last(1)); });
  EXPECT_NE(problem.find("token 12"), std::string::npos) << problem;
}

TEST(SpecialIds, MinusOneIsNoneAndPaddingMayBeAnything) {
  const TextOptions four = {.generate = {.max_tokens = 4, .stop_at_end = false}};
  const std::string usual = Loaded(test::tiny_llama()).text("the", four);
  for (const std::string name : {"bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "fim_pad"})
    for (const bool is_signed : {false, true}) {
      GgufBuilder file = test::tiny_llama();
      const std::string key = "tokenizer.ggml." + name + "_token_id";
      if (name == "bos") file.erase("tokenizer.ggml.add_bos_token");
      if (is_signed)
        file.set(key, vt::i32, encoded(std::int32_t{-1}));
      else
        file.set_u32(key, std::numeric_limits<std::uint32_t>::max());
      const Loaded loaded(file);
      const std::string text = loaded.text("the", four);
      if (name == "bos") {
        EXPECT_EQ(loaded.built.model.tokenizer().bos(), kNoToken);
      } else {
        EXPECT_EQ(text, usual) << name;
      }
    }
  GgufBuilder file = test::tiny_llama();
  file.set_u32("tokenizer.ggml.padding_token_id", 32000);
  EXPECT_EQ(Loaded(file).text("the", four), usual);
}

TEST(Prompts, AreNotEndedBeforeTheyAreContinued) {
  GgufBuilder file = test::tiny_llama();
  const TextOptions options = {.generate = {.max_tokens = 6, .stop_at_end = false}};
  const std::string usual = Loaded(file).text("the", options);
  file.set_bool("tokenizer.ggml.add_eos_token", true);
  const Loaded ended(file);
  EXPECT_EQ(ended.text("the", options), usual);
  EXPECT_EQ(ended.built.model.tokenizer().encode("the").back(), 2) << "other texts are";
}

TEST(Warnings, AGuessOfThePretokenizerIsTold) {
  GgufBuilder file = test::tiny_llama_bpe();
  EXPECT_TRUE(Loaded(file).told.empty());
  file.erase("tokenizer.ggml.pre");
  const Loaded guessed(file);
  ASSERT_EQ(guessed.told.size(), 1u);
  EXPECT_NE(guessed.told[0].find("'tokenizer.ggml.pre'"), std::string::npos) << guessed.told[0];
}

TEST(NoVocabulary, IsSaidInThreeWays) {
  for (const char* model : {"no_vocab", "none", ""}) {
    GgufBuilder file;
    test::add_tiny_llama(file, 20);
    if (*model != '\0') file.set_string("tokenizer.ggml.model", model);
    const Loaded loaded(file);
    EXPECT_FALSE(loaded.built.model.has_tokenizer());
    const std::string message = expect_error(ErrorCode::missing_key, [&] { (void)loaded.built.model.tokenizer(); });
    EXPECT_NE(message.find("tokenizer.ggml.model"), std::string::npos) << message;
    EXPECT_EQ(test::all_logits(loaded.built.model, std::vector<Token>{1, 2, 3}).size(), 60u);
  }
}

TEST(Llama2cVocabularies, OneOfAnotherModelHurtsOnlyWhoReadsText) {
  const TempDir dir;
  const std::filesystem::path checkpoint = dir.file("model.bin", test::small_checkpoint());
  const std::string none = expect_error(ErrorCode::missing_key, [&] { (void)Model::load(checkpoint).tokenizer(); });
  EXPECT_NE(none.find("tokenizer.bin"), std::string::npos) << none;
  dir.file("tokenizer.bin", test::pieces_file(20));
  expect_error(ErrorCode::bad_tokenizer, [&] { (void)Model::load(checkpoint); });
  EXPECT_FALSE(Model::load(checkpoint, {.tokenizer = false}).has_tokenizer());
  LoadOptions options;
  options.vocabulary = dir.file("right.bin", test::pieces_file(16));
  EXPECT_EQ(Model::load(checkpoint, options).tokenizer().size(), 16);
}

TEST(Predictions, ThatAreNoNumbersAreErrors) {
  GgufBuilder file = test::tiny_llama();
  const Loaded sound(file);
  std::string& data = file.tensor("blk.1.ffn_up.weight").data;
  data.replace(0, sizeof(float), encoded(std::numeric_limits<float>::quiet_NaN()));
  const Loaded broken(file);
  const std::vector<Token> text =
      sound.built.model.tokenizer().encode("the there the bad cat the there the here a b the bed at there");
  const WindowOptions windows = {.context = 8};
  EXPECT_NO_THROW(measure_perplexity(sound.built.model, text, windows));
  for (const auto& compare :
       {std::function<void()>([&] { measure_perplexity(broken.built.model, text, windows); }),
        std::function<void()>([&] { compare_logits(broken.built.model, sound.built.model, text, windows); }),
        std::function<void()>([&] { compare_logits(sound.built.model, broken.built.model, text, windows); })})
    expect_error(ErrorCode::bad_value, compare);
}

}  // namespace
}  // namespace plumb::reported_files_test
