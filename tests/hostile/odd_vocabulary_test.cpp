/// Vocabularies that are unusual and right, and hostile text for good ones.

#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "tests/support/hostile_vocabulary.hpp"

namespace plumb::odd_vocabulary_test {
namespace {

using test::Change;
using test::GgufBuilder;
using test::set_number;
using test::set_token;

std::string key(const std::string& name) { return test::vocabulary_key(name); }

void expect_accepted(GgufBuilder file, const std::string& what, const Change& change) {
  change(file);
  const test::Outcome outcome = test::read_bounded(file.bytes(), test::read_tokenizer);
  EXPECT_FALSE(outcome.code) << what << ": " << outcome.message;
}

Change without(const std::vector<std::string>& names) {
  return [names](GgufBuilder& file) {
    for (const std::string& name : names) file.erase(key(name));
  };
}

TEST(OddVocabulary, TheUnspoiltOnesAreAccepted) {
  for (const GgufBuilder& file : {test::spm_file(), test::bpe_file()}) expect_accepted(file, "unspoilt", without({}));
  GgufBuilder spm = test::spm_file(), bpe = test::bpe_file();
  EXPECT_EQ(test::strings_of(spm, "tokens").size(), test::kSpmTokens);
  EXPECT_EQ(test::strings_of(bpe, "tokens").size(), test::kBpeTokens);
}

TEST(OddVocabulary, WhatRealFilesHoldIsAccepted) {
  expect_accepted(test::spm_file(), "an unused token without spelling", [](GgufBuilder& file) {
    set_token(262, "")(file);
    set_number("token_type", 262, test::token_type::unused)(file);
  });
  expect_accepted(test::spm_file(), "infinite scores",
                  set_number("scores", 262, -std::numeric_limits<float>::infinity()));
  expect_accepted(test::spm_file(), "no token types", without({"token_type"}));
  expect_accepted(test::spm_file(), "no special ids", without({"bos_token_id", "eos_token_id", "unknown_token_id"}));
  expect_accepted(test::spm_file(), "a piece that is no UTF-8", set_token(262, "\xff\xfe"));
  expect_accepted(test::spm_file(), "a very long piece", set_token(262, std::string(100'000, 'x')));
  expect_accepted(test::bpe_file(), "no pre-tokenizer, no special ids",
                  without({"pre", "bos_token_id", "eos_token_id"}));
  expect_accepted(test::bpe_file(), "a merge twice", test::add_merge("h e"));
}

/// No step may take quadratic time, whatever the vocabulary.
TEST(OddVocabulary, EncodesHostileTextInBoundedTime) {
  GgufBuilder file = test::spm_file();
  set_token(262, std::string(5000, 'a'))(file);  // a long piece, as bait
  const test::AlignedCopy copy(file.bytes());
  const Tokenizer tokenizer = Tokenizer::from_file(GgufFile::from_memory(copy.bytes(), "bait.gguf"));
  const std::string text(100'000, 'a');
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, {.add_special = false})), text);
}

}  // namespace
}  // namespace plumb::odd_vocabulary_test
