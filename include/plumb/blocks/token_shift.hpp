#pragma once
/// @file
/// Token shift (Peng et al. 2023): a block reads what it is given mixed with what it was given at the position before,
/// channel by channel, in as many ways as it has inputs:
///
///     x[i] = x + m[i] (x' - x)            x' of the position before, 0 at the first
///
/// How it is run: token_shift_run.hpp.

#include <algorithm>
#include <cstdint>

#include "plumb/blocks/scratch_sizes.hpp"
#include "plumb/blocks/work_writer.hpp"
#include "plumb/cpu/recurrent_kernels.hpp"

namespace plumb::inline PLUMB_ABI {

/// f32 values that a sequence remembers: the last row, in whole cache lines.
inline std::int64_t token_shift_state(std::int64_t width) { return round_up<std::int64_t>(width, kStateLanes); }

/// Operations per element: subtract; multiply, add.
inline constexpr double kTokenShift = 3;

/// The work of `inputs` mixtures. What a sequence remembers is read and written once.
inline void token_shift_work(double inputs, double width, WorkWriter& writer) {
  const double rows = writer.rows();
  OpWork& work = writer.add(Op::convolution);
  work.operations.f32 = rows * inputs * width * kTokenShift;
  work.bytes.weight_payload = inputs * width * WorkWriter::kFloat;
  work.bytes.kv_read = work.bytes.kv_write = static_cast<double>(writer.pass().sequences) * width * WorkWriter::kFloat;
  work.bytes.activation_read = rows * width * WorkWriter::kFloat;
  work.bytes.activation_write = rows * inputs * width * WorkWriter::kFloat;
  writer.meet_prepared(rows);
}

inline void token_shift_scratch(int inputs, ScratchSizes& sizes) { sizes.shifts = std::max(sizes.shifts, inputs); }

}  // namespace plumb
