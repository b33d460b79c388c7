#pragma once
/// @file
/// Causal attention of a batch of rows over the KV cache: the portable form.
///
/// Keys are walked in blocks of 256 positions, cut at multiples of 256 from position 0, with the softmax kept online
/// (Milakov and Gimelshein 2018): the running maximum, the sum and the weighted values are rescaled when a block raises
/// the maximum. All query heads of a group share each load of K and V. A row's result depends on its own keys alone, so
/// it is the same for every batch, split and thread count.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>

#include "plumb/core/half.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/core/tensor.hpp"

namespace plumb::ops {

/// Keys and values of one sequence and KV head in one layer: rows of position 0, 1, ... at fixed strides.
struct KvView {
  const std::byte* k = nullptr;  // [positions, k_dim]
  const std::byte* v = nullptr;  // [positions, v_dim]
  std::int64_t k_stride = 0;     ///< bytes from one position to the next
  std::int64_t v_stride = 0;
  DType type = DType::f32;  ///< f32 or f16
};

/// Keys and values of all sequences in one layer. What the attention kernels know of the cache's layout is this.
struct KvLayer {
  std::byte* base = nullptr;
  std::int64_t sequence_stride = 0;  ///< bytes from one sequence to the next
  std::int64_t head_stride = 0;      ///< bytes from one KV head to the next
  std::int64_t value_offset = 0;     ///< bytes from a head's keys to its values
  std::int64_t k_stride = 0, v_stride = 0;
  DType type = DType::f32;

  KvView view(std::int64_t sequence, std::int64_t kv_head) const {
    const std::byte* k = base + sequence * sequence_stride + kv_head * head_stride;
    return {k, k + value_offset, k_stride, v_stride, type};
  }
  std::byte* key(std::int64_t sequence, std::int64_t kv_head, std::int64_t position) const {
    return base + sequence * sequence_stride + kv_head * head_stride + position * k_stride;
  }
  std::byte* value(std::int64_t sequence, std::int64_t kv_head, std::int64_t position) const {
    return base + sequence * sequence_stride + kv_head * head_stride + value_offset + position * v_stride;
  }
};

/// Who asks: a row of the batch.
struct AttentionRow {
  std::int32_t position = 0;
  std::int32_t sequence = 0;
};

/// The shape of an attention layer.
struct AttentionShape {
  int n_heads = 0, n_kv_heads = 0;
  int k_dim = 0, v_dim = 0;
  float scale = 1.0f;    ///< multiplies q.k
  float softcap = 0.0f;  ///< cap * tanh(score / cap); 0 = off
  int window = 0;        ///< positions that a row sees, its own included; 0 = all

  int group() const { return n_heads / n_kv_heads; }
};

/// Positions of one block of keys.
inline constexpr std::int64_t kKeyBlock = 256;

/// Memory of the workers: scores of one block for every head of a group, one row of K or V as f32.
class AttentionScratch {
 public:
  AttentionScratch() = default;
  AttentionScratch(const AttentionShape& shape, int threads)
      : stride_(round_up<std::int64_t>(shape.group() * (kKeyBlock + 2) + std::max(shape.k_dim, shape.v_dim), 16)),
        memory_(checked_mul(static_cast<std::size_t>(stride_) * sizeof(float), static_cast<std::size_t>(threads),
                            "attention scratch")) {}
  float* of(const Worker& worker) { return memory_.as<float>() + stride_ * worker.index; }

 private:
  std::int64_t stride_ = 0;
  AlignedBuffer memory_;  // [threads, stride_]
};

namespace detail {

/// One row of K or V as f32: in place, or converted into `buffer`.
inline const float* kv_row(DType type, const std::byte* row, float* buffer, int dim) {
  if (type == DType::f32) return reinterpret_cast<const float*>(row);
  const Half* half = reinterpret_cast<const Half*>(row);
  for (int i = 0; i < dim; ++i) buffer[i] = to_float(half[i]);
  return buffer;
}

inline float short_dot(const float* a, const float* b, int n) {
  std::array<float, 8> lanes{};
  int i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; ++j) lanes[static_cast<std::size_t>(j)] += a[i + j] * b[i + j];
  for (int j = 0; i < n; ++i, ++j) lanes[static_cast<std::size_t>(j)] += a[i] * b[i];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/// The query heads of one KV head's group for one row. q [group, k_dim], out [group, v_dim].
inline void attend_group(const AttentionShape& shape, const KvView& kv, std::int64_t position, const float* q,
                         float* out, float* scratch) {
  const int group = shape.group();
  float* const scores = scratch;                  // [group, kKeyBlock]
  float* const top = scores + group * kKeyBlock;  // [group], running maximum
  float* const total = top + group;               // [group], running sum of exp(score - maximum)
  float* const kv_buffer = total + group;         // [max(k_dim, v_dim)]
  std::fill_n(top, group, -INFINITY);
  std::fill_n(total, group, 0.0f);
  std::fill_n(out, group * shape.v_dim, 0.0f);

  const std::int64_t first = shape.window > 0 ? std::max<std::int64_t>(0, position - shape.window + 1) : 0;
  for (std::int64_t block = first; block <= position;) {
    const std::int64_t end = std::min(position + 1, (block / kKeyBlock + 1) * kKeyBlock);
    for (std::int64_t p = block; p < end; ++p) {
      const float* const k = kv_row(kv.type, kv.k + p * kv.k_stride, kv_buffer, shape.k_dim);
      for (int h = 0; h < group; ++h) {
        const float score = short_dot(q + h * shape.k_dim, k, shape.k_dim) * shape.scale;
        scores[h * kKeyBlock + p - block] =
            shape.softcap > 0 ? shape.softcap * std::tanh(score / shape.softcap) : score;
      }
    }
    for (int h = 0; h < group; ++h) {
      float* const own = scores + h * kKeyBlock;
      const float raised = std::max(top[h], *std::max_element(own, own + (end - block)));
      const float shrink = std::exp(top[h] - raised);
      float sum = 0;
      for (std::int64_t i = 0; i < end - block; ++i) sum += own[i] = std::exp(own[i] - raised);
      total[h] = total[h] * shrink + sum;
      top[h] = raised;
      for (int d = 0; d < shape.v_dim; ++d) out[h * shape.v_dim + d] *= shrink;
    }
    for (std::int64_t p = block; p < end; ++p) {
      const float* const v = kv_row(kv.type, kv.v + p * kv.v_stride, kv_buffer, shape.v_dim);
      for (int h = 0; h < group; ++h) {
        const float weight = scores[h * kKeyBlock + p - block];
        for (int d = 0; d < shape.v_dim; ++d) out[h * shape.v_dim + d] += weight * v[d];
      }
    }
    block = end;
  }
  for (int h = 0; h < group; ++h)
    for (int d = 0; d < shape.v_dim; ++d) out[h * shape.v_dim + d] /= total[h];
}

}  // namespace detail

/// out[n, head] = sum_p softmax_p(scale * q[n, head] . K[p]) V[p] over the positions p that row n sees. All workers; a
/// task is (row, KV head); no barrier inside. q [rows, q_stride], out [rows, out_stride]; every position up to a row's
/// own is in the cache.
inline void attention(const Worker& worker, const AttentionShape& shape, const KvLayer& kv,
                      std::span<const AttentionRow> rows, const float* q, std::int64_t q_stride, float* out,
                      std::int64_t out_stride, AttentionScratch& scratch) {
  const std::int64_t tasks = static_cast<std::int64_t>(rows.size()) * shape.n_kv_heads;
  const int group = shape.group();
  // Neighbouring rows see nearly equally many keys, so dealing tasks in turn balances the causal triangle.
  for (std::int64_t task = worker.index; task < tasks; task += worker.count) {
    const std::int64_t n = task / shape.n_kv_heads, kv_head = task % shape.n_kv_heads;
    const AttentionRow& row = rows[static_cast<std::size_t>(n)];
    detail::attend_group(shape, kv.view(row.sequence, kv_head), row.position,
                         q + n * q_stride + kv_head * group * shape.k_dim,
                         out + n * out_stride + kv_head * group * shape.v_dim, scratch.of(worker));
  }
}

}  // namespace plumb::ops
