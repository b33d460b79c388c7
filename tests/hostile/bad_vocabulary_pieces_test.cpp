/// Vocabularies whose tokens, scores, types or merges contradict themselves, each with its exact code.

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "tests/support/hostile_vocabulary.hpp"

namespace plumb::bad_vocabulary_pieces_test {
namespace {

using test::add_merge;
using test::BadFile;
using test::BadFiles;
using test::GgufBuilder;
using test::set_number;
using test::set_token;
namespace vt = test::value_type;

std::string key(const std::string& name) { return test::vocabulary_key(name); }

void length_cases(BadFiles& spm) {
  spm.spoil("no_tokens", ErrorCode::bad_tokenizer, "tokens", [](GgufBuilder& file) {
    file.set_strings(key("tokens"), {});
    file.set_numbers<float>(key("scores"), vt::f32, {});
    file.set_numbers<std::int32_t>(key("token_type"), vt::i32, {});
    for (const char* name : {"bos_token_id", "eos_token_id", "unknown_token_id"}) file.erase(key(name));
    file.set_bool(key("add_bos_token"), false);
  });
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, test::kSpmTokens - 1, test::kSpmTokens + 1, std::size_t{5000}}) {
    spm.spoil("scores_" + std::to_string(count), ErrorCode::bad_tokenizer, key("scores"),
              [=](GgufBuilder& file) { file.set_numbers<float>(key("scores"), vt::f32, std::vector<float>(count)); });
    spm.spoil("types_" + std::to_string(count), ErrorCode::bad_tokenizer, key("token_type"), [=](GgufBuilder& file) {
      file.set_numbers<std::int32_t>(key("token_type"), vt::i32, std::vector<std::int32_t>(count, 1));
    });
  }
}

void token_cases(BadFiles& spm, BadFiles& bpe) {
  spm.spoil("empty_token", ErrorCode::bad_tokenizer, "token 260 ", set_token(260, ""));
  bpe.spoil("empty_token", ErrorCode::bad_tokenizer, "token 10 ", set_token(10, ""));
  spm.spoil("duplicate_token", ErrorCode::duplicate, "'he'", set_token(271, "he"));
  bpe.spoil("duplicate_token", ErrorCode::duplicate, "'he'", set_token(257, "he"));
  spm.spoil("all_tokens_equal", ErrorCode::duplicate, "'x'", [](GgufBuilder& file) {
    file.set_strings(key("tokens"), std::vector<std::string>(test::kSpmTokens, "x"));
    file.erase(key("token_type"));
  });
  const std::pair<const char*, const char*> spellings[] = {{"minus_1", "<0x-1>"},
                                                           {"plus_1", "<0x+1>"},
                                                           {"of_no_digits", "<0x>"},
                                                           {"of_no_hex_digits", "<0xGG>"},
                                                           {"of_one_digit", "<0x0>"},
                                                           {"of_3_digits", "<0x100>"},
                                                           {"of_a_space", "<0x 1>"},
                                                           {"upper_case_x", "<0X0A>"},
                                                           {"bare", "0x0A"},
                                                           {"unclosed", "<0x0A"},
                                                           {"indented", " <0x0A>"},
                                                           {"of_text", "a"},
                                                           {"empty", ""}};
  for (const auto& [name, spelling] : spellings)
    spm.spoil(std::string("byte_token_") + name, ErrorCode::bad_tokenizer, *spelling ? spelling : "token 13",
              set_token(13, spelling));
}

void number_cases(BadFiles& spm) {
  constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();
  const std::pair<const char*, std::int32_t> types[] = {
      {"7", 7}, {"minus_1", -1}, {"minus_2_31", kLowest}, {"2_31_minus_1", -(kLowest + 1)}};
  for (const auto& [name, type] : types)
    spm.spoil(std::string("type_") + name, ErrorCode::bad_tokenizer, std::to_string(type),
              set_number("token_type", 262, type));
  spm.spoil("types_beyond_32_bits", ErrorCode::overflow, key("token_type"), [](GgufBuilder& file) {
    const std::vector<std::uint64_t> huge(test::kSpmTokens, std::uint64_t{1} << 32);
    file.set_numbers<std::uint64_t>(key("token_type"), vt::u64, huge);
  });
  spm.spoil("score_nan", ErrorCode::bad_tokenizer, "token 262",
            set_number("scores", 262, std::numeric_limits<float>::quiet_NaN()));
}

void merge_cases(BadFiles& bpe) {
  const auto merge = [&](const std::string& name, const std::string& text, const std::string& mention) {
    bpe.spoil("merge_" + name, ErrorCode::bad_tokenizer, mention, add_merge(text));
  };
  merge("of_absent_left_token", "qqq e", "'qqq'");
  merge("of_absent_right_token", "e qqq", "'qqq'");
  merge("to_absent_token", "e h", "'eh'");
  merge("of_one_word", "he", "merge 4 'he'");
  merge("empty", "", "merge 4");
  merge("of_a_space", " ", "merge 4");
  merge("without_left", " e", "merge 4");
  merge("without_right", "e ", "merge 4");
  merge("of_three_words", "h e r", "merge 4");
  merge("of_escapes", "\x1b[2J e", "\\x1b[2J");
}

std::vector<BadFile> all_cases() {
  BadFiles spm(test::spm_file, "spm_"), bpe(test::bpe_file, "bpe_");
  length_cases(spm);
  token_cases(spm, bpe);
  number_cases(spm);
  merge_cases(bpe);
  std::vector<BadFile> all = spm.all();
  all.insert(all.end(), bpe.all().begin(), bpe.all().end());
  return all;
}

class BadVocabularyPieces : public testing::TestWithParam<BadFile> {};

TEST_P(BadVocabularyPieces, IsRefused) { test::expect_refused(GetParam(), test::read_tokenizer); }

INSTANTIATE_TEST_SUITE_P(Named, BadVocabularyPieces, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace plumb::bad_vocabulary_pieces_test
