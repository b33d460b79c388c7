#include "plumb/quant/dequantize.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/fixtures.hpp"

namespace plumb::dequantize_test {
namespace {

constexpr std::int64_t kRows = 8, kColumns = 512;

std::vector<float> decode(DType type, const std::string& blocks) {
  std::vector<float> out(static_cast<std::size_t>(kRows * kColumns));
  EXPECT_EQ(blocks.size(), row_bytes(type, kColumns) * static_cast<std::size_t>(kRows));
  // From an odd address, row by row: any alignment must do.
  std::vector<std::byte> shifted(blocks.size() + 1);
  std::memcpy(shifted.data() + 1, blocks.data(), blocks.size());
  for (std::int64_t r = 0; r < kRows; ++r)
    dequantize_row(type, shifted.data() + 1 + row_bytes(type, kColumns) * static_cast<std::size_t>(r),
                   out.data() + r * kColumns, kColumns);
  return out;
}

class Dequantize : public testing::TestWithParam<DType> {};

// Bit for bit what the format's own decoder gives, for quantized weights and for random bit patterns.
TEST_P(Dequantize, EqualsTheRecordedTable) {
  PLUMB_REQUIRE_FIXTURES();
  const auto folder = test::fixtures_dir() / "quants";
  for (const std::string suffix : {"", ".rand"}) {
    const std::string stem = std::string(dtype_name(GetParam())) + suffix;
    const auto want = test::read_array<float>(folder / (stem + ".f32"));
    const auto got = decode(GetParam(), test::read_file(folder / (stem + ".blocks")));
    ASSERT_EQ(got.size(), want.size());
    ASSERT_GT(std::count_if(want.begin(), want.end(), [](float v) { return v != 0; }), kRows * kColumns / 2);
    for (std::size_t i = 0; i < want.size(); ++i)
      ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
          << stem << " at " << i << ": " << got[i] << " instead of " << want[i];
  }
}

std::vector<DType> types_with_tables() {
  std::vector<DType> types(kComputedTypes.begin(), kComputedTypes.end());
  std::erase(types, DType::f32);  // no table: the bytes are the values
  return types;
}

INSTANTIATE_TEST_SUITE_P(Types, Dequantize, testing::ValuesIn(types_with_tables()),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

TEST(DequantizeRow, FloatsAreCopied) {
  const float values[3] = {1.5f, -0.0f, 3e38f};
  float out[3] = {};
  dequantize_row(DType::f32, reinterpret_cast<const std::byte*>(values), out, 3);
  EXPECT_EQ(std::memcmp(values, out, sizeof out), 0);
}

TEST(DequantizeRow, RefusesTypesItCannotComputeAndTornBlocks) {
  const auto code = [](DType type, std::int64_t n) {
    try {
      dequantize_row(type, nullptr, nullptr, n);
    } catch (const Error& e) {
      return std::string(error_code_name(e.code()));
    }
    return std::string("none");
  };
  EXPECT_EQ(code(DType::iq2_xxs, 256), "unsupported_type");
  EXPECT_EQ(code(DType::q4_k, 128), "bad_shape");
  EXPECT_EQ(code(DType::q4_0, 33), "bad_shape");
  EXPECT_EQ(code(DType::q4_0, -32), "bad_shape");
  EXPECT_EQ(code(DType::q4_0, 0), "none");
}

TEST(Formats, ComputedTypesAreThoseOfTheTable) {
  for (const DTypeInfo& info : kDTypes)
    EXPECT_EQ(info.computed, std::find(kWeightTypes.begin(), kWeightTypes.end(), info.type) != kWeightTypes.end())
        << info.name;
}

TEST(Formats, PackedScalesComeBack) {
  for (int seed = 0; seed < 64; ++seed) {
    ScalesK4 scales{};
    std::int8_t q3[16];
    for (int s = 0; s < 8; ++s) {
      scales.scale[s] = static_cast<std::uint8_t>((seed * 7 + s * 13) % 64);
      scales.minimum[s] = static_cast<std::uint8_t>((seed * 5 + s * 29 + 3) % 64);
    }
    for (int s = 0; s < 16; ++s) q3[s] = static_cast<std::int8_t>((seed * 11 + s * 23) % 64 - 32);
    std::uint8_t packed[12];
    pack_scales_k4(scales, packed);
    const ScalesK4 back = unpack_scales_k4(packed);
    EXPECT_EQ(std::memcmp(&scales, &back, sizeof back), 0) << seed;
    pack_scales_q3_k(q3, packed);
    EXPECT_TRUE(std::ranges::equal(unpack_scales_q3_k(packed), q3)) << seed;
  }
}

TEST(Formats, E8m0IsHalfAPowerOfTwoForEveryExponent) {
  for (int e = 0; e < 256; ++e) EXPECT_EQ(e8m0_half(static_cast<std::uint8_t>(e)), std::ldexp(1.0, e - 128)) << e;
}

}  // namespace
}  // namespace plumb::dequantize_test
