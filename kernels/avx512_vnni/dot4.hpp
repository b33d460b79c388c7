// dot4 is one instruction here: VPDPBUSD multiplies 4 unsigned by 4 signed bytes per lane and adds the sum to the lane,
// without intermediate saturation.

static constexpr bool kOneDot = true;  // codes of any size have the same dot

PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, I32x16 a) { return {_mm512_dpbusd_epi32(acc.v, w.v, a.v)}; }
// With a broadcast operand in memory, a load that costs no arithmetic port. The intrinsic takes a broadcast register,
// which would cost a second instruction per dot (g++ 12 does not fold it).
PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, const std::byte* a) {
  __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc.v) : "v"(w.v), "m"(*reinterpret_cast<const std::int32_t*>(a)));
  return acc;
}
template <class Activations>
PLUMB_INLINE I32x16 dot4_small(I32x16 acc, U8x64 w, Activations a) {
  return dot4(acc, w, a);
}

// Register tile of the products with unpacked weights: panels and columns at once, and columns whose dots are in flight
// together.
static constexpr int kQuantizedTilePanels = 2, kQuantizedTileCols = 8, kTileLockstep = 4;

// Chains of the probe: two ports of latency 5 need 10.
constexpr int kProbeInt8Chains = 12;
