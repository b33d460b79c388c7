/// Files whose vocabulary contradicts itself, each with its exact code.

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/support/hostile_model.hpp"

namespace plumb {
namespace {

using test::BadFile;
using test::encoded;
using test::encoded_array;
using test::GgufBuilder;
namespace vt = test::value_type;

std::vector<BadFile>& cases() {
  static std::vector<BadFile> all;
  return all;
}

using Change = std::function<void(GgufBuilder&)>;

void add(const std::string& name, ErrorCode code, const std::string& mention, GgufBuilder (*base)(),
         const Change& change) {
  cases().push_back({name, code, mention, [=] {
                       GgufBuilder file = base();
                       change(file);
                       return file.bytes();
                     }});
}

GgufBuilder spm_base() { return test::tiny_llama(true); }
GgufBuilder bpe_base() { return test::tiny_llama_bpe(); }

void spm(const std::string& name, ErrorCode code, const std::string& mention, const Change& change) {
  add("spm_" + name, code, mention, spm_base, change);
}
void bpe(const std::string& name, ErrorCode code, const std::string& mention, const Change& change) {
  add("bpe_" + name, code, mention, bpe_base, change);
}
void both(const std::string& name, ErrorCode code, const std::string& mention, const Change& change) {
  spm(name, code, mention, change);
  bpe(name, code, mention, change);
}

std::string key(const std::string& name) { return "tokenizer.ggml." + name; }

/// Tokens of the file as a list, changed, and put back.
void change_tokens(GgufBuilder& file, const std::function<void(std::vector<std::string>&)>& change) {
  const std::string& payload = file.pair(key("tokens")).payload;
  std::vector<std::string> tokens;
  for (std::size_t at = 12; at < payload.size();) {
    std::uint64_t length = 0;
    std::memcpy(&length, payload.data() + at, sizeof length);
    tokens.push_back(payload.substr(at + 8, length));
    at += 8 + length;
  }
  change(tokens);
  file.set_strings(key("tokens"), tokens);
}

/// Element i of an array of 4-byte numbers replaced.
template <class T>
void set_element(GgufBuilder& file, const std::string& name, std::size_t i, T value) {
  file.pair(key(name)).payload.replace(12 + 4 * i, 4, encoded(value));
}

/// The array one element shorter or longer than the vocabulary.
void resize_array(GgufBuilder& file, const std::string& name, std::int64_t by) {
  std::string& payload = file.pair(key(name)).payload;
  const std::size_t elements = static_cast<std::size_t>(static_cast<std::int64_t>((payload.size() - 12) / 4) + by);
  payload.resize(12 + 4 * elements);
  payload.replace(4, 8, encoded(std::uint64_t{elements}));
}

void type_cases() {
  const std::pair<std::uint32_t, std::pair<const char*, std::string>> values[] = {
      {vt::u32, {"u32", encoded(2u)}},
      {vt::f32, {"f32", encoded(2.0f)}},
      {vt::boolean, {"bool", "\1"}},
      {vt::string, {"string", encoded("2")}},
      {vt::array, {"array_of_bool", encoded_array(vt::boolean, 1, "\1")}},
  };
  const auto wrong = [&](const std::string& name, std::uint32_t right) {
    for (const auto& [type, value] : values)
      if (type != right)
        bpe("wrong_type_" + name + "_" + value.first, ErrorCode::wrong_type, key(name),
            [=, type = type, payload = value.second](GgufBuilder& file) { file.set(key(name), type, payload); });
  };
  for (const char* name : {"model", "pre"}) wrong(name, vt::string);
  for (const char* name : {"tokens", "token_type", "merges", "scores"}) wrong(name, 99);
  for (const char* name :
       {"bos_token_id", "eos_token_id", "eot_token_id", "eom_token_id", "unknown_token_id", "padding_token_id",
        "seperator_token_id", "fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"})
    wrong(name, vt::u32);
  for (const char* name : {"add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces"})
    wrong(name, vt::boolean);
  spm("tokens_of_integers", ErrorCode::wrong_type, key("tokens"),
      [](GgufBuilder& file) { file.set(key("tokens"), vt::array, encoded_array(vt::u32, 1, encoded(1u))); });
  spm("scores_of_integers", ErrorCode::wrong_type, key("scores"),
      [](GgufBuilder& file) { file.pair(key("scores")).payload.replace(0, 4, encoded(vt::i32)); });
  spm("token_types_of_floats", ErrorCode::wrong_type, key("token_type"),
      [](GgufBuilder& file) { file.pair(key("token_type")).payload.replace(0, 4, encoded(vt::f32)); });
  bpe("merges_of_integers", ErrorCode::wrong_type, key("merges"),
      [](GgufBuilder& file) { file.set(key("merges"), vt::array, encoded_array(vt::u32, 1, encoded(1u))); });
}

void missing_cases() {
  both("missing_tokens", ErrorCode::missing_key, key("tokens"), [](GgufBuilder& file) { file.erase(key("tokens")); });
  spm("missing_scores", ErrorCode::missing_key, key("scores"), [](GgufBuilder& file) { file.erase(key("scores")); });
  bpe("missing_merges", ErrorCode::missing_key, key("merges"), [](GgufBuilder& file) { file.erase(key("merges")); });
}

void name_cases() {
  const auto model = [](const std::string& name, const std::string& value, const std::string& mention) {
    both("model_" + name, ErrorCode::unsupported_tokenizer, mention,
         [=](GgufBuilder& file) { file.set_string(key("model"), value); });
  };
  model("unknown", "wordpiece9", "'wordpiece9'");
  model("empty", "", key("model"));
  model("of_escapes", "\x1b[31mllama", "\\x1b[31mllama");
  const auto pre = [](const std::string& name, const std::string& value, const std::string& mention) {
    bpe("pre_" + name, ErrorCode::unsupported_tokenizer, mention,
        [=](GgufBuilder& file) { file.set_string(key("pre"), value); });
  };
  pre("unknown", "klingon", "'klingon'");
  pre("with_a_nul", std::string("gpt-2\0", 6), "gpt-2\\x00");
  pre("a_pattern", "(a+)+$", "(a+)+$");
}

void array_cases() {
  for (const char* name : {"scores", "token_type"})
    for (const std::int64_t by : {-1, 1, -272}) {
      const std::string suffix = by == -1 ? "_one_short" : by == 1 ? "_one_long" : "_empty";
      spm(name + suffix, ErrorCode::bad_tokenizer, key(name), [=](GgufBuilder& file) { resize_array(file, name, by); });
    }
  spm("scores_nan", ErrorCode::bad_tokenizer, key("scores"),
      [](GgufBuilder& file) { set_element(file, "scores", 270, std::numeric_limits<float>::quiet_NaN()); });
  for (const std::int32_t type : {7, -1, std::numeric_limits<std::int32_t>::min(), 1000000})
    spm("token_type_" + std::string(type < 0 ? "minus_" : "") + std::to_string(static_cast<std::uint32_t>(type)),
        ErrorCode::bad_tokenizer, key("token_type"),
        [type](GgufBuilder& file) { set_element(file, "token_type", 270, type); });
  spm("token_types_beyond_32_bits", ErrorCode::overflow, key("token_type"), [](GgufBuilder& file) {
    const std::vector<std::uint64_t> types(272, std::uint64_t{1} << 32);
    file.set_numbers<std::uint64_t>(key("token_type"), vt::u64, types);
  });
}

void token_cases() {
  const auto token = [](const std::string& name, ErrorCode code, const std::string& mention,
                        const std::function<void(std::vector<std::string>&)>& change) {
    both(name, code, mention, [=](GgufBuilder& file) { change_tokens(file, change); });
  };
  // Reported as a shape: the embedding has rows for more tokens than these.
  token("no_tokens", ErrorCode::bad_shape, "token_embd.weight", [](auto& tokens) { tokens.clear(); });
  token("one_token_missing", ErrorCode::bad_shape, "token_embd.weight", [](auto& tokens) { tokens.pop_back(); });
  token("one_token_more", ErrorCode::bad_shape, "token_embd.weight", [](auto& tokens) { tokens.push_back("more"); });
  token("token_empty", ErrorCode::bad_tokenizer, "token 256", [](auto& tokens) { tokens[256].clear(); });
  spm("token_twice", ErrorCode::duplicate, "'he'",
      [](GgufBuilder& file) { change_tokens(file, [](auto& tokens) { tokens[271] = "he"; }); });
  bpe("token_twice", ErrorCode::duplicate, "'he'",
      [](GgufBuilder& file) { change_tokens(file, [](auto& tokens) { tokens[259] = "he"; }); });
  spm("all_tokens_equal", ErrorCode::duplicate, "'x'", [](GgufBuilder& file) {
    change_tokens(file, [](auto& tokens) { std::fill(tokens.begin(), tokens.end(), "x"); });
    file.erase(key("token_type"));
  });
  const std::pair<const char*, const char*> spellings[] = {
      {"minus_1", "<0x-1>"},     {"of_no_digits", "<0x>"}, {"of_no_hex_digits", "<0xGG>"}, {"of_256", "<0x100>"},
      {"of_one_digit", "<0x1>"}, {"of_a_space", "<0x 1>"}, {"upper_case_x", "<0X0A>"},     {"bare", "0x0A"},
      {"unclosed", "<0x0A"},     {"of_text", "abc"}};
  for (const auto& [name, spelling] : spellings)
    spm(std::string("byte_token_") + name, ErrorCode::bad_tokenizer, key("tokens"),
        [spelling = std::string(spelling)](GgufBuilder& file) {
          change_tokens(file, [&](auto& tokens) { tokens[10] = spelling; });
        });
  spm("byte_token_empty", ErrorCode::bad_tokenizer, key("tokens"),
      [](GgufBuilder& file) { change_tokens(file, [](auto& tokens) { tokens[10].clear(); }); });
}

void id_cases() {
  for (const char* name :
       {"bos_token_id", "eos_token_id", "eot_token_id", "eom_token_id", "unknown_token_id", "padding_token_id",
        "seperator_token_id", "fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"}) {
    spm(std::string(name) + "_of_the_vocabularys_size", ErrorCode::out_of_range, key(name),
        [name](GgufBuilder& file) { file.set_u32(key(name), 272); });
    spm(std::string(name) + "_2_32", ErrorCode::out_of_range, key(name),
        [name](GgufBuilder& file) { file.set_u32(key(name), 0xffffffffu); });
  }
  spm("bos_token_id_negative", ErrorCode::out_of_range, key("bos_token_id"),
      [](GgufBuilder& file) { file.set(key("bos_token_id"), vt::i32, encoded(std::int32_t{-1})); });
  spm("bos_token_id_2_64", ErrorCode::bad_value, key("bos_token_id"),
      [](GgufBuilder& file) { file.set(key("bos_token_id"), vt::u64, encoded(~std::uint64_t{0})); });
  bpe("bos_wanted_but_absent", ErrorCode::bad_tokenizer, key("add_bos_token"), [](GgufBuilder& file) {
    file.erase(key("bos_token_id"));
    file.set_bool(key("add_bos_token"), true);
  });
  bpe("eos_wanted_but_absent", ErrorCode::bad_tokenizer, key("add_eos_token"), [](GgufBuilder& file) {
    file.erase(key("eos_token_id"));
    file.set_bool(key("add_eos_token"), true);
  });
}

void merge_cases() {
  const auto merge = [](const std::string& name, const std::string& text, const std::string& mention) {
    bpe("merge_" + name, ErrorCode::bad_tokenizer, mention, [=](GgufBuilder& file) {
      const std::vector<std::string> merges = {"h e", text};
      file.set_strings(key("merges"), merges);
    });
  };
  merge("of_absent_left_token", "zz e", "'zz'");
  merge("of_absent_right_token", "h zz", "'zz'");
  merge("to_absent_token", "x y", "'xy'");
  merge("of_one_word", "he", "merge 1");
  merge("empty", "", "merge 1");
  merge("of_a_space", " ", "merge 1");
  merge("without_right", "h ", "merge 1");
  merge("without_left", " e", "merge 1");
  merge("of_three_words", "h e r", "merge 1");
  merge("of_escapes", "\x1b[2J e", "\\x1b[2J");
}

const std::vector<BadFile>& all_cases() {
  if (cases().empty()) {
    type_cases();
    missing_cases();
    name_cases();
    array_cases();
    token_cases();
    id_cases();
    merge_cases();
  }
  return cases();
}

class BadVocabulary : public testing::TestWithParam<BadFile> {};

TEST_P(BadVocabulary, IsRefused) { test::expect_refused(GetParam(), test::load_only); }

INSTANTIATE_TEST_SUITE_P(Named, BadVocabulary, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace plumb
