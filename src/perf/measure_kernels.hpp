#pragma once
/// Rates of the real kernels on calibration shapes, for a team of `threads`. Private to the measurements. The shapes
/// are those of no known model, so that predictions of known models are predictions.

#include <functional>
#include <string_view>
#include <vector>

#include "plumb/core/memory.hpp"
#include "plumb/cpu/isa.hpp"
#include "plumb/perf/machine.hpp"

namespace plumb::inline PLUMB_ABI {

/// Called with the part of the whole that has been done since the last call, and what it was.
using Step = std::function<void(double part, std::string_view what)>;

/// Products: appends the rates of every computed weight type, with matrices of `working_sets` bytes together (rising),
/// which are made in `memory`; those of decoding at the `edge` of the last cache too.
void measure_kernels(int threads, Isa isa, const std::vector<double>& working_sets, double edge, AlignedBuffer& memory,
                     std::vector<KernelRate>& rates, const Step& step);

/// Attention over keys and values of every type, in caches of `working_sets` bytes (rising).
void measure_attention(int threads, Isa isa, const std::vector<double>& working_sets, std::vector<AttentionCost>& costs,
                       const Step& step);

/// Everything else: forward passes of small random models, traced. Adds steps to a machine that has bandwidths, kernels
/// and attention, and sets the meetings of `sync`.
void measure_steps(int threads, Machine& machine, SyncCost& sync, const Step& step);

}  // namespace plumb
