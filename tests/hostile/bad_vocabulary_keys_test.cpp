/// Vocabularies whose keys are missing, of a wrong type, of an unknown name or beside the vocabulary, each with its
/// exact code.

#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "tests/support/hostile_vocabulary.hpp"

namespace plumb::bad_vocabulary_keys_test {
namespace {

using test::BadFile;
using test::BadFiles;
using test::Change;
using test::encoded;
using test::encoded_array;
using test::GgufBuilder;
namespace vt = test::value_type;

std::string key(const std::string& name) { return test::vocabulary_key(name); }

const std::vector<const char*> kIds = {"bos_token_id",     "eos_token_id",     "eot_token_id",       "eom_token_id",
                                       "unknown_token_id", "padding_token_id", "seperator_token_id", "fim_pad_token_id",
                                       "fim_rep_token_id", "fim_sep_token_id"};

/// Every key with a value of every kind that it must not have.
void wrong_type_cases(BadFiles& spm, BadFiles& bpe) {
  constexpr std::uint32_t kArray = vt::array;
  const std::pair<std::uint32_t, std::pair<const char*, std::string>> values[] = {
      {vt::u32, {"u32", encoded(2u)}},
      {vt::f32, {"f32", encoded(2.0f)}},
      {vt::boolean, {"bool", "\1"}},
      {vt::string, {"string", encoded("2")}},
      {kArray, {"array_of_bool", encoded_array(vt::boolean, 1, "\1")}},
  };
  const auto wrong = [&](BadFiles& files, const std::string& name, std::uint32_t right) {
    for (const auto& [type, value] : values)
      if (type != right)
        files.spoil(
            name + "_" + value.first, ErrorCode::wrong_type, key(name),
            [=, type = type, payload = value.second](GgufBuilder& file) { file.set(key(name), type, payload); });
  };
  const std::uint32_t no_scalar = 99;  // arrays of the right elements are right
  for (const char* name : {"tokens", "scores", "token_type"}) wrong(spm, name, no_scalar);
  wrong(spm, "model", vt::string);
  for (const char* name : kIds) wrong(spm, name, vt::u32);
  for (const char* name : {"add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces"})
    wrong(spm, name, vt::boolean);
  wrong(bpe, "pre", vt::string);
  wrong(bpe, "merges", no_scalar);
  wrong(bpe, "scores", no_scalar);

  const std::vector<std::uint32_t> numbers = {1, 2, 3};
  const auto of_numbers = [numbers](const std::string& name) {
    return [=](GgufBuilder& file) { file.set_numbers<std::uint32_t>(key(name), vt::u32, numbers); };
  };
  spm.spoil("tokens_of_numbers", ErrorCode::wrong_type, key("tokens"), of_numbers("tokens"));
  bpe.spoil("merges_of_numbers", ErrorCode::wrong_type, key("merges"), of_numbers("merges"));
  spm.spoil("scores_of_integers", ErrorCode::wrong_type, key("scores"), test::set_element_type("scores", vt::i32));
  spm.spoil("types_of_floats", ErrorCode::wrong_type, key("token_type"), test::set_element_type("token_type", vt::f32));
  spm.spoil("scores_of_strings", ErrorCode::wrong_type, key("scores"),
            [](GgufBuilder& file) { file.set_strings(key("scores"), test::strings_of(file, "tokens")); });
}

void missing_cases(BadFiles& spm, BadFiles& bpe) {
  const auto without = [](const std::string& name) { return [=](GgufBuilder& file) { file.erase(key(name)); }; };
  for (const char* name : {"model", "tokens", "scores"})
    spm.spoil(std::string("without_") + name, ErrorCode::missing_key, key(name), without(name));
  for (const char* name : {"model", "tokens", "merges"})
    bpe.spoil(std::string("without_") + name, ErrorCode::missing_key, key(name), without(name));
  for (const char* which : {"bos", "eos"})
    bpe.spoil(std::string(which) + "_wanted_but_absent", ErrorCode::bad_tokenizer,
              key(std::string("add_") + which + "_token"), [which = std::string(which)](GgufBuilder& file) {
                file.erase(key(which + "_token_id"));
                file.set_bool(key("add_" + which + "_token"), true);
              });
}

void name_cases(BadFiles& spm, BadFiles& bpe) {
  const auto set = [](const char* name, const std::string& value) {
    return [=](GgufBuilder& file) { file.set_string(key(name), value); };
  };
  for (const std::string model : {"t6", "RWKV", "plamo2", "gemma4", "none", "no_vocab", "", "LLAMA", "hybriddna"})
    spm.spoil("model_" + (model.empty() ? "empty" : model), ErrorCode::unsupported_tokenizer, "'" + model + "'",
              set("model", model));
  spm.spoil("model_of_escapes", ErrorCode::unsupported_tokenizer, "\\x1b[31mllama", set("model", "\x1b[31mllama"));
  bpe.spoil("pre_unknown", ErrorCode::unsupported_tokenizer, "'gpt-17'", set("pre", "gpt-17"));
  bpe.spoil("pre_of_escapes", ErrorCode::unsupported_tokenizer, "\\x1b[2J", set("pre", "\x1b[2J"));
  bpe.spoil("pre_with_a_nul", ErrorCode::unsupported_tokenizer, "gpt-2\\x00", set("pre", std::string("gpt-2\0", 6)));
  bpe.spoil("pre_a_pattern", ErrorCode::unsupported_tokenizer, "(a+)+$", set("pre", "(a+)+$"));
}

void id_cases(BadFiles& spm) {
  for (const std::string name : kIds) {
    if (name == "padding_token_id") continue;  // nothing needs it
    for (const std::uint32_t id : {272u, 65536u, 0x7fffffffu, 0x80000000u, 0xfffffffeu})
      spm.spoil(name + "_" + std::to_string(id), ErrorCode::out_of_range, key(name),
                [=](GgufBuilder& file) { file.set_u32(key(name), id); });
  }
  spm.spoil("bos_negative", ErrorCode::out_of_range, "-2",
            [](GgufBuilder& file) { file.set(key("bos_token_id"), vt::i32, encoded(std::int32_t{-2})); });
  spm.spoil("eos_2_32", ErrorCode::out_of_range, key("eos_token_id"),
            [](GgufBuilder& file) { file.set(key("eos_token_id"), vt::u64, encoded(std::uint64_t{1} << 32)); });
  spm.spoil("eos_2_64", ErrorCode::bad_value, key("eos_token_id"),
            [](GgufBuilder& file) { file.set(key("eos_token_id"), vt::u64, encoded(~std::uint64_t{0})); });
}

std::vector<BadFile> all_cases() {
  BadFiles spm(test::spm_file, "spm_"), bpe(test::bpe_file, "bpe_");
  wrong_type_cases(spm, bpe);
  missing_cases(spm, bpe);
  name_cases(spm, bpe);
  id_cases(spm);
  std::vector<BadFile> all = spm.all();
  all.insert(all.end(), bpe.all().begin(), bpe.all().end());
  return all;
}

class BadVocabularyKeys : public testing::TestWithParam<BadFile> {};

TEST_P(BadVocabularyKeys, IsRefused) { test::expect_refused(GetParam(), test::read_tokenizer); }

INSTANTIATE_TEST_SUITE_P(Named, BadVocabularyKeys, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace plumb::bad_vocabulary_keys_test
