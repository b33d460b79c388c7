#pragma once
/// @file
/// The instruction-set tiers that kernels are written for, and which of them this machine can run.

#include <array>
#include <optional>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// A tier is named by the features it needs, never by a processor. The order is that of preference: a machine uses the
/// last tier that it can run. avx512 machines need not have avx_vnni, every other tier stands on the one before it.
enum class Isa {
  scalar,       ///< the compiler's baseline; plain loops
  avx2,         ///< AVX2, FMA, F16C
  avx_vnni,     ///< the same with VPDPBUSD on 256 bits: four u8 x s8 products summed into an int32 lane
  avx512,       ///< AVX-512 F, BW, VL, DQ
  avx512_vnni,  ///< the same with VPDPBUSD
  avx512_bf16,  ///< the same with VDPBF16PS: two bf16 x bf16 products summed into an f32 lane
};

inline constexpr std::array kAllIsas{Isa::scalar, Isa::avx2,        Isa::avx_vnni,
                                     Isa::avx512, Isa::avx512_vnni, Isa::avx512_bf16};

constexpr std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::avx2: return "avx2";
    case Isa::avx_vnni: return "avx_vnni";
    case Isa::avx512: return "avx512";
    case Isa::avx512_vnni: return "avx512_vnni";
    case Isa::avx512_bf16: return "avx512_bf16";
  }
  return "unknown";
}

/// The tier of that name, or nothing.
constexpr std::optional<Isa> isa_from_name(std::string_view name) {
  for (Isa isa : kAllIsas)
    if (isa_name(isa) == name) return isa;
  return std::nullopt;
}

/// What the processor has *and* the operating system saves on a context switch (CPUID and XGETBV).
struct CpuFeatures {
  bool avx2 = false, fma = false, f16c = false;
  bool avx512f = false, avx512bw = false, avx512vl = false, avx512dq = false, avx512_vnni = false;
  bool avx_vnni = false, avx512_bf16 = false;
};

#if defined(__x86_64__)
/// Reads CPUID leaves 1 and 7 and XCR0 (Intel SDM vol. 1 ch. 13-15).
inline CpuFeatures detect_cpu_features() {
  CpuFeatures f;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27))) return f;  // OSXSAVE: XGETBV may be used
  unsigned xcr0_low = 0, xcr0_high = 0;
  __asm__("xgetbv" : "=a"(xcr0_low), "=d"(xcr0_high) : "c"(0));
  const bool ymm_saved = (xcr0_low & 0x6) == 0x6;
  const bool zmm_saved = (xcr0_low & 0xE6) == 0xE6;
  f.fma = ymm_saved && (c & (1u << 12));
  f.f16c = ymm_saved && (c & (1u << 29));
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
  const unsigned last_subleaf = a;
  f.avx2 = ymm_saved && (b & (1u << 5));
  f.avx512f = zmm_saved && (b & (1u << 16));
  f.avx512dq = zmm_saved && (b & (1u << 17));
  f.avx512bw = zmm_saved && (b & (1u << 30));
  f.avx512vl = zmm_saved && (b & (1u << 31));
  f.avx512_vnni = zmm_saved && (c & (1u << 11));
  if (last_subleaf >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
    f.avx_vnni = ymm_saved && (a & (1u << 4));
    f.avx512_bf16 = zmm_saved && (a & (1u << 5));
  }
  return f;
}
#else
inline CpuFeatures detect_cpu_features() { return {}; }
#endif

/// Whether this machine can run a tier.
inline bool isa_supported(Isa isa) {
  static const CpuFeatures f = detect_cpu_features();
  const bool avx2 = f.avx2 && f.fma && f.f16c;
  const bool avx512 = avx2 && f.avx512f && f.avx512bw && f.avx512vl && f.avx512dq;
  switch (isa) {
    case Isa::scalar: return true;
    case Isa::avx2: return avx2;
    case Isa::avx_vnni: return avx2 && f.avx_vnni;
    case Isa::avx512: return avx512;
    case Isa::avx512_vnni: return avx512 && f.avx512_vnni;
    case Isa::avx512_bf16: return avx512 && f.avx512_vnni && f.avx512_bf16;
  }
  return false;
}

}  // namespace plumb
