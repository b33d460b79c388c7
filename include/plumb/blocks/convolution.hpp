#pragma once
/// @file
/// What blocks with a convolution over the last few positions have in common: how its taps lie, what it remembers, its
/// work.

#include <cstdint>

#include "plumb/blocks/tensors.hpp"
#include "plumb/blocks/work_writer.hpp"
#include "plumb/cpu/recurrent_kernels.hpp"

namespace plumb::inline PLUMB_ABI {

/// Taps side by side, as kernels read them: a table [channels, kernel] becomes columns [first, ...) of taps [kernel,
/// all].
inline void lay_out_taps(const Vector& table, int kernel, std::int64_t first, std::int64_t all, Vector& taps) {
  taps.resize(static_cast<std::size_t>(kernel * all));
  const auto channels = static_cast<std::int64_t>(table.size()) / kernel;
  for (std::int64_t c = 0; c < channels; ++c)
    for (int j = 0; j < kernel; ++j)
      taps[static_cast<std::size_t>(j * all + first + c)] = table[static_cast<std::size_t>(c * kernel + j)];
}

/// f32 values that a sequence remembers: the last inputs [kernel - 1, channels], in whole cache lines.
inline std::int64_t convolution_state(int kernel, std::int64_t channels) {
  return round_up<std::int64_t>((kernel - 1) * channels, kStateLanes);
}

/// The work on `channels` channels; `extra` operations an element beside the sums. What a sequence remembers is read
/// and written once.
inline void convolution_work(int kernel, double channels, double extra, WorkWriter& writer, bool bias = false) {
  OpWork& work = writer.add(Op::convolution);
  const double rows = writer.rows();
  work.operations.f32 = rows * channels * (2.0 * kernel + extra + (bias ? ElementCost::kAdd : 0));
  work.bytes.weight_payload = channels * (kernel + (bias ? 1 : 0)) * WorkWriter::kFloat;
  work.bytes.kv_read = work.bytes.kv_write =
      static_cast<double>(writer.pass().sequences) * channels * (kernel - 1) * WorkWriter::kFloat;
  work.bytes.activation_read = work.bytes.activation_write = rows * channels * WorkWriter::kFloat;
}

}  // namespace plumb
