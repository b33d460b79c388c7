// Kernels of latent attention in every tier: rows turned into key tiles, and the scores of an indexer, with forbidden
// pages beside every buffer.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "plumb/core/half.hpp"
#include "tests/support/guarded.hpp"
#include "tests/support/tiers.hpp"

namespace plumb::latent_kernels_test {
namespace {

using test::Guarded;

class LatentKernelsOf : public testing::TestWithParam<Isa> {
 protected:
  const AttentionKernels& kernels = kernels_for(GetParam()).attention;
};

TEST_P(LatentKernelsOf, TurnsRowsIntoKeys) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const int dim : {1, 7, 16, 24, 64, 100})
    for (const int count : {1, 5, 15, 16})
      for (const bool scaled : {false, true}) {
        SCOPED_TRACE(testing::Message() << dim << " dimensions, " << count << " positions, scaled " << scaled);
        const int stride = padded_value_dim(dim);
        Guarded<float> rows(static_cast<std::size_t>(count * stride)), scales(static_cast<std::size_t>(count));
        for (float& x : rows) x = normal(random);
        for (float& x : scales) x = normal(random);
        Guarded<float> keys(static_cast<std::size_t>(dim * kKeyTile));
        kernels.keys_of_rows(rows.data(), stride, count, dim,
                             scaled ? reinterpret_cast<const std::byte*>(scales.data()) : nullptr, keys.data());
        for (int d = 0; d < dim; ++d)
          for (int p = 0; p < kKeyTile; ++p) {
            const auto at = [](int i) { return static_cast<std::size_t>(i); };
            const float want = p < count ? rows[at(p * stride + d)] * (scaled ? scales[at(p)] : 1.0f) : 0.0f;
            ASSERT_EQ(keys[at(d * kKeyTile + p)], want) << d << " " << p;
          }
      }
}

TEST_P(LatentKernelsOf, ScoresPositionsForAnIndexer) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (const DType type : {DType::f32, DType::f16, DType::i8})
    for (const int heads : {1, 3, 8, 21})
      for (const int dim : {6, 64})
        for (const int positions : {1, 16, 77}) {
          SCOPED_TRACE(testing::Message()
                       << dtype_name(type) << " " << heads << " heads of " << dim << ", " << positions << " positions");
          const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
          const std::int64_t tiles = ceil_div(positions, kKeyTile), tile_bytes = kv_tile_bytes(type, dim);
          Guarded<std::byte> memory(size(tiles * tile_bytes));
          std::fill(memory.begin(), memory.end(), std::byte{0xFF});  // what is not stored is NaN
          std::vector<std::vector<double>> kept;
          for (int p = 0; p < positions; ++p) {
            std::vector<float> key(size(dim));
            for (float& x : key) x = normal(random);
            std::byte* const tile = memory.data() + p / kKeyTile * tile_bytes;
            kernels.store_key[kv_index(type)](key.data(), dim, tile, p % kKeyTile);
            kept.emplace_back();
            for (int d = 0; d < dim; ++d) {
              const std::byte* const place = tile + (d * kKeyTile + p % kKeyTile) * dtype_info(type).block_bytes;
              if (type == DType::f32) {
                kept.back().push_back(static_cast<double>(key[size(d)]));
              } else if (type == DType::f16) {
                Half half;
                std::memcpy(&half, place, sizeof half);
                kept.back().push_back(static_cast<double>(to_float(half)));
              } else {
                float scale;
                std::memcpy(&scale, tile + kKeyTile * dim + 4 * (p % kKeyTile), sizeof scale);
                kept.back().push_back(static_cast<double>(scale) *
                                      static_cast<double>(static_cast<std::int8_t>(*place)));
              }
            }
          }
          Guarded<float> q(size(ceil_div(heads, kQueryTile) * kQueryTile * dim)), weights(size(heads));
          for (float& x : q) x = normal(random);
          for (float& x : weights) x = normal(random);
          Guarded<float> out(size(tiles * kKeyTile));
          IndexRange range;
          range.q = q.data();
          range.weights = weights.data();
          range.heads = heads;
          range.dim = dim;
          range.k = memory.data();
          range.k_tile_bytes = tile_bytes;
          if (type == DType::i8) range.k_scale = memory.data() + kKeyTile * dim;
          range.positions = positions;
          range.out = out.data();
          kernels.index_scores[kv_index(type)](range);
          for (int p = 0; p < positions; ++p) {
            double want = 0, bound = 0;
            for (int h = 0; h < heads; ++h) {
              double dot = 0, size_of_dot = 0;
              for (int d = 0; d < dim; ++d) {
                const double term =
                    static_cast<double>(q[size((h / kQueryTile * dim + d) * kQueryTile + h % kQueryTile)]) *
                    kept[size(p)][size(d)];
                dot += term;
                size_of_dot += std::abs(term);
              }
              want += static_cast<double>(weights[size(h)]) * std::max(0.0, dot);
              bound += std::abs(static_cast<double>(weights[size(h)])) * size_of_dot;
            }
            ASSERT_NEAR(static_cast<double>(out[size(p)]), want, bound * (dim + heads + 4) * 0x1p-24) << p;
          }
        }
}

INSTANTIATE_TEST_SUITE_P(Tiers, LatentKernelsOf, testing::ValuesIn(test::tiers_here()),
                         [](const auto& parameter) { return std::string(isa_name(parameter.param)); });

}  // namespace
}  // namespace plumb::latent_kernels_test
