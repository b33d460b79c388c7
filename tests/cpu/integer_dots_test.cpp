/// The integer part of a quantized product is exact: with scales of 1 every tier gives the very integers of the plain
/// loop, at extreme codes and at every ragged size, beside pages that may not be touched.

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <random>
#include <string>
#include <vector>

#include "plumb/cpu/kernel_table.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quant/formats.hpp"
#include "plumb/quant/pack.hpp"
#include "tests/support/guarded.hpp"
#include "tests/support/tiers.hpp"

namespace plumb::integer_dots_test {
namespace {

using test::Guarded;

/// Random bit patterns whose f16 scales and minimums are 1 (MXFP4: an exponent that makes its values integers).
std::vector<std::byte> unit_weights(DType type, std::int64_t rows, std::int64_t cols, std::mt19937& rng) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows) * row_bytes(type, cols));
  for (std::byte& b : bytes) b = static_cast<std::byte>(rng());
  const Half one = to_half(1.0f);
  if (dtype_info(type).in_memory()) {  // groups, or rows, that start with a scale and perhaps a minimum
    const IntegerType parts = integer_type(type);
    const std::size_t group = parts.group == kWholeRow ? row_bytes(type, cols) : dtype_info(type).block_bytes;
    for (std::size_t i = 0; i < bytes.size(); i += group) {
      std::memcpy(&bytes[i], &one, sizeof one);
      if (parts.zero_point) std::memcpy(&bytes[i + 2], &one, sizeof one);
    }
    return bytes;
  }
  for (std::size_t i = 0; i < bytes.size(); i += dtype_info(type).block_bytes) {
    std::byte* const block = &bytes[i];
    const auto set = [&](std::size_t offset) { std::memcpy(block + offset, &one, sizeof one); };
    switch (type) {
      case DType::mxfp4: block[0] = std::byte{128}; break;
      case DType::q4_1:
      case DType::q5_1:
      case DType::q4_k:
      case DType::q5_k:
        set(0);
        set(2);
        break;
      case DType::q2_k:
        set(80);
        set(82);
        break;
      case DType::q3_k: set(108); break;
      case DType::q6_k: set(208); break;
      default: set(0); break;
    }
  }
  return bytes;
}

/// Codes of one kind, but for blocks of more than 32 zero outside one step: every partial sum then stays below 2^24,
/// which f32 holds (63 * 31 * 128 * 32 for Q5_K, 32 * 127 * 128 * 32 for IQ4_XS).
std::vector<std::int8_t> extreme_codes(DType type, std::int64_t n, std::int64_t cols, int kind, std::mt19937& rng) {
  std::vector<std::int8_t> codes(static_cast<std::size_t>(n * cols));
  const bool one_step = dtype_info(type).block_elements > 32 || dtype_info(type).in_memory();
  for (std::int64_t c = 0; c < n; ++c) {
    const std::int64_t step = cols == 0 ? 0 : static_cast<std::int64_t>(rng()) % (cols / 32);
    for (std::int64_t k = 0; k < cols; ++k) {
      const std::array<int, 4> value{-128, 127, k % 2 == 0 ? -128 : 127, static_cast<int>(rng() % 256) - 128};
      codes[static_cast<std::size_t>(c * cols + k)] =
          static_cast<std::int8_t>(one_step && k / 32 != step ? 0 : value[static_cast<std::size_t>(kind)]);
    }
  }
  return codes;
}

/// A column tile with scales of 1, made from the layout alone (ActivationStep).
void fill_tile(const std::vector<std::int8_t>& codes, std::int64_t n, std::int64_t cols, std::byte* tile) {
  const auto put = [](std::byte* at, auto value) { std::memcpy(at, &value, sizeof value); };
  for (std::int64_t k = 0; k < cols; k += 32, tile += ActivationStep::bytes(n))
    for (std::int64_t c = 0; c < n; ++c) {
      std::int32_t sums[2] = {};
      for (std::int64_t i = 0; i < 32; ++i) {
        const std::int8_t code = codes[static_cast<std::size_t>(c * cols + k + i)];
        tile[32 * c + i] = static_cast<std::byte>(code);
        sums[i / 16] += code;
      }
      const std::int32_t sum = sums[0] + sums[1];
      put(tile + ActivationStep::scale(n) + 4 * c, 1.0f);
      put(tile + ActivationStep::seed(n) + 4 * c, -128 * sum);
      put(tile + ActivationStep::sum(n) + 4 * c, static_cast<float>(sum));
      for (int half = 0; half < 2; ++half) {
        put(tile + ActivationStep::seed16(n, half) + 4 * c, -128 * sums[half]);
        put(tile + ActivationStep::sum16(n, half) + 4 * c, static_cast<float>(sums[half]));
      }
    }
}

/// The plain loop over dequantized weights, which are integers here.
std::vector<float> plain_product(DType type, const std::vector<std::byte>& weights, std::int64_t rows,
                                 const std::vector<std::int8_t>& codes, std::int64_t n, std::int64_t cols) {
  std::vector<float> out(static_cast<std::size_t>(n * rows)), row(static_cast<std::size_t>(cols));
  for (std::int64_t r = 0; r < rows; ++r) {
    dequantize_row(type, weights.data() + static_cast<std::size_t>(r) * row_bytes(type, cols), row.data(), cols);
    for (std::int64_t c = 0; c < n; ++c) {
      std::int64_t sum = 0;
      for (std::int64_t k = 0; k < cols; ++k)
        sum +=
            static_cast<std::int64_t>(row[static_cast<std::size_t>(k)]) * codes[static_cast<std::size_t>(c * cols + k)];
      out[static_cast<std::size_t>(c * rows + r)] = static_cast<float>(sum);
    }
  }
  return out;
}

void check(DType type, std::int64_t rows, std::int64_t cols, std::int64_t n, int kind, std::mt19937& rng) {
  SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(cols) + " k, " + std::to_string(n) +
               " columns, codes of kind " + std::to_string(kind));
  const std::vector<std::byte> weights = unit_weights(type, rows, cols, rng);
  const std::vector<std::int8_t> codes = extreme_codes(type, n, cols, kind, rng);
  const std::vector<float> want = plain_product(type, weights, rows, codes, n, cols);
  const std::size_t stride = panel_bytes(type, cols), panels = static_cast<std::size_t>(ceil_div(rows, kPanelRows));
  Guarded<std::byte> packed(panels * stride);
  for (std::size_t p = 0; p < panels; ++p) {
    const std::int64_t first = static_cast<std::int64_t>(p) * kPanelRows;
    pack_panel(type, weights.data() + static_cast<std::size_t>(first) * row_bytes(type, cols), row_bytes(type, cols),
               std::min(kPanelRows, rows - first), cols, packed.data() + p * stride);
  }
  Guarded<std::byte> tile(static_cast<std::size_t>(ActivationStep::bytes(n) * cols / 32));
  fill_tile(codes, n, cols, tile.data());
  for (const Isa isa : test::tiers_here()) {
    SCOPED_TRACE(isa_name(isa));
    const MatmulKernels& kernels = kernels_for(isa).matmul_for(type);
    const std::size_t unpacked_stride = static_cast<std::size_t>(cols / 32) * kernels.unpacked_step_bytes;
    Guarded<std::byte> unpacked(panels * unpacked_stride);
    for (std::size_t p = 0; p < panels; ++p)
      kernels.unpack(packed.data() + p * stride, 0, cols, unpacked.data() + p * unpacked_stride);
    Guarded<float> tiled(want.size());
    kernels.tile[n - 1]({unpacked.data(), unpacked_stride, rows, tile.data(), cols, tiled.data(), rows, false});
    EXPECT_EQ(std::vector<float>(tiled.begin(), tiled.end()), want) << "tile";
    if (n > kDirectCols) continue;
    Guarded<float> direct(want.size());
    kernels.direct[n - 1]({packed.data(), stride, rows, tile.data(), cols, direct.data(), rows, false});
    EXPECT_EQ(std::vector<float>(direct.begin(), direct.end()), want) << "direct";
  }
}

class IntegerDots : public testing::TestWithParam<DType> {};

TEST_P(IntegerDots, EqualThePlainLoopInEveryTier) {
  const std::uint32_t seed = 20261124u + static_cast<std::uint32_t>(GetParam());
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const std::int64_t block = dtype_info(GetParam()).block_elements;
  for (std::int64_t n = 1; n <= kTileCols; ++n)
    for (int kind = 0; kind < 4; ++kind) check(GetParam(), 17, block * (n % 3), n, kind, rng);
  for (std::int64_t rows = 1; rows <= 2 * kPanelRows + 1; ++rows) check(GetParam(), rows, block, 3, 3, rng);
  for (std::int64_t blocks = 0; blocks <= 9; ++blocks) check(GetParam(), 16, block * blocks, 5, 2, rng);
}

std::vector<DType> quantized_types() {
  std::vector<DType> types;
  for (const DType type : kWeightTypes)
    if (uses_int8_activations(type)) types.push_back(type);
  return types;
}
INSTANTIATE_TEST_SUITE_P(AllTypes, IntegerDots, testing::ValuesIn(quantized_types()),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

// Values too small for their inverse to be finite become zeros, beside blocks of ordinary ones.
TEST(QuantizeActivations, DenormalBlocksBecomeZeros) {
  constexpr std::int64_t kCols = 96, kColumns = 2;
  for (const Isa isa : test::tiers_here()) {
    SCOPED_TRACE(isa_name(isa));
    Guarded<float> x(kCols * kColumns);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = i / 32 % 3 == 0 ? 1e-40f * static_cast<float>(i % 5) : i / 32 % 3 == 1 ? 0.0f : static_cast<float>(i) - 70;
    Guarded<std::byte> tile(static_cast<std::size_t>(ActivationStep::bytes(kColumns) * kCols / 32));
    kernels_for(isa).quantize_activations(x.data(), kCols, kColumns, kCols, tile.data());
    for (std::int64_t c = 0; c < kColumns; ++c)
      for (std::int64_t k = 0; k < kCols; ++k) {
        const std::byte* const step = tile.data() + k / 32 * ActivationStep::bytes(kColumns);
        float scale = 0;
        std::memcpy(&scale, step + ActivationStep::scale(kColumns) + 4 * c, sizeof scale);
        const float meant = scale * static_cast<float>(std::bit_cast<std::int8_t>(step[32 * c + k % 32]));
        const float want = x[static_cast<std::size_t>(c * kCols + k)];
        EXPECT_NEAR(meant, want, k < 64 ? 1e-38f : std::fabs(scale) * 1.0001f) << "column " << c << ", k " << k;
      }
  }
}

}  // namespace
}  // namespace plumb::integer_dots_test
