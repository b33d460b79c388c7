#pragma once
/// A made-up machine of round numbers, where every time can be worked out by hand.

#include "plumb/perf/machine.hpp"

namespace plumb::test {

/// 100 GB/s up to 32 MiB, 10 GB/s beyond; f32 100 GOP/s, int8 400 GOP/s; two threads do everything twice as fast.
inline Machine round_machine() {
  Machine machine;
  machine.isa = "avx2";
  machine.system.memory_bytes = 16e9;
  for (int threads : {1, 2}) {
    for (double set : {1e4, 32.0 * (1 << 20)}) machine.bandwidths.push_back({threads, set, 100e9 * threads});
    for (double set : {32.0 * (1 << 20) + 1, 1e9}) machine.bandwidths.push_back({threads, set, 10e9 * threads});
    machine.peaks.push_back({"avx2", Arithmetic::f32, threads, 100e9 * threads});
    machine.peaks.push_back({"avx2", Arithmetic::int8, threads, 400e9 * threads});
    machine.syncs.push_back({threads, 1e-6, 5e-6});
  }
  return machine;
}

}  // namespace plumb::test
