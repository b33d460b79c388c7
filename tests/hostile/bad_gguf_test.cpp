/// Files whose header, keys or values the GGUF reader must refuse, each with its exact code.

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "tests/support/hostile.hpp"

namespace plumb::bad_gguf_test {
namespace {

using test::BadFile;
using test::BadFiles;
using test::encoded;
using test::encoded_array;
using test::GgufBuilder;
namespace vt = test::value_type;

constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();

void open_only(std::span<const std::byte> bytes) { (void)GgufFile::from_memory(bytes, "bad.gguf"); }

BadFiles& bad_files() {
  static BadFiles all(test::small_gguf);
  return all;
}

void spoil(const std::string& name, ErrorCode code, const std::string& mention, const test::Change& change) {
  bad_files().spoil(name, code, mention, change);
}

/// A file of literal bytes.
void raw(const std::string& name, ErrorCode code, const std::string& mention, const std::string& bytes) {
  bad_files().make(name, code, mention, [bytes] { return bytes; });
}

/// small_gguf() with one value replaced; the key is "flag".
void value(const std::string& name, ErrorCode code, const std::string& mention, std::uint32_t type,
           const std::string& payload) {
  spoil(name, code, mention, [=](GgufBuilder& file) { file.set("flag", type, payload); });
}

/// A file that ends behind its last key, so that what the last value announces is surely absent.
void last_value(const std::string& name, ErrorCode code, const std::string& mention, std::uint32_t type,
                const std::string& payload) {
  bad_files().make(name, code, mention, [=] {
    GgufBuilder file;
    file.set("last", type, payload);
    return file.bytes();
  });
}

void alignment(const std::string& name, ErrorCode code, std::uint32_t type, const std::string& payload) {
  spoil("alignment_" + name, code, "general.alignment",
        [=](GgufBuilder& file) { file.set("general.alignment", type, payload); });
}

void header_cases() {
  const std::string whole = test::small_gguf().bytes();
  raw("empty", ErrorCode::truncated, "bad.gguf", "");
  raw("one_byte", ErrorCode::truncated, "magic", "G");
  raw("magic_only", ErrorCode::truncated, "version", "GGUF");
  raw("version_only", ErrorCode::truncated, "tensor count", whole.substr(0, 8));
  raw("no_key_count", ErrorCode::truncated, "key count", whole.substr(0, 16));
  raw("magic_ggml", ErrorCode::bad_magic, "GGUF", "ggml" + whole.substr(4));
  raw("magic_lower_case", ErrorCode::bad_magic, "GGUF", "gguf" + whole.substr(4));
  raw("magic_zip", ErrorCode::bad_magic, "GGUF", "PK\3\4" + whole.substr(4));
  raw("magic_elf", ErrorCode::bad_magic, "\\x7fELF",
      "\x7f"
      "ELF" +
          whole.substr(4));
  raw("magic_text", ErrorCode::bad_magic, "Once", "Once upon a time there was a file");
  raw("magic_zeros", ErrorCode::bad_magic, "GGUF", std::string(64, '\0'));
  raw("magic_swapped", ErrorCode::big_endian, "little-endian", "FUGG" + whole.substr(4));
  const auto version = [](const std::string& name, ErrorCode code, std::uint32_t number, const std::string& mention) {
    spoil("version_" + name, code, mention, [=](GgufBuilder& file) { file.version = number; });
  };
  version("3_big_endian", ErrorCode::big_endian, 0x03000000, "big-endian");
  version("2_big_endian", ErrorCode::big_endian, 0x02000000, "big-endian");
  version("0", ErrorCode::unsupported_version, 0, "version 0");
  version("1", ErrorCode::unsupported_version, 1, "version 1");
  version("4", ErrorCode::unsupported_version, 4, "version 4");
  version("2_32", ErrorCode::unsupported_version, kMax32, "4294967295");
}

void count_cases() {
  for (const auto& [name, count] : {std::pair<std::string, std::uint64_t>{"2_64", kMax64},
                                    {"2_63", kMax64 / 2 + 1},
                                    {"2_60", std::uint64_t{1} << 60},
                                    {"2_32", std::uint64_t{1} << 32}}) {
    spoil("tensor_count_" + name, ErrorCode::truncated, "tensor count",
          [count = count](GgufBuilder& file) { file.tensor_count = count; });
    spoil("key_count_" + name, ErrorCode::truncated, "key count",
          [count = count](GgufBuilder& file) { file.key_count = count; });
  }
  const auto bare = [](const std::string& name, const std::string& mention, const auto& change) {
    bad_files().make(name, ErrorCode::truncated, mention, [change] {
      GgufBuilder file;
      file.set_u32("a.key.that.takes.some.room", 1);
      change(file);
      return file.bytes();
    });
  };
  bare("tensor_count_1_of_0", "tensor count", [](GgufBuilder& file) { file.tensor_count = 1; });
  bare("key_count_2_of_1", "key 1", [](GgufBuilder& file) { file.key_count = 2; });
  const auto beyond = [](std::uint64_t tensors, std::uint64_t keys) {
    return "GGUF" + encoded(std::uint32_t{3}) + encoded(tensors) + encoded(keys) + std::string(12 << 20, '\0');
  };
  bad_files().make("key_count_beyond_limit", ErrorCode::bad_value, "limit", [=] { return beyond(0, 65537); });
  bad_files().make("tensor_count_beyond_limit", ErrorCode::bad_value, "limit", [=] { return beyond(262145, 0); });
  bad_files().make("key_count_at_limit_of_zeros", ErrorCode::bad_value, "key 0", [=] { return beyond(0, 65536); });
  bad_files().make("tensor_count_at_limit_of_zeros", ErrorCode::bad_value, "tensor 0",
                   [=] { return beyond(262144, 0); });
}

void key_cases() {
  const auto length = [](const std::string& name, ErrorCode code, std::uint64_t claimed) {
    spoil("key_length_" + name, code, "key 2", [=](GgufBuilder& file) { file.pair("flag").key_length = claimed; });
  };
  length("2_64", ErrorCode::truncated, kMax64);
  length("2_63", ErrorCode::truncated, kMax64 / 2 + 1);
  length("near_wrap", ErrorCode::truncated, kMax64 - 64);
  length("beyond_the_file", ErrorCode::truncated, 1 << 20);
  spoil("key_empty", ErrorCode::bad_value, "key 2", [](GgufBuilder& file) { file.pair("flag").key = ""; });
  spoil("key_65536_bytes", ErrorCode::bad_value, "65536",
        [](GgufBuilder& file) { file.pair("flag").key = std::string(65536, 'k'); });
  spoil("key_twice", ErrorCode::duplicate, "'flag'",
        [](GgufBuilder& file) { file.pairs.push_back(file.pair("flag")); });
  spoil("key_twice_with_other_type", ErrorCode::duplicate, "'flag'", [](GgufBuilder& file) {
    file.pairs.push_back({"flag", vt::u32, encoded(std::uint32_t{1}), {}});
  });
  spoil("key_thrice_far_apart", ErrorCode::duplicate, "'general.architecture'", [](GgufBuilder& file) {
    file.pairs.push_back(file.pairs[0]);
    file.set_u32("between", 1);
    file.pairs.push_back(file.pairs[0]);
  });
  spoil("alignment_twice", ErrorCode::duplicate, "general.alignment", [](GgufBuilder& file) {
    file.set_u32("general.alignment", 32);
    file.pairs.push_back(file.pair("general.alignment"));
  });
  spoil("duplicate_key_of_escapes", ErrorCode::duplicate, "\\x1b[2J", [](GgufBuilder& file) {
    file.pairs.push_back({"\x1b[2J", vt::u8, "\1", {}});
    file.pairs.push_back({"\x1b[2J", vt::u8, "\1", {}});
  });
}

void value_cases() {
  value("value_type_13", ErrorCode::bad_value, "type 13", 13, encoded(std::uint64_t{0}));
  value("value_type_2_32", ErrorCode::bad_value, "4294967295", kMax32, encoded(std::uint64_t{0}));
  value("bool_2", ErrorCode::bad_value, "bool", vt::boolean, "\2");
  value("bool_255", ErrorCode::bad_value, "bool", vt::boolean, "\xff");
  value("bool_array_with_a_7", ErrorCode::bad_value, "bool", vt::array,
        encoded_array(vt::boolean, 3, std::string("\0\7\1", 3)));
  value("string_length_2_64", ErrorCode::truncated, "'flag'", vt::string, encoded(kMax64));
  value("string_length_2_63", ErrorCode::truncated, "'flag'", vt::string, encoded(kMax64 / 2 + 1));
  value("string_length_beyond_the_file", ErrorCode::truncated, "'flag'", vt::string, encoded(std::uint64_t{1} << 30));
  value("array_of_unknown_type", ErrorCode::bad_value, "type 99", vt::array, encoded_array(99, 1, "x"));
  const std::pair<const char*, std::uint32_t> types[] = {
      {"u8", vt::u8},        {"i8", vt::i8},         {"u16", vt::u16},    {"i16", vt::i16}, {"u32", vt::u32},
      {"i32", vt::i32},      {"f32", vt::f32},       {"u64", vt::u64},    {"i64", vt::i64}, {"f64", vt::f64},
      {"bool", vt::boolean}, {"string", vt::string}, {"array", vt::array}};
  for (const auto& [name, type] : types) {
    value(std::string("array_of_2_64_") + name, ErrorCode::truncated, "'flag'", vt::array,
          encoded_array(type, kMax64, ""));
    // 2^61 elements of 8 bytes wrap to 0, 2^62 of 4, 2^63 of 2: a product that is not checked reads as "nothing".
    value(std::string("array_that_wraps_of_") + name, ErrorCode::truncated, "'flag'", vt::array,
          encoded_array(type, std::uint64_t{1} << 61, ""));
    last_value(std::string("array_one_short_of_") + name, ErrorCode::truncated, "'last'", vt::array,
               encoded_array(type, 2,
                             std::string(type == vt::string  ? 15
                                         : type == vt::array ? 23
                                                             : 2 * gguf_type_bytes(GgufType(type)) - 1,
                                         '\0')));
  }
  last_value("string_in_array_beyond_the_file", ErrorCode::truncated, "'last'", vt::array,
             encoded_array(vt::string, 2, encoded("ok") + encoded(std::uint64_t{4}) + "abc"));
  last_value("string_in_array_of_2_64", ErrorCode::truncated, "'last'", vt::array,
             encoded_array(vt::string, 2, encoded(kMax64) + std::string(8, '\0')));
  last_value("array_head_cut", ErrorCode::truncated, "'last'", vt::array, encoded(vt::u32) + "abc");
  std::string deep = encoded_array(vt::u8, 1, "x");
  for (int i = 0; i < 8; ++i) deep = encoded_array(vt::array, 1, deep);
  value("arrays_nested_9_deep", ErrorCode::bad_value, "deeper", vt::array, deep);
  std::string abyss;
  for (int i = 0; i < 200000; ++i) abyss += encoded_array(vt::array, 1, "");
  value("arrays_nested_200000_deep", ErrorCode::bad_value, "deeper", vt::array, abyss);
  value("nested_array_of_2_64", ErrorCode::truncated, "'flag'", vt::array,
        encoded_array(vt::array, 1, encoded_array(vt::u64, kMax64, "")));
  value("nested_array_of_unknown_type", ErrorCode::bad_value, "type 77", vt::array,
        encoded_array(vt::array, 1, encoded_array(77, 1, "x")));
}

void alignment_cases() {
  for (const std::uint32_t bad : {0u, 1u, 2u, 4u, 13u, 24u, 33u, 1u << 21, 1u << 31, kMax32})
    alignment(std::to_string(bad), ErrorCode::bad_value, vt::u32, encoded(bad));
  alignment("string", ErrorCode::wrong_type, vt::string, encoded("32"));
  alignment("u64", ErrorCode::wrong_type, vt::u64, encoded(std::uint64_t{32}));
  alignment("i32", ErrorCode::wrong_type, vt::i32, encoded(std::int32_t{32}));
  alignment("f32", ErrorCode::wrong_type, vt::f32, encoded(32.0f));
  alignment("bool", ErrorCode::wrong_type, vt::boolean, "\1");
  alignment("array", ErrorCode::wrong_type, vt::array, encoded_array(vt::u32, 1, encoded(32u)));
  spoil("alignment_larger_than_the_tensors_have", ErrorCode::bad_offset, "not aligned to 256", [](GgufBuilder& file) {
    file.set_u32("general.alignment", 256);
    file.tensor("c").data += std::string(1000, '\0');
  });
}

const std::vector<BadFile>& all_cases() {
  if (bad_files().all().empty()) {
    header_cases();
    count_cases();
    key_cases();
    value_cases();
    alignment_cases();
  }
  return bad_files().all();
}

class BadGguf : public testing::TestWithParam<BadFile> {};

TEST_P(BadGguf, IsRefused) { test::expect_refused(GetParam(), open_only); }

INSTANTIATE_TEST_SUITE_P(Named, BadGguf, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace plumb::bad_gguf_test
