// How rows of a batch are cut into column tiles.

#include "plumb/ops/activations.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace plumb::ops::activations_test {
namespace {

Activations batch(std::int64_t rows) {
  Activations x;
  x.rows = rows;
  x.cols = x.stride = 32;
  return x;
}

/// Register tiles that kernels cut a column tile into.
std::int64_t register_tiles(std::int64_t columns) { return ceil_div<std::int64_t>(columns, kDirectCols); }

TEST(ColumnTiles, CoverEveryRowOnceInOrder) {
  for (std::int64_t rows = 1; rows <= 600; ++rows) {
    const Activations x = batch(rows);
    std::int64_t next = 0;
    for (int t = 0; t < x.tiles(); ++t) {
      const Range tile = x.tile(t);
      ASSERT_EQ(tile.begin, next) << rows << " rows, tile " << t;
      ASSERT_GT(tile.size(), 0) << rows << " rows, tile " << t;
      ASSERT_LE(tile.size(), x.streamed() ? kDirectCols : kTileCols) << rows << " rows, tile " << t;
      next = tile.end;
    }
    ASSERT_EQ(next, rows);
  }
}

TEST(ColumnTiles, MakeAsFewRegisterTilesAsCanBe) {
  for (std::int64_t rows = 1; rows <= 600; ++rows) {
    const Activations x = batch(rows);
    std::int64_t count = 0;
    for (int t = 0; t < x.tiles(); ++t) count += register_tiles(x.tile(t).size());
    ASSERT_EQ(count, register_tiles(rows)) << rows << " rows";
  }
}

TEST(ColumnTiles, DifferByOneRowForEachRegisterTile) {
  for (std::int64_t rows = 1; rows <= 600; ++rows) {
    const Activations x = batch(rows);
    std::int64_t narrowest = rows, widest = 0;  // a last tile of a single register tile apart
    for (int t = 0; t < x.tiles(); ++t) {
      const std::int64_t size = x.tile(t).size();
      if (t > 0 && register_tiles(size) < register_tiles(x.tile(0).size())) continue;
      narrowest = std::min(narrowest, size);
      widest = std::max(widest, size);
    }
    ASSERT_LE(widest - narrowest, x.streamed() ? 1 : 2) << rows << " rows";
  }
}

}  // namespace
}  // namespace plumb::ops::activations_test
