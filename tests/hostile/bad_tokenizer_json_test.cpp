/// tokenizer.json files that must be refused, each with its exact code and a word of its message; texts and patterns
/// that must not take long.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "plumb/text/tokenizer.hpp"
#include "tests/support/expect_error.hpp"

namespace plumb::bad_tokenizer_json_test {
namespace {

using test::expect_error;

/// A small file whose sections can be replaced.
struct File {
  std::string added = "[]", normalizer = "null", pre = "null", post = "null", decoder = "null";
  std::string model = R"({"type":"BPE","unk_token":"<u>","vocab":{"<u>":0,"a":1,"b":2,"ab":3," ":4},"merges":["a b"]})";
  std::string more = {}, version = R"("1.0")";

  std::string text() const {
    return R"({"version":)" + version + R"(,"truncation":null,"padding":null,"added_tokens":)" + added +
           R"(,"normalizer":)" + normalizer + R"(,"pre_tokenizer":)" + pre + R"(,"post_processor":)" + post +
           R"(,"decoder":)" + decoder + R"(,"model":)" + model + more + "}";
  }
};

Tokenizer load(const File& file) { return Tokenizer::from_json(file.text(), "bad.json"); }

struct Bad {
  const char* name;
  ErrorCode code;
  const char* mention;
  File file;
};

std::string model(const std::string& fields) { return R"({"type":"BPE",)" + fields + "}"; }
std::string with_merges(const std::string& merges) {
  return model(R"("vocab":{"a":0,"b":1,"ab":2},"merges":)" + merges);
}
std::string repeated(const std::string& unit, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += unit;
  return text;
}
/// A trie of units, as a file holds it: base64 of 0 units is "AAAAAA==".
std::string charsmap(const std::string& base64) {
  return R"({"type":"Precompiled","precompiled_charsmap":")" + base64 + R"("})";
}
std::string split(const std::string& regex) {
  return R"({"type":"Split","pattern":{"Regex":")" + regex + R"("},"behavior":"Isolated","invert":false})";
}
std::string processing(const std::string& single, const std::string& specials = "{}") {
  return R"({"type":"TemplateProcessing","single":)" + single + R"(,"pair":[],"special_tokens":)" + specials + "}";
}

const std::vector<Bad>& bad_files() {
  constexpr auto value = ErrorCode::bad_value, type = ErrorCode::wrong_type, missing = ErrorCode::missing_key,
                 range = ErrorCode::out_of_range, twice = ErrorCode::duplicate, bad = ErrorCode::bad_tokenizer,
                 unknown = ErrorCode::unsupported_tokenizer;
  static const std::vector<Bad> kBad = {
      {"unknown_section", unknown, "surprise", {.more = R"(,"surprise":1)"}},
      {"second_model", twice, "model", {.more = R"(,"model":{})"}},
      {"text_behind", value, "more text", {.more = "} {"}},
      {"second_decoder", twice, "decoder", {.more = R"(,"decoder":null)"}},
      {"other_version", ErrorCode::unsupported_version, "2.0", {.version = R"("2.0")"}},

      {"model_is_null", type, "object", {.model = "null"}},
      {"model_is_array", type, "object", {.model = "[]"}},
      {"model_unknown", unknown, "Magic", {.model = R"({"type":"Magic","vocab":{"a":0}})"}},
      {"model_without_vocab", missing, "vocab", {.model = model(R"("merges":[])")}},
      {"model_without_type", missing, "type", {.model = R"({"vocab":{"a":0}})"}},
      {"model_field_twice", twice, "vocab", {.model = model(R"("vocab":{"a":0},"vocab":{"a":0},"merges":[])")}},
      {"dropout", unknown, "dropout", {.model = model(R"("dropout":0.5,"vocab":{"a":0},"merges":[])")}},
      {"bpe_without_merges", missing, "merges", {.model = model(R"("vocab":{"a":0})")}},
      {"vocab_is_array", type, "object", {.model = model(R"("vocab":["a"],"merges":[])")}},
      {"vocab_empty", bad, "no tokens", {.model = model(R"("vocab":{},"merges":[])")}},
      {"id_negative", range, "-1", {.model = model(R"("vocab":{"a":-1},"merges":[])")}},
      {"id_fraction", type, "whole", {.model = model(R"("vocab":{"a":1.5},"merges":[])")}},
      {"id_text", type, "whole", {.model = model(R"("vocab":{"a":"1"},"merges":[])")}},
      {"id_huge", range, "4294967295", {.model = model(R"("vocab":{"a":4294967295},"merges":[])")}},
      {"id_beyond_63_bits", value, "63 bits", {.model = model(R"("vocab":{"a":99999999999999999999},"merges":[])")}},
      {"id_far_away", range, "1000000", {.model = model(R"("vocab":{"a":1000000},"merges":[])")}},
      {"id_twice", twice, "both have id", {.model = model(R"("vocab":{"a":0,"b":0},"merges":[])")}},
      {"token_twice", twice, "stands twice", {.model = model(R"("vocab":{"a":0,"a":1},"merges":[])")}},
      {"half_surrogate", value, "surrogate", {.model = model(R"("vocab":{"\ud800":0},"merges":[])")}},
      {"wrong_pair", value, "surrogate", {.model = model(R"("vocab":{"\ud800\u0041":0},"merges":[])")}},
      {"unknown_escape", value, "escape", {.model = model(R"("vocab":{"\q":0},"merges":[])")}},
      {"short_escape", value, "escape", {.model = model(R"("vocab":{"\u12g4":0},"merges":[])")}},
      {"control_in_string", value, "control", {.model = model("\"vocab\":{\"a\nb\":0},\"merges\":[]")}},
      {"no_utf8", value, "UTF-8", {.model = model("\"vocab\":{\"\xff\":0},\"merges\":[]")}},
      {"comma_before_end", value, "comma", {.model = model(R"("vocab":{"a":0,},"merges":[])")}},
      {"merges_object", type, "array", {.model = with_merges("{}")}},
      {"merge_number", type, "string", {.model = with_merges("[1]")}},
      {"merge_null", type, "string", {.model = with_merges("[null]")}},
      {"merge_one_part", bad, "two spellings", {.model = with_merges(R"(["ab"])")}},
      {"merge_three_parts", bad, "two spellings", {.model = with_merges(R"(["a b c"])")}},
      {"merge_empty", bad, "two spellings", {.model = with_merges(R"([""])")}},
      {"merge_empty_pair", bad, "two spellings", {.model = with_merges("[[]]")}},
      {"merge_single", bad, "two spellings", {.model = with_merges(R"([["a"]])")}},
      {"merge_triple", bad, "two spellings", {.model = with_merges(R"([["a","b","ab"]])")}},
      {"merge_unknown_left", bad, "'z', which is no token", {.model = with_merges(R"(["z b"])")}},
      {"merge_unknown_right", bad, "'z', which is no token", {.model = with_merges(R"(["a z"])")}},
      {"merge_unknown_result", bad, "makes 'ba'", {.model = with_merges(R"(["b a"])")}},
      {"merge_no_continuation",
       bad,
       "continuation",
       {.model = model(R"("continuing_subword_prefix":"##","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"])")}},

      {"unigram_object", type, "array", {.model = R"({"type":"Unigram","vocab":{"a":0}})"}},
      {"unigram_score_text", type, "number", {.model = R"({"type":"Unigram","vocab":[["a","x"]]})"}},
      {"unigram_score_null", type, "number", {.model = R"({"type":"Unigram","vocab":[["a",null]]})"}},
      {"unigram_score_endless", value, "range", {.model = R"({"type":"Unigram","vocab":[["a",1e999]]})"}},
      {"unigram_no_score", value, "score", {.model = R"({"type":"Unigram","vocab":[["a"]]})"}},
      {"unigram_empty_pair", value, "empty", {.model = R"({"type":"Unigram","vocab":[[]]})"}},
      {"unigram_unk_negative", value, "unk_id", {.model = R"({"type":"Unigram","unk_id":-1,"vocab":[["a",0]]})"}},
      {"unigram_unk_outside", range, "unk_id", {.model = R"({"type":"Unigram","unk_id":1,"vocab":[["a",0]]})"}},

      {"added_object", type, "array", {.added = "{}"}},
      {"added_text", type, "object", {.added = R"(["x"])"}},
      {"added_without_content", missing, "content", {.added = R"([{"id":9}])"}},
      {"added_negative", value, "negative", {.added = R"([{"id":-1,"content":"x"}])"}},
      {"added_flag_text", type, "true or false", {.added = R"([{"content":"x","special":"yes"}])"}},
      {"added_gets_taken_id",
       twice,
       "gets the id 1",
       {.added = R"([{"id":9,"content":"x"}])", .model = model(R"("vocab":{"a":1},"merges":[])")}},

      {"normalizer_unknown", unknown, "NFX", {.normalizer = R"({"type":"NFX"})"}},
      {"normalizer_text", value, "object", {.normalizer = R"("NFC")"}},
      {"normalizer_typeless", missing, "type", {.normalizer = "{}"}},
      {"strip_bare", missing, "strip_", {.normalizer = R"({"type":"Strip"})"}},
      {"replace_bare", missing, "pattern", {.normalizer = R"({"type":"Replace","content":""})"}},
      {"sequence_bare", missing, "normalizers", {.normalizer = R"({"type":"Sequence"})"}},
      {"nested_sequences",
       value,
       "deeper",
       {.normalizer = repeated(R"({"type":"Sequence","normalizers":[)", 60) + repeated("]}", 60)}},
      {"charsmap_no_base64", value, "base64", {.normalizer = charsmap("!!!!")}},
      {"charsmap_odd_base64", value, "base64", {.normalizer = charsmap("AAA")}},
      {"charsmap_empty", ErrorCode::truncated, "length", {.normalizer = charsmap("")}},
      {"charsmap_no_trie", bad, "trie", {.normalizer = charsmap("AAAAAA==")}},
      {"charsmap_lies", ErrorCode::truncated, "trie", {.normalizer = charsmap("/////w==")}},
      {"charsmap_half_unit", bad, "units", {.normalizer = charsmap("AgAAAAAA")}},

      {"pre_unknown", unknown, "Scissors", {.pre = R"({"type":"Scissors"})"}},
      {"split_behavior",
       value,
       "Sideways",
       {.pre = R"({"type":"Split","pattern":{"String":"x"},"behavior":"Sideways","invert":false})"}},
      {"split_pattern_text",
       type,
       "String or Regex",
       {.pre = R"({"type":"Split","pattern":"x","behavior":"Isolated","invert":false})"}},
      {"split_pattern_empty",
       value,
       "neither",
       {.pre = R"({"type":"Split","pattern":{},"behavior":"Isolated","invert":false})"}},
      {"split_without_invert",
       missing,
       "invert",
       {.pre = R"({"type":"Split","pattern":{"String":"x"},"behavior":"Isolated"})"}},
      {"metaspace_scheme",
       value,
       "sometimes",
       {.pre = R"({"type":"Metaspace","replacement":"_","prepend_scheme":"sometimes"})"}},
      {"metaspace_long", value, "one character", {.pre = R"({"type":"Metaspace","replacement":"__"})"}},
      {"metaspace_empty", value, "one character", {.pre = R"({"type":"Metaspace","replacement":""})"}},
      {"metaspace_contradiction",
       value,
       "prepend_scheme",
       {.pre = R"({"type":"Metaspace","replacement":"_","add_prefix_space":false,"prepend_scheme":"always"})"}},
      {"byte_level_bare", missing, "add_prefix_space", {.pre = R"({"type":"ByteLevel"})"}},
      {"fixed_length_zero", value, "length", {.pre = R"({"type":"FixedLength","length":0})"}},
      {"regex_open_class", unknown, "not closed", {.pre = split("[a")}},
      {"regex_open_group", unknown, "not closed", {.pre = split("(a")}},
      {"regex_stray_parenthesis", unknown, "not open", {.pre = split("a)")}},
      {"regex_nothing_to_repeat", unknown, "repeat", {.pre = split("*a")}},
      {"regex_unknown_property", unknown, "pattern", {.pre = split("\\\\p{NoSuchScript}")}},
      {"regex_bad_property_name", unknown, "property", {.pre = split("\\\\p{L)(?R)}")}},
      {"regex_unknown_option", unknown, "option", {.pre = split("(?R)a")}},
      {"regex_deep_groups", unknown, "too deep", {.pre = split(repeated("(", 5000) + repeated(")", 5000))}},
      {"regex_deep_classes", unknown, "too deep", {.pre = split(repeated("[a", 5000) + repeated("]", 5000))}},
      {"regex_huge_repeat", unknown, "pattern", {.pre = split("(((a{1000}){1000}){1000}){1000}")}},
      {"regex_too_long", unknown, "65537 bytes", {.pre = split(std::string(65'537, 'a'))}},

      {"post_unknown", unknown, "Glue", {.post = R"({"type":"Glue"})"}},
      {"template_b", value, "second text", {.post = processing(R"([{"Sequence":{"id":"B","type_id":0}}])")}},
      {"template_twice",
       unknown,
       "twice",
       {.post = processing(R"([{"Sequence":{"id":"A"}},{"Sequence":{"id":"A"}}])")}},
      {"template_empty", value, "text", {.post = processing("[]")}},
      {"template_undescribed", value, "<s>", {.post = processing(R"([{"SpecialToken":{"id":"<s>"}}])")}},
      {"template_unknown_piece", unknown, "piece", {.post = processing(R"([{"Surprise":{}}])")}},
      {"template_id_outside",
       range,
       "ids",
       {.post =
            processing(R"([{"SpecialToken":{"id":"s"}},{"Sequence":{"id":"A"}}])", R"({"s":{"id":"s","ids":[99]}})")}},
      {"template_id_fraction",
       range,
       "ids",
       {.post = processing(R"([{"SpecialToken":{"id":"s"}},{"Sequence":{"id":"A"}}])", R"({"s":{"ids":[0.5]}})")}},
      {"bert_shape", type, "pair", {.post = R"({"type":"BertProcessing","sep":"x","cls":["y",1]})"}},
      {"bert_id", range, "sep", {.post = R"({"type":"BertProcessing","sep":["x",77],"cls":["y",1]})"}},

      {"decoder_unknown", unknown, "Morse", {.decoder = R"({"type":"Morse"})"}},
      {"decoder_strip_long",
       value,
       "one character",
       {.decoder = R"({"type":"Strip","content":"ab","start":1,"stop":0})"}},
      {"decoder_strip_negative", value, "start", {.decoder = R"({"type":"Strip","content":"a","start":-1,"stop":0})"}},
      {"decoder_replace_regex",
       unknown,
       "not closed",
       {.decoder = R"({"type":"Replace","pattern":{"Regex":"("},"content":""})"}},
  };
  return kBad;
}

TEST(BadTokenizerJson, IsRefusedWithItsCode) {
  (void)load({});
  for (const Bad& bad : bad_files()) {
    SCOPED_TRACE(bad.name);
    const std::string message = expect_error(bad.code, [&] { (void)load(bad.file); });
    EXPECT_NE(message.find(bad.mention), std::string::npos) << message;
    EXPECT_NE(message.find("bad.json"), std::string::npos) << message;
  }
  EXPECT_GE(bad_files().size(), 100u);
}

/// Every beginning of a file is refused, or is the whole of it.
TEST(BadTokenizerJson, CutAtEveryByte) {
  File file;
  file.added = R"([{"id":5,"content":"<x>","special":true,"single_word":false,"lstrip":true,"rstrip":false}])";
  file.normalizer =
      R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"String":"x"},"content":"a"}]})";
  file.pre = split("a+");
  file.post = processing(R"([{"SpecialToken":{"id":"s"}},{"Sequence":{"id":"A"}}])", R"({"s":{"ids":[5]}})");
  file.decoder = R"({"type":"Fuse"})";
  const std::string text = file.text();
  EXPECT_EQ(Tokenizer::from_json(text).encode("ab <x>", {.parse_special = true}), (std::vector<Token>{5, 1, 2, 5}));
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_THROW((void)Tokenizer::from_json(std::string_view(text).substr(0, size)), Error) << size;
}

/// One byte changed in turn: an answer or an Error, and nothing else.
TEST(BadTokenizerJson, WithAnyByteChanged) {
  File file;
  file.normalizer = R"({"type":"Lowercase"})";
  file.pre = split("\\\\p{L}{1,3}|[^a&&[b-d]]+");
  const std::string text = file.text();
  int accepted = 0;
  for (std::size_t at = 0; at < text.size(); ++at)
    for (const char byte : {'"', '[', '}', '9', '\\', ' ', '\x80'}) {
      std::string changed = text;
      changed[at] = byte;
      try {
        (void)Tokenizer::from_json(changed).encode("abc ABD 123", {.add_special = true});
        ++accepted;
      } catch (const Error&) {
      }
    }
  EXPECT_GT(accepted, 0);
}

TEST(BadTokenizerJson, PatternsThatExplodeEndWithAnError) {
  const std::string letters(5'000, 'a');
  for (const char* regex : {"(a+)+$b", "(a|a)*b", "(a|aa)+$b", "(?:a*)*b", "(.*)*(.*)*(.*)*b", "(a+)+\\\\1b"}) {
    SCOPED_TRACE(regex);
    File file;
    file.pre = split(regex);
    const Tokenizer tokenizer = load(file);
    try {
      (void)tokenizer.encode(letters);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_tokenizer);
    }
  }
}

TEST(BadTokenizerJson, TriesThatPointAnywhereEndWithAnErrorOrNoMatch) {
  // Units of all kinds: leaves, far offsets, values beyond the replacements.
  const auto encode = [](const std::string& bytes) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i + 2 < bytes.size(); i += 3) {
      const auto byte = [&](std::size_t k) { return static_cast<unsigned>(static_cast<unsigned char>(bytes[i + k])); };
      const unsigned bits = byte(0) << 16 | byte(1) << 8 | byte(2);
      for (int shift = 18; shift >= 0; shift -= 6) out += kDigits[bits >> shift & 63];
    }
    return out;
  };
  std::uint32_t random = 1;
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    const std::uint32_t units = 256 + static_cast<std::uint32_t>(round) % 3 * 100;
    const auto put = [&](std::uint32_t word) {
      for (int i = 0; i < 4; ++i) bytes += static_cast<char>(word >> 8 * i & 0xFF);
    };
    put(units * 4);
    for (std::uint32_t i = 0; i < units; ++i) {
      random = random * 1664525u + 1013904223u;
      put(round % 2 == 0 ? random : (random & 0xFFFFFF00u & ~0x80000000u) | (i & 0xFF) | 0x100u);
    }
    bytes += std::string("abc\0def\0", 8);
    while (bytes.size() % 3 != 0) bytes += '\0';
    File file;
    file.normalizer = charsmap(encode(bytes));
    const Tokenizer tokenizer = load(file);
    try {
      (void)tokenizer.encode("The quick brown fox \u00e9\u4e2d 123");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_tokenizer);
    }
  }
}

TEST(BadTokenizerJson, LongTextsTakeLinearTime) {
  File file;
  file.pre =
      R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)" + split("\\\\s+$") + "]}";
  const Tokenizer tokenizer = load(file);
  File whole;  // one word
  const Tokenizer plain = load(whole);
  for (const char* unit : {"a", " ", "ab", "\n", "1", "\u4e2d", " \n"}) {
    std::string text;
    while (text.size() < 300'000) text += unit;
    (void)tokenizer.encode(text + "x");
    (void)plain.encode(text + "x");
  }
}

}  // namespace
}  // namespace plumb::bad_tokenizer_json_test
