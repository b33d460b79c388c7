// Damaged safetensors files.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "plumb/io/safetensors.hpp"
#include "tests/support/hostile.hpp"
#include "tests/support/safetensors_bytes.hpp"

namespace plumb::bad_safetensors_test {
namespace {

using test::BadFile;
using test::safetensors_bytes;

/// A file of one tensor "a" with these fields, and 12 bytes of data.
std::string one(const std::string& fields) { return safetensors_bytes("{\"a\":{" + fields + "}}", 12); }

std::string of_length(std::uint64_t length, const std::string& rest) {
  std::string file = safetensors_bytes("", 0);
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(length >> (8 * i) & 0xff);
  return file + rest;
}

std::vector<BadFile> bad_files() {
  std::vector<BadFile> files;
  const auto bad = [&](const std::string& name, ErrorCode code, const std::string& mention, const std::string& bytes) {
    files.push_back({name, code, mention, [bytes] { return bytes; }});
  };
  const std::string type = R"("dtype":"F32",)", shape = R"("shape":[3],)", place = R"("data_offsets":[0,12])";
  bad("length_cut", ErrorCode::truncated, "length of the header", "\x01\x02\x03");
  bad("header_longer_than_the_file", ErrorCode::truncated, "header", of_length(50, "{}"));
  bad("header_beyond_the_limit", ErrorCode::bad_value, "100000001", of_length(100'000'001, "{}"));
  bad("header_of_2_to_the_64", ErrorCode::bad_value, "18446744073709551615", of_length(~std::uint64_t{0}, "{}"));
  bad("header_empty", ErrorCode::bad_value, "'{'", safetensors_bytes("", 4));
  bad("header_of_spaces", ErrorCode::bad_value, "'{'", safetensors_bytes("    ", 4));
  bad("header_an_array", ErrorCode::bad_value, "'{'", safetensors_bytes("[]", 0));
  bad("header_unfinished", ErrorCode::bad_value, "JSON", safetensors_bytes(R"({"a":{"dtype")", 0));
  bad("header_with_more_behind", ErrorCode::bad_value, "JSON", safetensors_bytes("{}{}", 0));
  bad("header_with_a_comment", ErrorCode::bad_value, "JSON", safetensors_bytes("{/**/}", 0));
  bad("header_no_utf8", ErrorCode::bad_value, "JSON", safetensors_bytes("{\"\xff\xfe\":{}}", 0));
  bad("header_of_deep_arrays", ErrorCode::wrong_type, "'a'",
      safetensors_bytes("{\"a\":" + std::string(100000, '['), 0));
  bad("header_of_deep_objects", ErrorCode::bad_value, "'b'", [] {
    std::string text = "{";
    for (int i = 0; i < 50000; ++i) text += i % 2 ? "\"b\":{" : "\"a\":{";
    return safetensors_bytes(text, 0);
  }());
  bad("metadata_a_number", ErrorCode::wrong_type, "__metadata__", safetensors_bytes(R"({"__metadata__":1})", 0));
  bad("metadata_of_numbers", ErrorCode::wrong_type, "__metadata__",
      safetensors_bytes(R"({"__metadata__":{"a":1}})", 0));
  bad("metadata_nested", ErrorCode::wrong_type, "__metadata__", safetensors_bytes(R"({"__metadata__":{"a":{}}})", 0));
  bad("tensor_a_number", ErrorCode::wrong_type, "'a'", safetensors_bytes(R"({"a":7})", 0));
  bad("tensor_null", ErrorCode::wrong_type, "'a'", safetensors_bytes(R"({"a":null})", 0));
  bad("tensor_a_string", ErrorCode::wrong_type, "'a'", safetensors_bytes(R"({"a":"F32"})", 0));
  bad("tensor_empty", ErrorCode::missing_key, "dtype", one(""));
  bad("no_dtype", ErrorCode::missing_key, "dtype", one(shape + place));
  bad("no_shape", ErrorCode::missing_key, "shape", one(type + place));
  bad("no_offsets", ErrorCode::missing_key, "data_offsets", one(type + R"("shape":[3])"));
  bad("two_shapes", ErrorCode::duplicate, "shape", one(type + shape + shape + place));
  bad("unknown_field", ErrorCode::bad_value, "strides", one(type + shape + R"("strides":[1],)" + place));
  bad("unknown_type", ErrorCode::unsupported_type, "F31", one(R"("dtype":"F31",)" + shape + place));
  bad("type_in_lower_case", ErrorCode::unsupported_type, "f32", one(R"("dtype":"f32",)" + shape + place));
  bad("type_a_number", ErrorCode::wrong_type, "dtype", one(R"("dtype":32,)" + shape + place));
  bad("type_an_array", ErrorCode::wrong_type, "dtype", one(R"("dtype":["F32"],)" + shape + place));
  bad("shape_a_number", ErrorCode::wrong_type, "shape", one(type + R"("shape":3,)" + place));
  bad("shape_a_string", ErrorCode::wrong_type, "shape", one(type + R"("shape":"3",)" + place));
  bad("shape_of_strings", ErrorCode::wrong_type, "shape", one(type + R"("shape":["3"],)" + place));
  bad("shape_of_fractions", ErrorCode::wrong_type, "shape", one(type + R"("shape":[3.0],)" + place));
  bad("shape_of_arrays", ErrorCode::wrong_type, "shape", one(type + R"("shape":[[3]],)" + place));
  bad("shape_negative", ErrorCode::bad_value, "-3", one(type + R"("shape":[-3],)" + place));
  bad("shape_of_null", ErrorCode::wrong_type, "shape", one(type + R"("shape":[null],)" + place));
  bad("shape_beyond_63_bits", ErrorCode::overflow, "18446744073709551615",
      one(type + R"("shape":[18446744073709551615],)" + place));
  bad("shape_overflows", ErrorCode::overflow, "'a'", one(type + R"("shape":[4294967296,4294967296],)" + place));
  bad("shape_times_type_overflows", ErrorCode::overflow, "'a'",
      one(type + R"("shape":[4611686018427387904],)" + place));
  bad("shape_of_nine_dimensions", ErrorCode::bad_shape, "dimensions",
      one(type + R"("shape":[1,1,1,1,1,1,1,1,3],)" + place));
  bad("shape_longer_than_its_bytes", ErrorCode::bad_shape, "16 bytes as F32", one(type + R"("shape":[4],)" + place));
  bad("shape_shorter_than_its_bytes", ErrorCode::bad_shape, "8 bytes as F32", one(type + R"("shape":[2],)" + place));
  bad("one_offset", ErrorCode::bad_value, "data_offsets", one(type + shape + R"("data_offsets":[0])"));
  bad("three_offsets", ErrorCode::bad_value, "data_offsets", one(type + shape + R"("data_offsets":[0,12,12])"));
  bad("offsets_a_number", ErrorCode::wrong_type, "data_offsets", one(type + shape + R"("data_offsets":12)"));
  bad("offsets_negative", ErrorCode::bad_value, "-1", one(type + shape + R"("data_offsets":[-1,11])"));
  bad("offsets_turned_round", ErrorCode::bad_offset, "begins at 12", one(type + shape + R"("data_offsets":[12,0])"));
  bad("offsets_beyond_the_file", ErrorCode::truncated, "ends at byte 24",
      one(type + shape + R"("data_offsets":[12,24])"));
  bad("first_byte_unused", ErrorCode::bad_offset, "begins at byte 4",
      one(type + R"("shape":[2],"data_offsets":[4,12])"));
  bad("last_bytes_unused", ErrorCode::bad_offset, "last 4 bytes", one(type + R"("shape":[2],"data_offsets":[0,8])"));
  const auto two = [](const std::string& a, const std::string& b) {
    return safetensors_bytes(R"({"a":{"dtype":"U8",)" + a + R"(},"b":{"dtype":"U8",)" + b + "}}", 12);
  };
  bad("a_gap", ErrorCode::bad_offset, "'b'",
      two(R"("shape":[4],"data_offsets":[0,4])", R"("shape":[4],"data_offsets":[8,12])"));
  bad("an_overlap", ErrorCode::bad_offset, "'b'",
      two(R"("shape":[8],"data_offsets":[0,8])", R"("shape":[8],"data_offsets":[4,12])"));
  bad("the_same_bytes", ErrorCode::bad_offset, "begins at byte 0",
      two(R"("shape":[12],"data_offsets":[0,12])", R"("shape":[12],"data_offsets":[0,12])"));
  bad("no_tensors_for_the_bytes", ErrorCode::bad_offset, "last 12 bytes", safetensors_bytes("{}", 12));
  bad("the_same_name", ErrorCode::duplicate, "'a'",
      safetensors_bytes(R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},
                            "a":{"dtype":"U8","shape":[6],"data_offsets":[6,12]}})",
                        12));
  return files;
}

class BadSafetensors : public testing::TestWithParam<BadFile> {};

void walk(std::span<const std::byte> bytes) {
  const Safetensors file = Safetensors::from_mapping(FileMapping::borrow(bytes, "bad.safetensors"));
  std::size_t sum = 0;
  for (const SafeTensor& tensor : file.tensors())
    for (const std::byte b : tensor.bytes) sum += static_cast<std::size_t>(b);
  EXPECT_GE(sum, 0u);
}

TEST_P(BadSafetensors, IsRefused) { test::expect_refused(GetParam(), walk); }

INSTANTIATE_TEST_SUITE_P(Named, BadSafetensors, testing::ValuesIn(bad_files()),
                         [](const auto& bad) { return bad.param.name; });

/// A sound file of three tensors.
std::string sound() {
  return safetensors_bytes(R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},)"
                           R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
                           R"("s":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[12,16]}})",
                           16);
}

TEST(BadSafetensorsBytes, CutAnywhereIsRefused) {
  const std::string whole = sound();
  EXPECT_FALSE(test::read_bounded(whole, walk).code);
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_TRUE(test::read_bounded(std::string_view(whole).substr(0, n), walk).code) << n << " bytes";
}

TEST(BadSafetensorsBytes, AnyByteOfTheHeaderChanged) {
  const std::string whole = sound();
  std::size_t refused = 0, accepted = 0;
  for (std::size_t i = 0; i + 16 < whole.size(); ++i)
    for (int flip = 1; flip < 256; ++flip) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      ++(test::read_bounded(changed, walk).code ? refused : accepted);
    }
  EXPECT_GT(refused, accepted);
  EXPECT_GT(accepted, 0u);  // other letters in names
}

}  // namespace
}  // namespace plumb::bad_safetensors_test
