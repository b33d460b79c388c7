#include "plumb/core/dtype.hpp"

#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>

#include "tests/support/fixtures.hpp"

namespace plumb::dtype_test {
namespace {

TEST(DType, IdsAndNamesAreUniqueAndFindTheirRow) {
  std::map<std::uint32_t, std::string_view> by_id;
  std::map<std::string_view, std::uint32_t> by_name;
  for (const DTypeInfo& info : kDTypes) {
    const auto id = static_cast<std::uint32_t>(info.type);
    EXPECT_TRUE(by_id.emplace(id, info.name).second) << id;
    EXPECT_TRUE(by_name.emplace(info.name, id).second) << info.name;
    EXPECT_EQ(find_dtype(id), info.in_memory() ? nullptr : &info) << info.name;
    EXPECT_EQ(&dtype_info(info.type), &info) << info.name;
    EXPECT_EQ(dtype_from_name(info.name), info.type);
    std::string lower(info.name);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    EXPECT_EQ(dtype_from_name(lower), info.type);
    EXPECT_EQ(info.quantized(), info.block_elements > 1);
  }
}

TEST(DType, WhatTheFormatDoesNotKnowIsNotFound) {
  for (const std::uint32_t id : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 43u, 1000u, 0xffffffffu})
    EXPECT_EQ(find_dtype(id), nullptr) << id;
  for (const char* name : {"", "Q4", "Q4_0 ", "Q4_00", "F31", "q4-0"}) EXPECT_FALSE(dtype_from_name(name)) << name;
}

TEST(DType, ComputesWhatItSays) {
  for (const char* name : {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
                           "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4"})
    EXPECT_TRUE(dtype_info(dtype_from_name(name).value()).computed) << name;
  for (const char* name : {"IQ2_XXS", "IQ1_M", "TQ2_0", "NVFP4", "I32", "F64", "Q8_K"})
    EXPECT_FALSE(dtype_info(dtype_from_name(name).value()).computed) << name;
}

TEST(DType, TableAgreesWithTheFormatsOwn) {
  PLUMB_REQUIRE_FIXTURES();
  std::istringstream table(test::read_file(test::fixtures_dir() / "quants" / "README"));
  int rows = 0;
  bool begun = false;
  for (std::string line; std::getline(table, line);) {
    if (line.rfind("# type ggml_id", 0) == 0) {
      begun = true;
      continue;
    }
    if (!begun) continue;
    std::istringstream fields(line);
    std::string name;
    std::uint32_t id = 0, elements = 0, bytes = 0;
    double bits = 0;
    ASSERT_TRUE(fields >> name >> id >> elements >> bytes >> bits) << line;
    const DTypeInfo* info = find_dtype(id);
    ASSERT_NE(info, nullptr) << name;
    EXPECT_EQ(info->name, name);
    EXPECT_EQ(info->block_elements, elements) << name;
    EXPECT_EQ(info->block_bytes, bytes) << name;
    EXPECT_DOUBLE_EQ(info->bits_per_weight(), bits) << name;
    ++rows;
  }
  EXPECT_EQ(rows, 27);
}

}  // namespace
}  // namespace plumb::dtype_test
