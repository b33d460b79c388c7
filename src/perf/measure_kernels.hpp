#pragma once
/// Rates of the real matmul kernels on one calibration shape per weight type. Private to the measurements.

#include <functional>
#include <string_view>
#include <vector>

#include "plumb/cpu/isa.hpp"
#include "plumb/perf/machine.hpp"

namespace plumb {

/// Appends the rates of every computed weight type for a team of `threads`. `step(part, name)` is called after each
/// type with the part of the whole that it was.
void measure_kernels(int threads, Isa isa, std::vector<KernelRate>& rates,
                     const std::function<void(double part, std::string_view type)>& step);

}  // namespace plumb
