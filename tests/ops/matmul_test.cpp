// Products against double precision, for every computed type, ragged sizes, teams and epilogues.

#include "plumb/ops/matmul.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "plumb/quant/dequantize.hpp"

namespace plumb::matmul_test {
namespace {

constexpr unsigned kSeed = 1234;

/// A matrix of random bit patterns with sane scales: bytes of quantized types are random, but every f16 scale would be
/// too, so rows are made until all weights are finite and moderate.
AlignedBuffer random_matrix(DType type, std::int64_t rows, std::int64_t cols, std::mt19937& random) {
  const std::size_t row = row_bytes(type, cols);
  const bool row_scales = dtype_info(type).row_scale_bytes > 0;
  const std::size_t block = row_scales ? row : dtype_info(type).block_bytes;
  const std::size_t elements = row_scales ? static_cast<std::size_t>(cols) : dtype_info(type).block_elements;
  AlignedBuffer buffer(row * static_cast<std::size_t>(rows));
  std::vector<float> values(elements);
  std::normal_distribution<float> normal;
  for (std::size_t at = 0; at < buffer.size(); at += block) {
    if (type == DType::f32) {
      const float value = normal(random);
      std::memcpy(buffer.data() + at, &value, sizeof value);
      continue;
    }
    bool sane = false;
    while (!sane) {
      for (std::size_t i = 0; i < block; ++i) buffer.data()[at + i] = static_cast<std::byte>(random() & 0xFF);
      dequantize_row(type, buffer.data() + at, values.data(), static_cast<std::int64_t>(elements));
      sane = true;
      for (const float v : values) sane = sane && std::isfinite(v) && std::fabs(v) < 100;
    }
  }
  return buffer;
}

struct Case {
  std::int64_t rows, cols, n;
};

/// The panels of W, made in `memory`.
const std::byte* pack(const ops::WeightMatrix& w, const AlignedBuffer& memory) {
  auto* panel = const_cast<std::byte*>(memory.data());
  for (std::int64_t r = 0; r < w.rows; r += kPanelRows, panel += panel_bytes(w.type, w.cols))
    pack_panel(w.type, w.file.row(r), w.file.row_stride(), std::min(kPanelRows, w.rows - r), w.cols, panel);
  return memory.data();
}

void check_product(DType type, const Case& c, int threads, bool accumulate, bool with_bias, bool packed = false) {
  SCOPED_TRACE(testing::Message() << dtype_name(type) << " " << c.rows << "x" << c.cols << " n " << c.n << " threads "
                                  << threads << " seed " << kSeed);
  std::mt19937 random(kSeed);
  std::normal_distribution<float> normal;
  const AlignedBuffer bytes = random_matrix(type, c.rows, c.cols, random);
  ops::WeightMatrix w = ops::make_weight_matrix({bytes.data(), type, Shape{c.rows, c.cols}});
  const AlignedBuffer panels(ops::packed_bytes(type, c.rows, c.cols));
  if (packed) w.panels = pack(w, panels);
  const std::int64_t stride = c.cols + 3, out_stride = c.rows + 5;
  std::vector<float> x(static_cast<std::size_t>(c.n * stride)), bias(static_cast<std::size_t>(c.rows));
  for (float& v : x) v = normal(random);
  for (float& v : bias) v = normal(random);
  std::vector<float> out(static_cast<std::size_t>(c.n * out_stride), 0.5f);
  ops::MatmulScratch scratch(c.cols, threads);
  ops::ActivationBuffer prepared(c.n, c.cols);
  const ops::Activations activations{x.data(), c.n, c.cols, stride, &prepared};
  const ops::MatmulContext context{&active_kernels(), &scratch, true};
  const ops::MatmulTask task{&w, out.data(), out_stride, with_bias ? bias.data() : nullptr, accumulate};
  run_parallel(threads, [&](const Worker& worker) {
    ops::prepare_rows(worker, *context.kernels, activations, ops::ActivationForms::of(*context.kernels, {&w}, true));
    worker.barrier();
    ops::matmul(worker, context, {&task, 1}, activations);
  });

  std::vector<float> row(static_cast<std::size_t>(c.cols));
  for (std::int64_t r = 0; r < c.rows; ++r) {
    dequantize_row(type, w.file.row(r), row.data(), c.cols);
    for (std::int64_t n = 0; n < c.n; ++n) {
      double want = accumulate ? 0.5 : 0.0, magnitude = std::fabs(want);
      if (with_bias) want += static_cast<double>(bias[static_cast<std::size_t>(r)]);
      magnitude += std::fabs(want);
      for (std::int64_t k = 0; k < c.cols; ++k) {
        const double term = static_cast<double>(row[static_cast<std::size_t>(k)]) *
                            static_cast<double>(x[static_cast<std::size_t>(n * stride + k)]);
        want += term;
        magnitude += std::fabs(term);
      }
      // One chain of k roundings (two each in the scalar tier, which does not fuse) and the additions of the epilogue.
      const double bound = (2 * static_cast<double>(c.cols) + 2 + 2) * 0x1p-24 * magnitude;
      EXPECT_NEAR(static_cast<double>(out[static_cast<std::size_t>(n * out_stride + r)]), want, bound)
          << "row " << r << " n " << n;
    }
  }
  for (std::int64_t n = 0; n < c.n; ++n)  // the padding between output rows is nobody's
    for (std::int64_t r = c.rows; r < out_stride; ++r)
      EXPECT_EQ(out[static_cast<std::size_t>(n * out_stride + r)], 0.5f);
}

TEST(Matmul, EveryComputedTypeEqualsDoublePrecision) {
  for (const DTypeInfo& info : kDTypes) {
    if (!info.computed) continue;
    const std::int64_t block = info.block_elements;
    check_product(info.type, {5, 3 * block, 2}, 1, false, false);
    check_product(info.type, {33, 2 * block, 3}, 2, true, true);
  }
}

TEST(Matmul, RaggedShapes) {
  for (std::int64_t cols : {1, 15, 16, 17, 31, 172, 1000})
    for (std::int64_t rows : {1, 15, 17, 64})
      for (std::int64_t n : {1, 7}) check_product(DType::f32, {rows, cols, n}, 3, false, true);
}

/// Batches around the widths of kernels and of column tiles, and around the change from streamed to unpacked weights;
/// matrices of more panels than one streamed block has.
TEST(Matmul, BatchesOfEverySize) {
  const std::int64_t rows =
      16 * (1 + static_cast<std::int64_t>(ops::kStreamedBlockBytes / panel_bytes(DType::f32, 512)));
  for (const std::int64_t n : {8, 9, 16, 17, 24, 31, 47, 48, 49, 64}) {
    for (const bool packed : {false, true})
      check_product(DType::f32, {2 * rows + 5, 512, n}, 2, n % 2 == 0, n % 3 == 0, packed);
    check_product(DType::q4_0, {21, 64, n}, 3, n % 2 == 0, n % 3 == 0);
  }
}

TEST(Matmul, GateAndUpAreCutAtTheSameRows) {
  ops::WeightMatrix gate, up;
  gate.rows = up.rows = 172;
  for (int count : {1, 2, 3, 8, 64})
    for (int index = 0; index < count; ++index) {
      const Worker worker{index, count, nullptr};
      EXPECT_EQ(ops::matmul_rows(worker, gate).begin, ops::matmul_rows(worker, up).begin);
      EXPECT_EQ(ops::matmul_rows(worker, gate).end, ops::matmul_rows(worker, up).end);
    }
}

}  // namespace
}  // namespace plumb::matmul_test
