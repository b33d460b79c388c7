/// Files whose tensor list the GGUF reader must refuse: names, shapes, types and places, each with its exact code.

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "tests/support/hostile.hpp"

namespace plumb::bad_gguf_tensors_test {
namespace {

using test::BadFile;
using test::BadFiles;
using test::GgufBuilder;

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

/// small_gguf() with tensor "b" changed.
void tensor(const std::string& name, ErrorCode code, const std::string& mention,
            const std::function<void(test::BuiltTensor&)>& change) {
  spoil("tensor_" + name, code, mention, [=](GgufBuilder& file) { change(file.tensor("b")); });
}

void dims(const std::string& name, std::vector<std::uint64_t> dims) {
  tensor("dims_" + name, ErrorCode::bad_shape, "'b'", [dims](test::BuiltTensor& t) { t.dims = dims; });
}

void tensor_cases() {
  const auto length = [](const std::string& name, std::uint64_t claimed) {
    tensor("name_length_" + name, ErrorCode::truncated, "tensor 1",
           [=](test::BuiltTensor& t) { t.name_length = claimed; });
  };
  length("2_64", kMax64);
  length("2_63", kMax64 / 2 + 1);
  length("beyond_the_file", 1 << 20);
  tensor("name_empty", ErrorCode::bad_value, "tensor 1", [](test::BuiltTensor& t) { t.name = ""; });
  tensor("name_65536_bytes", ErrorCode::bad_value, "65536",
         [](test::BuiltTensor& t) { t.name = std::string(65536, 't'); });
  spoil("tensor_twice", ErrorCode::duplicate, "'b'",
        [](GgufBuilder& file) { file.tensors.push_back(file.tensor("b")); });
  spoil("tensor_name_twice", ErrorCode::duplicate, "'b'", [](GgufBuilder& file) { file.tensor("c").name = "b"; });
  for (const std::uint32_t rank : {0u, 5u, 255u, kMax32})
    tensor("rank_" + std::to_string(rank), ErrorCode::bad_shape, "dimensions",
           [=](test::BuiltTensor& t) { t.rank = rank; });
  dims("0_first", {0, 5});
  dims("0_last", {3, 0});
  dims("0_middle", {2, 0, 2});
  dims("all_0", {0, 0, 0, 0});
  dims("2_64", {kMax64, 1});
  dims("2_63", {kMax64 / 2 + 1, 1});
  dims("product_2_64", {std::uint64_t{1} << 32, std::uint64_t{1} << 32});
  dims("product_2_63", {std::uint64_t{1} << 32, std::uint64_t{1} << 31});
  dims("product_2_64_of_four", {65536, 65536, 65536, 65536});
  dims("product_wraps_to_15", {15, 1, (std::uint64_t{1} << 62) + 1, 4});
  dims("bytes_2_64", {std::uint64_t{1} << 62});
  dims("bytes_2_63", {std::uint64_t{1} << 61});
  for (const std::uint32_t type : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 43u, 255u, kMax32})
    tensor("type_" + std::to_string(type), ErrorCode::unsupported_type, "'b' has type id " + std::to_string(type),
           [=](test::BuiltTensor& t) { t.type = type; });
  const auto blocked = [](const std::string& name, DType type, std::uint64_t cols) {
    tensor("row_no_multiple_of_" + name, ErrorCode::bad_shape, "'b'", [=](test::BuiltTensor& t) {
      t.type = static_cast<std::uint32_t>(type);
      t.dims = {cols, 2};
    });
  };
  blocked("Q4_0", DType::q4_0, 33);
  blocked("Q8_0", DType::q8_0, 16);
  blocked("Q4_K", DType::q4_k, 128);
  blocked("Q6_K", DType::q6_k, 255);
  blocked("MXFP4", DType::mxfp4, 31);
  blocked("IQ4_XS", DType::iq4_xs, 1);
}

void place_cases() {
  const auto offset = [](const std::string& name, std::uint64_t claimed, const std::string& mention) {
    tensor("offset_" + name, ErrorCode::bad_offset, mention, [=](test::BuiltTensor& t) { t.offset = claimed; });
  };
  offset("1", 1, "not aligned");
  offset("31", 31, "not aligned");
  offset("129", 129, "not aligned");
  offset("16", 16, "not aligned");
  offset("2_64", kMax64, "not aligned");
  offset("2_64_aligned", kMax64 - 31, "outside");
  offset("2_63", kMax64 / 2 + 1, "outside");
  offset("behind_the_end", 1 << 20, "outside");
  offset("at_the_end", 224, "outside");
  offset("of_another_tensor", 0, "overlap");
  offset("inside_another_tensor", 96, "overlap");
  spoil("tensors_at_the_same_place", ErrorCode::bad_offset, "overlap", [](GgufBuilder& file) {
    for (auto& t : file.tensors) t.offset = 0;
  });
  spoil("first_tensor_reaches_into_the_last", ErrorCode::bad_offset, "overlap", [](GgufBuilder& file) {
    file.tensor("a").dims = {8, 7};
  });
  spoil("overlap_in_reverse_order", ErrorCode::bad_offset, "overlap", [](GgufBuilder& file) {
    file.tensor("a").offset = 96;
    file.tensor("b").offset = 64;
    file.tensor("c").offset = 0;
  });
  spoil("last_tensor_one_byte_short", ErrorCode::truncated, "cut off",
        [](GgufBuilder& file) { file.tensor("c").data.pop_back(); });
  spoil("last_tensor_larger_than_its_data", ErrorCode::truncated, "cut off",
        [](GgufBuilder& file) { file.tensor("c").dims = {std::uint64_t{1} << 40}; });
  spoil("no_data_at_all", ErrorCode::truncated, "'a'", [](GgufBuilder& file) {
    for (auto& t : file.tensors) t.data.clear();
    file.tensor("b").offset = 128;
    file.tensor("c").offset = 192;
  });
}

const std::vector<BadFile>& all_cases() {
  if (bad_files().all().empty()) {
    tensor_cases();
    place_cases();
  }
  return bad_files().all();
}

class BadGgufTensors : public testing::TestWithParam<BadFile> {};

TEST_P(BadGgufTensors, IsRefused) { test::expect_refused(GetParam(), open_only); }

INSTANTIATE_TEST_SUITE_P(Named, BadGgufTensors, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace plumb::bad_gguf_tensors_test
