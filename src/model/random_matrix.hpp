#pragma once
/// Random weight matrices at memory speed: a small pool of normally distributed weights is quantized once, and a matrix
/// is put together from pieces of the pool chosen by a hash of their place. Works for every type and for both layouts,
/// and the pieces have the statistics of really quantized weights.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <numbers>
#include <tuple>
#include <vector>

#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/ops/weight_matrix.hpp"
#include "plumb/quant/pack.hpp"
#include "plumb/quant/quantize.hpp"

namespace plumb {

/// A well-mixed 64-bit hash of a counter (splitmix64, Steele et al. 2014).
constexpr std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E37'79B9'7F4A'7C15u;
  x = (x ^ (x >> 30)) * 0xBF58'476D'1CE4'E5B9u;
  x = (x ^ (x >> 27)) * 0x94D0'49BB'1331'11EBu;
  return x ^ (x >> 31);
}

/// The pieces that matrices of one type and variance are made of.
class RandomPool {
 public:
  /// Weights have mean 0 and standard deviation 1 / sqrt(cols). `packed`: pieces are 16 rows wide and interleaved.
  RandomPool(DType type, std::int64_t cols, bool packed, std::uint64_t seed)
      : type_(type), packed_(packed), piece_k_(dtype_info(type).quantized() ? dtype_info(type).block_elements : 64) {
    const std::int64_t rows = kWeights / piece_k_;  // a matrix [rows, piece_k]: each row is a piece, or 16 rows are
    std::vector<float> weights(kWeights);
    fill_normal(weights, 1.0f / std::sqrt(static_cast<float>(cols)), seed);
    AlignedBuffer plain(tensor_bytes(type, Shape{rows, piece_k_}));
    quantize_rows(type, weights.data(), plain.data(), rows, piece_k_, nullptr, QuantMethod::nearest);
    pieces_ = packed ? rows / kPanelRows : rows;
    piece_bytes_ = bytes_of(piece_k_);
    if (!packed) {
      memory_ = std::move(plain);
      return;
    }
    memory_ = AlignedBuffer(piece_bytes_ * static_cast<std::size_t>(pieces_));
    const std::size_t stride = row_bytes(type, piece_k_);
    for (std::int64_t p = 0; p < pieces_; ++p)
      pack_panel(type, plain.data() + static_cast<std::size_t>(p * kPanelRows) * stride, stride, kPanelRows, piece_k_,
                 memory_.data() + static_cast<std::size_t>(p) * piece_bytes_);
  }

  /// Bytes of one row (or panel of 16) of a matrix.
  std::size_t bytes_of(std::int64_t cols) const { return packed_ ? panel_bytes(type_, cols) : row_bytes(type_, cols); }

  /// Fills one row (or panel) of `cols` weights; `place` tells rows apart.
  void fill(std::byte* out, std::int64_t cols, std::uint64_t place) const {
    for (std::int64_t k = 0, i = 0; k < cols; k += piece_k_, ++i) {
      const std::uint64_t piece = mixed(place + static_cast<std::uint64_t>(i)) % static_cast<std::uint64_t>(pieces_);
      const std::size_t bytes = k + piece_k_ <= cols ? piece_bytes_ : bytes_of(cols - k);
      std::memcpy(out, memory_.data() + piece * piece_bytes_, bytes);
      out += bytes;
    }
  }

 private:
  static constexpr std::int64_t kWeights = 1 << 20;

  /// Box-Muller on hashed counters.
  static void fill_normal(std::vector<float>& out, float deviation, std::uint64_t seed) {
    const auto uniform = [](std::uint64_t bits) { return (static_cast<float>(bits >> 40) + 0.5f) * 0x1p-24f; };
    for (std::size_t i = 0; i + 1 < out.size(); i += 2) {
      const float radius = deviation * std::sqrt(-2.0f * std::log(uniform(mixed(seed + i))));
      const float angle = 2.0f * std::numbers::pi_v<float> * uniform(mixed(seed + i + 1));
      out[i] = radius * std::cos(angle);
      out[i + 1] = radius * std::sin(angle);
    }
  }

  DType type_;
  bool packed_;
  std::int64_t piece_k_;
  std::int64_t pieces_ = 0;
  std::size_t piece_bytes_ = 0;
  AlignedBuffer memory_;  // [pieces_, piece_bytes_]
};

/// Makes matrices, one pool for each type, width and layout.
class RandomMatrices {
 public:
  explicit RandomMatrices(std::uint64_t seed) : seed_(mixed(seed)) {}

  /// A matrix [rows, cols] in file layout, or as panels. @throws Error{out_of_memory}.
  AlignedBuffer make(DType type, std::int64_t rows, std::int64_t cols, bool packed) {
    const RandomPool& pool =
        pools_.try_emplace({type, cols, packed}, type, cols, packed, mixed(seed_ + pools_.size())).first->second;
    const std::int64_t strips = packed ? ceil_div(rows, kPanelRows) : rows;
    const std::size_t bytes = pool.bytes_of(cols);
    AlignedBuffer out(checked_mul(bytes, static_cast<std::size_t>(strips), "random matrix"));
    const std::uint64_t place = mixed(seed_ ^ ++made_);
    run_parallel(default_threads(), [&](const Worker& worker) {
      const Range mine = worker.share(strips);
      for (std::int64_t s = mine.begin; s < mine.end; ++s)
        pool.fill(out.data() + static_cast<std::size_t>(s) * bytes, cols, mixed(place + static_cast<std::uint64_t>(s)));
    });
    return out;
  }

 private:
  std::uint64_t seed_, made_ = 0;
  std::map<std::tuple<DType, std::int64_t, bool>, RandomPool> pools_;
};

}  // namespace plumb
