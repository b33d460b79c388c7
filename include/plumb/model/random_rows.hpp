#pragma once
/// @file
/// Rows of random weights in file layout, of any computed type: what random models and synthetic files are made of.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "plumb/core/dtype.hpp"
#include "plumb/quant/blocks.hpp"

namespace plumb::inline PLUMB_ABI {

/// Random rows of one tensor. Codes are uniform over all their bits, so nothing can be compressed; scales vary from
/// block to block and have random signs (or minimums that centre the block), so weights have mean zero and the standard
/// deviation asked for. Scales are never zero, and no weight is subnormal as f32, unless the deviation is beyond what
/// the type can hold.
/// A row depends on seed and row number only, never on the order in which rows are made.
class RandomRows {
 public:
  /// Rows of `cols` weights. @throws Error{unsupported_type} for a type that is not computed, Error{bad_shape} for rows
  /// that do not fill its blocks.
  RandomRows(DType type, std::int64_t cols, double deviation, std::uint64_t seed);

  DType type() const { return type_; }
  std::size_t row_bytes() const { return row_bytes_; }
  /// Writes row `row`: row_bytes() bytes.
  void fill(std::int64_t row, std::byte* out) const;

 private:
  void make_blocks(double deviation);
  void make_floats(double deviation);

  DType type_;
  std::int64_t cols_;
  std::uint64_t seed_;
  std::size_t row_bytes_;
  std::size_t block_bytes_ = 0;             // of blocks that have scales of their own
  std::array<ByteRange, 2> scales_{};       // where a block's scales lie
  std::size_t example_bytes_ = 0;           // of one example
  std::vector<std::byte> examples_;         // 64 blocks whose scales are drawn from
  std::vector<std::uint16_t> half_floats_;  // F16, BF16: the 4096 values that weights are drawn from
  float unit_ = 0;                          // F32: the weight of a random int32 of 1
};

}  // namespace plumb
