/// Every weight type, in every tier this machine has: packed panels times prepared activations against the same product
/// in double precision over the same quantized or rounded operands.

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <vector>

#include "plumb/core/memory.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quant/formats.hpp"
#include "plumb/quant/pack.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/tiers.hpp"

namespace plumb::matmul_kernels_test {
namespace {

using test::tiers_here;

/// Random bit patterns with sane scales: every code and every sub-scale occurs.
std::vector<std::byte> random_weights(DType type, std::int64_t rows, std::int64_t cols, std::mt19937& rng) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows) * row_bytes(type, cols));
  const auto half = [&](std::byte* at) {
    const Half h = to_half(std::uniform_real_distribution<float>(-0.02f, 0.02f)(rng));
    std::memcpy(at, &h, 2);
  };
  if (!dtype_info(type).quantized()) {
    std::normal_distribution<float> normal;
    const std::size_t size = dtype_info(type).block_bytes;
    for (std::size_t i = 0; i < bytes.size(); i += size) {
      const float x = normal(rng);
      const std::uint16_t narrow = type == DType::f16 ? to_half(x).bits : to_bfloat16(x).bits;
      if (size == 4)
        std::memcpy(&bytes[i], &x, 4);
      else
        std::memcpy(&bytes[i], &narrow, 2);
    }
    return bytes;
  }
  for (std::byte& b : bytes) b = static_cast<std::byte>(rng());
  if (const std::size_t scales = dtype_info(type).row_scale_bytes; scales > 0) {  // before the blocks of a row
    for (std::size_t i = 0; i < bytes.size(); i += row_bytes(type, cols))
      for (std::size_t s = 0; s < scales; s += 2) half(&bytes[i + s]);
    return bytes;
  }
  for (std::size_t i = 0; i < bytes.size(); i += dtype_info(type).block_bytes) {
    std::byte* block = &bytes[i];
    switch (type) {
      case DType::mxfp4: block[0] = static_cast<std::byte>(118 + rng() % 6); break;
      case DType::q4_1:
      case DType::q5_1:
      case DType::int4g32z:
      case DType::int4g64z:
      case DType::int4g128z:
      case DType::int8g32z:
      case DType::int8g64z:
      case DType::int8g128z:
      case DType::q4_k:
      case DType::q5_k:
        half(block);
        half(block + 2);
        break;
      case DType::q2_k:
        half(block + 80);
        half(block + 82);
        break;
      case DType::q3_k: half(block + 108); break;
      case DType::q6_k: half(block + 208); break;
      default: half(block); break;
    }
  }
  return bytes;
}

struct Case {
  DType type;
  std::int64_t rows, cols, n;
};

/// Activations x [n, cols] as the kernels take them, and the values that these stand for.
struct PreparedColumns {
  std::vector<std::byte> tile;
  std::vector<double> meant;  // [n, cols]
};

PreparedColumns prepare_int8(const KernelTable& table, const Case& c, const std::vector<float>& x) {
  PreparedColumns p{std::vector<std::byte>(static_cast<std::size_t>(ActivationStep::bytes(c.n) * c.cols / 32)), {}};
  table.quantize_activations(x.data(), c.cols, c.n, c.cols, p.tile.data());
  for (std::int64_t i = 0; i < c.n; ++i)
    for (std::int64_t k = 0; k < c.cols; ++k) {
      const std::byte* step = p.tile.data() + k / 32 * ActivationStep::bytes(c.n);
      float scale;
      std::memcpy(&scale, step + ActivationStep::scale(c.n) + 4 * i, 4);
      const int code = static_cast<std::int8_t>(step[32 * i + k % 32]);
      p.meant.push_back(static_cast<double>(scale) * code);
      EXPECT_NEAR(p.meant.back(), x[static_cast<std::size_t>(i * c.cols + k)],
                  std::fabs(scale) * (code == 127 ? 1.0001 : 0.5001));
    }
  return p;
}

PreparedColumns prepare_bf16(const KernelTable& table, const Case& c, const std::vector<float>& x) {
  PreparedColumns p{std::vector<std::byte>(static_cast<std::size_t>(4 * c.n * ceil_div<std::int64_t>(c.cols, 2))), {}};
  table.tile_bf16_activations(x.data(), c.cols, c.n, c.cols, p.tile.data());
  for (std::int64_t i = 0; i < c.n; ++i)
    for (std::int64_t k = 0; k < c.cols; ++k) {
      BFloat16 rounded;
      std::memcpy(&rounded, &p.tile[static_cast<std::size_t>(4 * (k / 2 * c.n + i) + 2 * (k % 2))], 2);
      EXPECT_EQ(rounded.bits, to_bfloat16(x[static_cast<std::size_t>(i * c.cols + k)]).bits);
      p.meant.push_back(to_float(rounded));
    }
  return p;
}

PreparedColumns prepare_f32(const KernelTable& table, const Case& c, const std::vector<float>& x) {
  PreparedColumns p{std::vector<std::byte>(static_cast<std::size_t>(4 * c.n * c.cols)), {x.begin(), x.end()}};
  table.tile_f32_activations(x.data(), c.cols, c.n, c.cols, p.tile.data());
  for (std::int64_t i = 0; i < c.n; ++i)
    for (std::int64_t k = 0; k < c.cols; ++k)
      EXPECT_EQ(std::memcmp(&p.tile[static_cast<std::size_t>(4 * (k * c.n + i))],
                            &x[static_cast<std::size_t>(i * c.cols + k)], 4),
                0);
  return p;
}

/// y by both kernel paths, against double precision.
void check(const KernelTable& table, const MatmulKernels& kernels, const Case& c, std::mt19937& rng) {
  ASSERT_TRUE(kernels.available());
  const std::vector<std::byte> weights = random_weights(c.type, c.rows, c.cols, rng);
  std::vector<float> x(static_cast<std::size_t>(c.n * c.cols));
  std::normal_distribution<float> normal;
  for (float& v : x) v = normal(rng);

  const std::int64_t panels = ceil_div(c.rows, kPanelRows);
  const std::size_t bytes = panel_bytes(c.type, c.cols);
  AlignedBuffer packed(static_cast<std::size_t>(panels) * bytes);
  for (std::int64_t p = 0; p < panels; ++p)
    pack_panel(c.type, weights.data() + static_cast<std::size_t>(16 * p) * row_bytes(c.type, c.cols),
               row_bytes(c.type, c.cols), std::min<std::int64_t>(16, c.rows - 16 * p), c.cols,
               packed.data() + static_cast<std::size_t>(p) * bytes);

  const auto [tile, meant] = kernels.activations == ActivationForm::int8   ? prepare_int8(table, c, x)
                             : kernels.activations == ActivationForm::bf16 ? prepare_bf16(table, c, x)
                                                                           : prepare_f32(table, c, x);

  std::vector<double> want(static_cast<std::size_t>(c.n * c.rows));
  std::vector<double> magnitude(want.size());
  std::vector<float> row(static_cast<std::size_t>(c.cols));
  for (std::int64_t r = 0; r < c.rows; ++r) {
    dequantize_row(c.type, weights.data() + static_cast<std::size_t>(r) * row_bytes(c.type, c.cols), row.data(),
                   c.cols);
    for (std::int64_t i = 0; i < c.n; ++i) {
      double sum = 1.0, size = 1.0;  // the kernels are asked to accumulate onto 1
      for (std::int64_t k = 0; k < c.cols; ++k) {
        const double term =
            static_cast<double>(row[static_cast<std::size_t>(k)]) * meant[static_cast<std::size_t>(i * c.cols + k)];
        sum += term;
        size += std::fabs(term);
      }
      want[static_cast<std::size_t>(i * c.rows + r)] = sum;
      magnitude[static_cast<std::size_t>(i * c.rows + r)] = size;
    }
  }

  std::vector<float> direct(want.size(), 1.0f), tiled(want.size(), 1.0f);
  PanelProduct product{packed.data(), bytes, c.rows, tile.data(), c.cols, direct.data(), c.rows, true};
  if (c.n <= kDirectCols) {
    kernels.direct[c.n - 1](product);
    EXPECT_LE((test::nmse<float, double>(direct, want)), 1e-12) << dtype_name(c.type) << " direct, n " << c.n;
  }
  if (!dtype_info(c.type).quantized()) {
    // A chain of k sums, each rounded once (fused), or twice (the scalar tier). A bf16 dot rounds after each of its two
    // products, or less often.
    const double bound = 2 * static_cast<double>(c.cols + 1) * 0x1p-24;
    for (std::size_t i = 0; c.n <= kDirectCols && i < want.size(); ++i)
      EXPECT_NEAR(static_cast<double>(direct[i]), want[i], bound * magnitude[i]);
  }
  const std::size_t unpacked_bytes =
      static_cast<std::size_t>(ceil_div<std::int64_t>(c.cols, 32)) * kernels.unpacked_step_bytes;
  AlignedBuffer unpacked(static_cast<std::size_t>(panels) * unpacked_bytes);
  for (std::int64_t p = 0; kernels.unpack && p < panels; ++p)
    kernels.unpack(packed.data() + static_cast<std::size_t>(p) * bytes, 0, c.cols,
                   unpacked.data() + static_cast<std::size_t>(p) * unpacked_bytes);
  if (kernels.unpack) {
    product.panels = unpacked.data();
    product.panel_stride = unpacked_bytes;
  }
  product.out = tiled.data();
  kernels.tile[c.n - 1](product);
  EXPECT_LE((test::nmse<float, double>(tiled, want)), 1e-12) << dtype_name(c.type) << " tile, n " << c.n;
  if (c.n <= kDirectCols) {
    EXPECT_EQ(direct, tiled) << "both paths add in the same order";
  }
}

class MatmulKernels : public testing::TestWithParam<DType> {};

TEST_P(MatmulKernels, EqualTheDoublePrecisionProductInEveryTier) {
  const std::uint32_t seed = 20260101u + static_cast<std::uint32_t>(GetParam());
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (Isa isa : tiers_here()) {
    SCOPED_TRACE(isa_name(isa));
    std::mt19937 rng(seed);
    const std::int64_t unit = dtype_info(GetParam()).block_elements;
    for (std::int64_t n : {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 16})
      for (std::int64_t rows : {16, 1, 37, 150})
        for (const bool exact : {false, true}) {
          if (exact && GetParam() != DType::bf16) continue;  // the one type with a second set of kernels
          const KernelTable& table = kernels_for(isa);
          check(table, table.matmul_for(GetParam(), exact),
                {GetParam(), rows, unit == 1 ? 7 * rows + n : unit * (1 + rows % 3), n}, rng);
        }
  }
}

TEST(Bf16Activations, RoundToNearestEvenForEveryKindOfValue) {
  constexpr std::uint32_t kSeed = 20260104;
  for (Isa isa : tiers_here()) {
    const KernelTable& table = kernels_for(isa);
    if (!table.tile_bf16_activations) continue;
    std::mt19937 rng(kSeed);
    std::vector<float> x(4096);
    for (float& v : x) v = std::bit_cast<float>(static_cast<std::uint32_t>(rng()));
    const float ties[] = {1.0f + 0x1p-8f,
                          1.0f + 0x3p-8f,
                          -0.0f,
                          0x1p-130f,
                          -0x1p-149f,
                          3.4e38f,
                          std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()};
    std::copy(std::begin(ties), std::end(ties), x.begin());
    std::vector<BFloat16> rounded(x.size());
    table.tile_bf16_activations(x.data(), 0, 1, static_cast<std::int64_t>(x.size()),
                                reinterpret_cast<std::byte*>(rounded.data()));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool denormal = std::fpclassify(x[i]) == FP_SUBNORMAL;  // becomes a zero of its sign
      const std::uint16_t want = to_bfloat16(denormal ? std::copysign(0.0f, x[i]) : x[i]).bits;
      EXPECT_EQ(rounded[i].bits, want) << x[i] << " seed " << kSeed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllTypes, MatmulKernels, testing::ValuesIn(kWeightTypes),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

}  // namespace
}  // namespace plumb::matmul_kernels_test
