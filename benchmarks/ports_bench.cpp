/// Which instructions cost a dot nothing: eight VPDPBUSD alone, and beside four of another instruction, all of them
/// independent and in registers, on one thread.
///
/// Counters:
///   Gdots/s     512-bit VPDPBUSD per second
///   %alone      the same as part of what they do alone, measured at the start
///
/// 100% beside four others: these have ports of their own. 67%: they share the ports of the dots, as multiplies do. A
/// tile kernel may spend the former freely; the latter are its ceiling (kernels/README.md, section 5).

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "plumb/cpu/isa.hpp"
#include "plumb/cpu/kernel_table.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

namespace plumb {
namespace {

constexpr long kDots = 8, kRounds = 1 << 14;

// Dots into zmm0 ... zmm11, the others into zmm12 ... zmm15; operands zmm30 and zmm31, zeros throughout.
#define DOT(to) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #to "\n\t"
#define WITH(x, a, b, c, d, e, f, g, h) DOT(a) x(12) DOT(b) DOT(c) x(13) DOT(d) DOT(e) x(14) DOT(f) DOT(g) x(15) DOT(h)
#define NOTHING(to) ""
#define TWO(name) name " %%zmm30, %%zmm31, %%zmm"
#define VMULPS(to) TWO("vmulps") #to "\n\t"
#define VFMADD(to) TWO("vfmadd231ps") #to "\n\t"
#define VADDPS(to) TWO("vaddps") #to "\n\t"
#define VPADDD(to) TWO("vpaddd") #to "\n\t"
#define VPMULLD(to) TWO("vpmulld") #to "\n\t"
#define VPMADDWD(to) TWO("vpmaddwd") #to "\n\t"
#define VPERMD(to) TWO("vpermd") #to "\n\t"
#define VSCALEFPS(to) TWO("vscalefps") #to "\n\t"
#define VCVTDQ2PS(to) "vcvtdq2ps %%zmm30, %%zmm" #to "\n\t"
#define VPSLLD(to) "vpslld $3, %%zmm30, %%zmm" #to "\n\t"

using Loop = void (*)();

// Three rounds of eight dots, so that each of the twelve chains has its turn.
#define LOOP(name, x)                                                                                            \
  __attribute__((target("avx512f"))) void name() {                                                               \
    __asm__ volatile("vpxord %zmm30, %zmm30, %zmm30; vpxord %zmm31, %zmm31, %zmm31");                            \
    for (long i = 0; i < kRounds; ++i)                                                                           \
      __asm__ volatile(WITH(x, 0, 1, 2, 3, 4, 5, 6, 7) WITH(x, 8, 9, 10, 11, 0, 1, 2, 3)                         \
                           WITH(x, 4, 5, 6, 7, 8, 9, 10, 11)::                                                   \
                               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
                                 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");                          \
  }
LOOP(alone, NOTHING)
LOOP(beside_vmulps, VMULPS)
LOOP(beside_vfmadd231ps, VFMADD)
LOOP(beside_vaddps, VADDPS)
LOOP(beside_vpaddd, VPADDD)
LOOP(beside_vpmulld, VPMULLD)
LOOP(beside_vpmaddwd, VPMADDWD)
LOOP(beside_vpermd, VPERMD)
LOOP(beside_vscalefps, VSCALEFPS)
LOOP(beside_vcvtdq2ps, VCVTDQ2PS)
LOOP(beside_vpslld, VPSLLD)

double dots_alone() {
  static const double best = [] {
    double rate = 0;
    for (int i = 0; i < 200; ++i) {
      const auto start = std::chrono::steady_clock::now();
      alone();
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      rate = std::max(rate, 3.0 * kDots * kRounds / seconds.count());
    }
    return rate;
  }();
  return best;
}

void run(benchmark::State& state, Loop loop) {
  const double best = dots_alone();
  for (auto _ : state) loop();
  const double dots = 3.0 * kDots * kRounds * static_cast<double>(state.iterations());
  state.counters["Gdots/s"] = benchmark::Counter(dots / 1e9, benchmark::Counter::kIsRate);
  state.counters["%alone"] = benchmark::Counter(100 * dots / best, benchmark::Counter::kIsRate);
}

const bool registered = [] {
  if (!isa_usable(Isa::avx512_vnni)) return false;
  const std::pair<const char*, Loop> loops[] = {
      {"alone", alone},
      {"4 vmulps", beside_vmulps},
      {"4 vfmadd231ps", beside_vfmadd231ps},
      {"4 vpmulld", beside_vpmulld},
      {"4 vpmaddwd", beside_vpmaddwd},
      {"4 vaddps", beside_vaddps},
      {"4 vcvtdq2ps", beside_vcvtdq2ps},
      {"4 vpaddd", beside_vpaddd},
      {"4 vpslld", beside_vpslld},
      {"4 vscalefps", beside_vscalefps},
      {"4 vpermd", beside_vpermd},
  };
  for (const auto& [name, loop] : loops)
    benchmark::RegisterBenchmark(("8 vpdpbusd/" + std::string(name)).c_str(), run, loop);
  return true;
}();

}  // namespace
}  // namespace plumb

#endif
