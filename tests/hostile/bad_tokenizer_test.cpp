/// Bad vocabularies in well-formed files, each with its exact code; and odd ones that must be accepted.

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/text/tokenizer.hpp"
#include "tests/support/hostile.hpp"

namespace plumb {
namespace {

using test::BadFile;
using test::encoded;
using test::encoded_array;
using test::GgufBuilder;
namespace vt = test::value_type;

constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();

void read_tokenizer(std::span<const std::byte> bytes) {
  (void)Tokenizer::from_file(GgufFile::from_memory(bytes, "bad.gguf"));
}

std::string key(const std::string& name) { return "tokenizer.ggml." + name; }

std::vector<BadFile>& cases() {
  static std::vector<BadFile> all;
  return all;
}

using Change = std::function<void(GgufBuilder&)>;
using Make = std::uint64_t (*)(GgufBuilder&);
std::uint64_t spm_vocabulary(GgufBuilder& file) { return test::add_spm_vocabulary(file, true); }

void add_case(const std::string& name, ErrorCode code, const std::string& mention, Make make, const Change& change) {
  cases().push_back({name, code, mention, [make, change] {
                       GgufBuilder file;
                       make(file);
                       change(file);
                       return file.bytes();
                     }});
}
void spm(const std::string& name, ErrorCode code, const std::string& mention, const Change& change) {
  add_case("spm_" + name, code, mention, spm_vocabulary, change);
}
void bpe(const std::string& name, ErrorCode code, const std::string& mention, const Change& change) {
  add_case("bpe_" + name, code, mention, test::add_bpe_vocabulary, change);
}

/// The strings of an array value.
std::vector<std::string> strings_of(GgufBuilder& file, const std::string& name) {
  const std::string& payload = file.pair(key(name)).payload;
  std::vector<std::string> strings;
  for (std::size_t at = 12; at < payload.size();) {
    std::uint64_t length = 0;
    std::memcpy(&length, payload.data() + at, 8);
    strings.push_back(payload.substr(at + 8, length));
    at += 8 + length;
  }
  return strings;
}
Change set_token(std::size_t id, const std::string& piece) {
  return [id, piece](GgufBuilder& file) {
    std::vector<std::string> tokens = strings_of(file, "tokens");
    tokens.at(id) = piece;
    file.set_strings(key("tokens"), tokens);
  };
}
Change add_merge(const std::string& merge) {
  return [merge](GgufBuilder& file) {
    std::vector<std::string> merges = strings_of(file, "merges");
    merges.push_back(merge);
    file.set_strings(key("merges"), merges);
  };
}
/// Element `id` of an array of 4-byte numbers.
template <class T>
Change set_number(const std::string& name, std::size_t id, T value) {
  static_assert(sizeof(T) == 4);
  return [=](GgufBuilder& file) { file.pair(key(name)).payload.replace(12 + 4 * id, 4, encoded(value)); };
}

void add_wrong_types() {
  const std::pair<const char*, const char*> kText[] = {{"model", "model"}, {"pre", "pre"}};
  for (const auto& [name, mention] : kText)
    bpe("type_of_" + std::string(name), ErrorCode::wrong_type, mention,
        [name = name](GgufBuilder& f) { f.set_u32(key(name), 1); });
  for (const char* name : {"add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces"})
    spm(std::string("type_of_") + name, ErrorCode::wrong_type, name,
        [name](GgufBuilder& f) { f.set_u32(key(name), 1); });
  for (const char* name :
       {"bos_token_id", "eos_token_id", "unknown_token_id", "eot_token_id", "eom_token_id", "seperator_token_id",
        "padding_token_id", "fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"}) {
    spm(std::string("string_as_") + name, ErrorCode::wrong_type, name,
        [name](GgufBuilder& f) { f.set_string(key(name), "1"); });
    spm(std::string("float_as_") + name, ErrorCode::wrong_type, name,
        [name](GgufBuilder& f) { f.set_f32(key(name), 1.0f); });
  }
  for (const char* name : {"tokens", "scores", "token_type"})
    spm(std::string("scalar_as_") + name, ErrorCode::wrong_type, name,
        [name](GgufBuilder& f) { f.set_u32(key(name), 1); });
  bpe("scalar_as_merges", ErrorCode::wrong_type, "merges", [](GgufBuilder& f) { f.set_string(key("merges"), "h e"); });
  spm("numbers_as_tokens", ErrorCode::wrong_type, "tokens", [](GgufBuilder& f) {
    f.set_numbers<std::uint32_t>(key("tokens"), vt::u32, std::vector<std::uint32_t>{1, 2, 3});
  });
  spm("integers_as_scores", ErrorCode::wrong_type, "scores",
      [](GgufBuilder& f) { f.pair(key("scores")).payload.replace(0, 4, encoded(vt::i32)); });
  spm("floats_as_types", ErrorCode::wrong_type, "token_type",
      [](GgufBuilder& f) { f.pair(key("token_type")).payload.replace(0, 4, encoded(vt::f32)); });
  spm("strings_as_scores", ErrorCode::wrong_type, "scores",
      [](GgufBuilder& f) { f.set_strings(key("scores"), strings_of(f, "tokens")); });
  bpe("numbers_as_merges", ErrorCode::wrong_type, "merges", [](GgufBuilder& f) {
    f.set_numbers<std::uint32_t>(key("merges"), vt::u32, std::vector<std::uint32_t>{1, 2, 3});
  });
}

void add_missing() {
  for (const char* name : {"model", "tokens", "scores"})
    spm(std::string("without_") + name, ErrorCode::missing_key, name, [name](GgufBuilder& f) { f.erase(key(name)); });
  bpe("without_merges", ErrorCode::missing_key, "merges", [](GgufBuilder& f) { f.erase(key("merges")); });
}

void add_unsupported() {
  for (const char* model : {"bert", "t5", "rwkv", "plamo2", "gemma4", "none", "no_vocab", "", "LLAMA", "hybriddna"})
    spm(std::string("model_") + (*model ? model : "empty"), ErrorCode::unsupported_tokenizer,
        "'" + std::string(model) + "'", [model](GgufBuilder& f) { f.set_string(key("model"), model); });
  bpe("pre_unknown", ErrorCode::unsupported_tokenizer, "'gpt-17'",
      [](GgufBuilder& f) { f.set_string(key("pre"), "gpt-17"); });
  bpe("pre_with_escape", ErrorCode::unsupported_tokenizer, "\\x1b[2J",
      [](GgufBuilder& f) { f.set_string(key("pre"), "\x1b[2J"); });
}

void add_lengths() {
  const std::vector<std::string> none;
  spm("no_tokens", ErrorCode::bad_tokenizer, "tokens", [none](GgufBuilder& f) {
    f.set_strings(key("tokens"), none);
    f.set_numbers<float>(key("scores"), vt::f32, std::vector<float>{});
    f.set_numbers<std::int32_t>(key("token_type"), vt::i32, std::vector<std::int32_t>{});
    for (const char* name : {"bos_token_id", "eos_token_id", "unknown_token_id"}) f.erase(key(name));
    f.set_bool(key("add_bos_token"), false);
  });
  for (const std::size_t count : {0u, 1u, 271u, 273u, 5000u}) {
    spm("scores_" + std::to_string(count), ErrorCode::bad_tokenizer, "scores",
        [count](GgufBuilder& f) { f.set_numbers<float>(key("scores"), vt::f32, std::vector<float>(count)); });
    spm("types_" + std::to_string(count), ErrorCode::bad_tokenizer, "token_type", [count](GgufBuilder& f) {
      f.set_numbers<std::int32_t>(key("token_type"), vt::i32, std::vector<std::int32_t>(count, 1));
    });
  }
}

void add_tokens() {
  spm("empty_token", ErrorCode::bad_tokenizer, "token 260 ", set_token(260, ""));
  spm("duplicate_token", ErrorCode::duplicate, "259 and 261",
      [](GgufBuilder& f) { set_token(261, strings_of(f, "tokens")[259])(f); });
  bpe("duplicate_token", ErrorCode::duplicate, "'he'", set_token(257, "he"));
  bpe("empty_token", ErrorCode::bad_tokenizer, "token 10 ", set_token(10, ""));
  for (const char* piece :
       {"<0x-1>", "<0x0>", "<0x000>", "<0xGG>", "<0x 1>", "0x0A", "<0X0A>", "<0x0A", " <0x0A>", "a", "<0x+1>"})
    spm("byte_spelled_" + std::to_string(cases().size()), ErrorCode::bad_tokenizer, piece, set_token(13, piece));
  spm("byte_without_spelling", ErrorCode::bad_tokenizer, "token 13", set_token(13, ""));
  for (const std::int32_t type :
       {-1, 7, 100, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()})
    spm("type_number_" + std::to_string(cases().size()), ErrorCode::bad_tokenizer, std::to_string(type),
        set_number("token_type", 262, type));
  spm("nan_score", ErrorCode::bad_tokenizer, "token 262",
      set_number("scores", 262, std::numeric_limits<float>::quiet_NaN()));
}

void add_ids() {
  for (const char* name : {"bos_token_id", "eos_token_id", "unknown_token_id", "eot_token_id", "eom_token_id",
                           "seperator_token_id", "padding_token_id", "fim_pad_token_id"})
    for (const std::uint32_t id : {272u, 65536u, 0x7fffffffu, 0x80000000u, kMax32})
      spm(std::string(name) + "_" + std::to_string(id), ErrorCode::out_of_range, name,
          [name, id](GgufBuilder& f) { f.set_u32(key(name), id); });
  spm("bos_negative", ErrorCode::out_of_range, "-1",
      [](GgufBuilder& f) { f.set(key("bos_token_id"), vt::i32, encoded(std::int32_t{-1})); });
  spm("eos_64_bits", ErrorCode::out_of_range, "eos_token_id",
      [](GgufBuilder& f) { f.set(key("eos_token_id"), vt::u64, encoded(std::uint64_t{1} << 32)); });
  bpe("bos_asked_for_but_absent", ErrorCode::bad_tokenizer, "add_bos_token", [](GgufBuilder& f) {
    f.erase(key("bos_token_id"));
    f.set_bool(key("add_bos_token"), true);
  });
  bpe("eos_asked_for_but_absent", ErrorCode::bad_tokenizer, "add_eos_token", [](GgufBuilder& f) {
    f.erase(key("eos_token_id"));
    f.set_bool(key("add_eos_token"), true);
  });
}

void add_merges() {
  bpe("merge_with_absent_left", ErrorCode::bad_tokenizer, "'qqq'", add_merge("qqq e"));
  bpe("merge_with_absent_right", ErrorCode::bad_tokenizer, "'qqq'", add_merge("e qqq"));
  bpe("merge_with_absent_result", ErrorCode::bad_tokenizer, "'eh'", add_merge("e h"));
  bpe("merge_without_space", ErrorCode::bad_tokenizer, "merge 4 'he'", add_merge("he"));
  bpe("merge_empty", ErrorCode::bad_tokenizer, "merge 4", add_merge(""));
  bpe("merge_only_space", ErrorCode::bad_tokenizer, "merge 4", add_merge(" "));
  bpe("merge_without_left", ErrorCode::bad_tokenizer, "merge 4", add_merge(" e"));
  bpe("merge_without_right", ErrorCode::bad_tokenizer, "merge 4", add_merge("e "));
  bpe("merge_of_three", ErrorCode::bad_tokenizer, "merge 4", add_merge("h e r"));
}

std::vector<BadFile> all_cases() {
  add_wrong_types();
  add_missing();
  add_unsupported();
  add_lengths();
  add_tokens();
  add_ids();
  add_merges();
  return cases();
}

class BadTokenizer : public testing::TestWithParam<BadFile> {};
TEST_P(BadTokenizer, IsRefused) { test::expect_refused(GetParam(), read_tokenizer); }
INSTANTIATE_TEST_SUITE_P(Hostile, BadTokenizer, testing::ValuesIn(all_cases()),
                         [](const auto& param) { return param.param.name; });

TEST(OddTokenizer, ValidOnesAreAccepted) {
  GgufBuilder spm_file, bpe_file;
  spm_vocabulary(spm_file);
  test::add_bpe_vocabulary(bpe_file);
  for (GgufBuilder* file : {&spm_file, &bpe_file}) {
    const test::Outcome outcome = test::read_bounded(file->bytes(), read_tokenizer);
    EXPECT_FALSE(outcome.code) << outcome.message;
  }
}

TEST(OddTokenizer, WhatRealFilesHoldIsAccepted) {
  const std::pair<const char*, Change> kOdd[] = {
      {"an unused token without spelling",
       [](GgufBuilder& f) {
         set_token(262, "")(f);
         set_number("token_type", 262, test::token_type::unused)(f);
       }},
      {"infinite scores", set_number("scores", 262, -std::numeric_limits<float>::infinity())},
      {"no token types", [](GgufBuilder& f) { f.erase(key("token_type")); }},
      {"no special ids",
       [](GgufBuilder& f) {
         for (const char* name : {"bos_token_id", "eos_token_id", "unknown_token_id"}) f.erase(key(name));
       }},
      {"a piece that is no UTF-8", set_token(262, "\xff\xfe")},
      {"a very long piece", set_token(262, std::string(100'000, 'x'))},
      {"no pre-tokenizer", [](GgufBuilder& f) { f.erase(key("pre")); }},
  };
  for (const auto& [what, change] : kOdd) {
    GgufBuilder file;
    spm_vocabulary(file);
    change(file);
    const test::Outcome outcome = test::read_bounded(file.bytes(), read_tokenizer);
    EXPECT_FALSE(outcome.code) << what << ": " << outcome.message;
  }
  GgufBuilder file;
  test::add_bpe_vocabulary(file);
  file.erase(key("pre"));
  for (const char* name : {"bos_token_id", "eos_token_id"}) file.erase(key(name));
  add_merge("h e")(file);  // twice
  const test::Outcome outcome = test::read_bounded(file.bytes(), read_tokenizer);
  EXPECT_FALSE(outcome.code) << outcome.message;
}

/// A megabyte of text that no step may take quadratic time over, whatever the vocabulary.
TEST(OddTokenizer, EncodesHostileTextInBoundedTime) {
  GgufBuilder file;
  test::add_spm_vocabulary(file, true);
  set_token(262, std::string(5000, 'a'))(file);  // a long piece, as bait
  const test::AlignedCopy copy(file.bytes());
  const Tokenizer tokenizer = Tokenizer::from_file(GgufFile::from_memory(copy.bytes(), "bait.gguf"));
  const std::string text(100'000, 'a');
  const std::vector<Token> tokens = tokenizer.encode(text, {.add_special = false});
  EXPECT_EQ(tokenizer.decode(tokens), text);
}

}  // namespace
}  // namespace plumb
