#include "plumb/quantize/quantize.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "plumb/core/tensor.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/quant/codes.hpp"
#include "plumb/quant/dequantize.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/tiers.hpp"

namespace plumb::quantize_test {
namespace {

std::vector<DType> quantized_types() {
  std::vector<DType> types;
  for (const DType type : kComputedTypes)
    if (dtype_info(type).quantized()) types.push_back(type);
  return types;
}

std::string name_of(const testing::TestParamInfo<DType>& info) { return std::string(dtype_name(info.param)); }

std::vector<std::byte> quantized(DType type, const std::vector<float>& x, std::int64_t columns, QuantMethod method,
                                 const float* importance = nullptr) {
  const auto rows = static_cast<std::int64_t>(x.size()) / columns;
  std::vector<std::byte> blocks(tensor_bytes(type, Shape{rows, columns}));
  quantize_rows(type, x.data(), blocks.data(), rows, columns, importance, method);
  return blocks;
}

std::vector<float> decoded(DType type, const std::vector<std::byte>& blocks, std::size_t n) {
  std::vector<float> y(n);
  dequantize_row(type, blocks.data(), y.data(), static_cast<std::int64_t>(n));
  return y;
}

/// Sum of w (x - y)^2 over columns [first, last).
double squared_error(const std::vector<float>& x, const std::vector<float>& y, std::size_t first, std::size_t last,
                     const float* w = nullptr) {
  double sum = 0;
  for (std::size_t i = first; i < last; ++i) {
    const double off = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    sum += (w ? static_cast<double>(w[i - first]) : 1.0) * off * off;
  }
  return sum;
}
double power(const std::vector<float>& x, std::size_t first, std::size_t last) {
  return squared_error(x, std::vector<float>(x.size()), first, last);
}

/// NMSE over everything, and the mean of the rows' NMSE, as the fixtures' README counts them.
struct Nmse {
  double all, mean_of_rows;
};
Nmse nmse(DType type, const std::vector<float>& x, std::size_t columns, QuantMethod method) {
  const auto y = decoded(type, quantized(type, x, static_cast<std::int64_t>(columns), method), x.size());
  double mean = 0;
  for (std::size_t r = 0; r < x.size(); r += columns)
    mean += squared_error(x, y, r, r + columns) / power(x, r, r + columns);
  return {squared_error(x, y, 0, x.size()) / power(x, 0, x.size()), mean / static_cast<double>(x.size() / columns)};
}

/// type name -> recorded values of the reference quantizer.
std::map<std::string, Nmse> recorded_nmse() {
  std::map<std::string, Nmse> table;
  std::istringstream lines(test::read_file(test::fixtures_dir() / "quants" / "README"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string name;
    double id, elements, bytes, bits;
    Nmse value;
    if (fields >> name >> id >> elements >> bytes >> bits >> value.all >> value.mean_of_rows) table[name] = value;
  }
  return table;
}

constexpr unsigned kSeed = 20240611;

template <class Distribution>
std::vector<float> drawn(std::size_t n, Distribution distribution, unsigned seed = kSeed) {
  std::mt19937 random(seed);
  std::vector<float> x(n);
  for (float& v : x) v = distribution(random);
  return x;
}

class Quantize : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, Quantize, testing::ValuesIn(quantized_types()), name_of);

TEST_P(Quantize, SearchIsNoWorseThanTheReferenceQuantizer) {
  PLUMB_REQUIRE_FIXTURES();
  const auto source = test::read_array<float>(test::fixtures_dir() / "quants" / "source.f32");
  ASSERT_EQ(source.size(), 8u * 512u);
  const auto recorded = recorded_nmse();
  ASSERT_TRUE(recorded.contains(std::string(dtype_name(GetParam()))));
  const Nmse want = recorded.at(std::string(dtype_name(GetParam())));
  const Nmse got = nmse(GetParam(), source, 512, QuantMethod::search);
  EXPECT_LE(got.all, want.all);
  EXPECT_LE(got.mean_of_rows, want.mean_of_rows);
}

TEST_P(Quantize, SearchIsBetterThanNearest) {
  const std::size_t n = 64 * 512;
  for (const auto& x :
       {drawn(n, std::normal_distribution<float>()), drawn(n, std::student_t_distribution<float>(4)),
        drawn(n, std::uniform_real_distribution<float>(-1, 1)), drawn(n, std::exponential_distribution<float>(1))})
    EXPECT_LT(nmse(GetParam(), x, 512, QuantMethod::search).all, nmse(GetParam(), x, 512, QuantMethod::nearest).all)
        << "seed " << kSeed;
}

// A type's error on normal weights is what the step of its grid asks for: (range / codes)^2 / 12 with the range that 32
// normal weights have (about 4.2 standard deviations), and a factor of three for scales that are quantized themselves
// (MXFP4's is a power of two).
TEST_P(Quantize, NearestErrorIsThatOfTheGrid) {
  const int codes = code_grid(GetParam()).codes;
  const double step = 4.2 / codes;
  const auto x = drawn(64 * 512, std::normal_distribution<float>());
  const double error = nmse(GetParam(), x, 512, QuantMethod::nearest).all;
  EXPECT_LT(error, 3 * step * step / 12) << "seed " << kSeed;
  EXPECT_GT(error, 0.1 * step * step / 12) << "seed " << kSeed;
}

// Every tier of this machine gives the same bytes, for whole and ragged numbers of blocks.
TEST_P(Quantize, AllTiersGiveTheSameBytes) {
  const DTypeInfo& info = dtype_info(GetParam());
  const std::int64_t columns = 3 * 256;
  const auto x = drawn(static_cast<std::size_t>(7 * columns), std::student_t_distribution<float>(3));
  const auto importance = drawn(static_cast<std::size_t>(columns), std::exponential_distribution<float>(1));
  for (const float* weights : {static_cast<const float*>(nullptr), importance.data()})
    for (const std::int64_t n : {columns, 7 * columns}) {
      const std::int64_t blocks = n / info.block_elements;
      std::vector<std::byte> want(static_cast<std::size_t>(blocks) * info.block_bytes), got(want.size());
      kernels_for(Isa::scalar).search.block_search(GetParam())(x.data(), want.data(), blocks, weights, columns);
      for (const Isa isa : test::tiers_here()) {
        kernels_for(isa).search.block_search(GetParam())(x.data(), got.data(), blocks, weights, columns);
        EXPECT_EQ(got, want) << isa_name(isa) << " seed " << kSeed;
      }
    }
}

// PLUMB_ISA reaches the quantizers: with a tier forced, rows come out the same, and a tier that is none is refused.
TEST_P(Quantize, HonoursTheForcedTier) {
  const std::int64_t columns = 512;
  const auto x = drawn(static_cast<std::size_t>(3 * columns), std::normal_distribution<float>());
  const auto want = quantized(GetParam(), x, columns, QuantMethod::search);
  for (const Isa isa : test::tiers_here()) {
    const test::ForcedTier forced(isa_name(isa));
    EXPECT_EQ(quantized(GetParam(), x, columns, QuantMethod::search), want) << isa_name(isa);
  }
  const test::ForcedTier none("none");
  test::expect_error(ErrorCode::unsupported_isa, [&] { quantized(GetParam(), x, columns, QuantMethod::search); });
}

TEST_P(Quantize, RowsAreIndependent) {
  const std::int64_t columns = 512;
  const auto x = drawn(static_cast<std::size_t>(5 * columns), std::normal_distribution<float>());
  const auto importance = drawn(static_cast<std::size_t>(columns), std::exponential_distribution<float>(1));
  for (const QuantMethod method : {QuantMethod::nearest, QuantMethod::search}) {
    const auto together = quantized(GetParam(), x, columns, method, importance.data());
    std::vector<std::byte> alone(row_bytes(GetParam(), columns));
    for (std::size_t r = 0; r < 5; ++r) {
      quantize_row(GetParam(), x.data() + r * static_cast<std::size_t>(columns), alone.data(), columns,
                   importance.data(), method);
      EXPECT_EQ(std::memcmp(alone.data(), together.data() + r * alone.size(), alone.size()), 0) << "row " << r;
    }
  }
}

// Importance moves error from columns that matter to columns that do not.
TEST_P(Quantize, ImportanceLowersTheWeightedError) {
  const std::size_t columns = 512, rows = 32;
  const auto x = drawn(rows * columns, std::normal_distribution<float>());
  auto importance = drawn(columns, std::exponential_distribution<float>(1));
  for (float& w : importance) w = w * w * w;
  const auto n = static_cast<std::int64_t>(columns);
  const auto plain = decoded(GetParam(), quantized(GetParam(), x, n, QuantMethod::search), x.size());
  const auto weighted =
      decoded(GetParam(), quantized(GetParam(), x, n, QuantMethod::search, importance.data()), x.size());
  double plain_error = 0, weighted_error = 0;
  for (std::size_t r = 0; r < x.size(); r += columns) {
    plain_error += squared_error(x, plain, r, r + columns, importance.data());
    weighted_error += squared_error(x, weighted, r, r + columns, importance.data());
  }
  EXPECT_LT(weighted_error, plain_error) << "seed " << kSeed;
}

TEST_P(Quantize, ConstantImportanceChangesNothing) {
  const auto x = drawn(2048, std::normal_distribution<float>());
  const std::vector<float> ones(512, 1.0f), zeros(512, 0.0f);
  const auto plain = quantized(GetParam(), x, 512, QuantMethod::search);
  EXPECT_EQ(plain, quantized(GetParam(), x, 512, QuantMethod::search, zeros.data()));
  EXPECT_EQ(plain, quantized(GetParam(), x, 512, QuantMethod::search, ones.data()));
}

TEST_P(Quantize, ZerosStayZerosAndExtremesStayFinite) {
  std::vector<float> x(512, 0.0f);
  for (const QuantMethod method : {QuantMethod::nearest, QuantMethod::search}) {
    for (const float v : decoded(GetParam(), quantized(GetParam(), std::vector<float>(512), 512, method), 512))
      EXPECT_EQ(v, 0.0f);
    for (const float size : {1e-45f, 1e-30f, 1e-8f, 1e6f, 1e30f, std::numeric_limits<float>::max()}) {
      for (std::size_t i = 0; i < 512; ++i) x[i] = (i % 3 == 0 ? -size : size * (static_cast<float>(i % 7) / 7));
      for (const float v : decoded(GetParam(), quantized(GetParam(), x, 512, method), 512))
        ASSERT_TRUE(std::isfinite(v)) << size;
    }
  }
}

// A block of one value, or of a few large ones among zeros, must not lose them.
TEST_P(Quantize, ConstantAndSparseBlocks) {
  std::vector<float> x(512, 0.75f);
  const double constant = nmse(GetParam(), x, 512, QuantMethod::search).all;
  EXPECT_LT(constant, 2e-2);  // MXFP4 knows 0.75 exactly, the others to the precision of an f16 or integer scale
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 16 == 0 ? (i % 32 ? -2.0f : 1.5f) : 0.0f;
  EXPECT_LT(nmse(GetParam(), x, 512, QuantMethod::search).all, 3e-2);
}

TEST_P(Quantize, RefusesWhatIsNotFinite) {
  std::vector<float> x(1024, 0.5f);
  std::vector<std::byte> out(tensor_bytes(GetParam(), Shape{2, 512}));
  for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    for (const std::size_t where : {std::size_t{0}, std::size_t{519}, std::size_t{1023}}) {
      x[where] = bad;
      try {
        quantize_rows(GetParam(), x.data(), out.data(), 2, 512);
        ADD_FAILURE() << "accepted";
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::bad_value);
        EXPECT_NE(std::string(e.what()).find("row " + std::to_string(where / 512) + ", column " +
                                             std::to_string(where % 512)),
                  std::string::npos)
            << e.what();
      }
      x[where] = 0.5f;
    }
  }
  std::vector<float> importance(512, 1.0f);
  importance[5] = NAN;
  EXPECT_THROW(quantize_rows(GetParam(), x.data(), out.data(), 2, 512, importance.data()), Error);
  EXPECT_THROW(quantize_row(GetParam(), x.data(), out.data(), dtype_info(GetParam()).block_elements / 2), Error);
}

// Writing codes is the inverse of reading them: strip a recorded block of its codes, put them back from the decoded
// weights, and the bytes are those of the file.
TEST_P(Quantize, CodesGoBackWhereTheyCameFrom) {
  PLUMB_REQUIRE_FIXTURES();
  const auto restore = [&]<class Block>(std::type_identity<Block>) {
    constexpr CodeGrid grid = Block::kGrid;
    constexpr int elements = dtype_info(Block::kType).block_elements;
    const std::string bytes =
        test::read_file(test::fixtures_dir() / "quants" / (std::string(dtype_name(Block::kType)) + ".rand.blocks"));
    for (std::size_t at = 0; at + sizeof(Block) <= bytes.size(); at += sizeof(Block)) {
      Block block, rebuilt;
      std::memcpy(&block, bytes.data() + at, sizeof block);
      float y[elements], again[elements], scale[16], offset[16];
      dequantize_block(block, y);
      block_scales(block, scale, offset);
      std::uint8_t codes[elements];
      for (int k = 0; k < elements; ++k) {
        const int s = k / grid.sub_block;
        int best = 0;  // all codes tried: independent of how quantizers find the nearest
        for (int code = 0; code < grid.codes; ++code)
          if (std::fabs(y[k] - (scale[s] * grid.value(code) + offset[s])) <
              std::fabs(y[k] - (scale[s] * grid.value(best) + offset[s])))
            best = code;
        codes[k] = static_cast<std::uint8_t>(best);
      }
      rebuilt = block;
      std::vector<std::uint8_t> opposite(codes, codes + elements);
      for (std::uint8_t& c : opposite) c = static_cast<std::uint8_t>(grid.codes - 1 - c);
      set_codes(rebuilt, opposite.data());  // touches every code
      set_codes(rebuilt, codes);
      dequantize_block(rebuilt, again);
      for (int k = 0; k < elements; ++k) ASSERT_EQ(y[k], again[k]) << "block at byte " << at << ", weight " << k;
    }
  };
  visit_quantized_block(GetParam(), restore);
}

TEST(QuantizeElements, HalvesAndBfloatsAreRoundedAsTheReferenceDoes) {
  PLUMB_REQUIRE_FIXTURES();
  const auto folder = test::fixtures_dir() / "quants";
  const auto source = test::read_array<float>(folder / "source.f32");
  for (const DType type : {DType::f16, DType::bf16}) {
    const std::string want = test::read_file(folder / (std::string(dtype_name(type)) + ".blocks"));
    const auto got = quantized(type, source, 512, QuantMethod::search);
    ASSERT_EQ(got.size(), want.size());
    EXPECT_EQ(std::memcmp(got.data(), want.data(), want.size()), 0) << dtype_name(type);
  }
}

TEST(QuantizeElements, Int8CodesNeverReachMinus128) {
  const auto x = drawn(64 * 512, std::normal_distribution<float>());
  for (const QuantMethod method : {QuantMethod::nearest, QuantMethod::search}) {
    const auto blocks = quantized(DType::q8_0, x, 512, method);
    for (std::size_t b = 0; b < blocks.size(); b += sizeof(BlockQ8_0))
      for (std::size_t k = 0; k < 32; ++k) ASSERT_NE(static_cast<std::int8_t>(blocks[b + 2 + k]), -128) << kSeed;
  }
}

TEST(DequantizeFast, AgreesOnEveryHalf) {
  std::vector<Half> halves(65536 + 3);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i].bits = static_cast<std::uint16_t>(i);
  for (const Isa isa : test::tiers_here()) {
    std::vector<float> got(halves.size());
    kernels_for(isa).search.halves_to_floats(&halves[0].bits, got.data(), static_cast<std::int64_t>(got.size()));
    for (std::size_t i = 0; i < halves.size(); ++i) {
      const float want = to_float(halves[i]);
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(got[i])) << isa_name(isa) << " " << i;
      } else {
        EXPECT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want))
            << isa_name(isa) << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace plumb::quantize_test
