// dot4 is one instruction per half here: the VEX form of VPDPBUSD. It has no broadcast operand; the broadcast is a load
// of its own, which costs no arithmetic port and serves both halves.

static constexpr bool kOneDot = true;  // codes of any size have the same dot

PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, I32x16 a) {
  return {_mm256_dpbusd_avx_epi32(acc.lo, w.lo, a.lo), _mm256_dpbusd_avx_epi32(acc.hi, w.hi, a.hi)};
}
PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, const std::byte* a) { return dot4(acc, w, broadcast_i32(a)); }
template <class Activations>
PLUMB_INLINE I32x16 dot4_small(I32x16 acc, U8x64 w, Activations a) {
  return dot4(acc, w, a);
}

// Register tile of the products with unpacked weights: panels and columns at once, and columns whose dots are in flight
// together. 6 accumulators, 6 dots, a vector of codes in two halves, a broadcast: 15 of 16 registers.
static constexpr int kQuantizedTilePanels = 1, kQuantizedTileCols = 3, kTileLockstep = 3;

// Chains of the probe: two ports of latency 5 need 10 registers of 256 bits, a chain is two.
constexpr int kProbeInt8Chains = 5;
