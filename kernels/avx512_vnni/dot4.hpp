// dot4 is one instruction here: VPDPBUSD multiplies 4 unsigned by 4 signed bytes per lane and adds the sum to the lane,
// without intermediate saturation. The activation broadcast is a load, which costs no arithmetic port.

PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, const std::byte* a) {
  return {_mm512_dpbusd_epi32(acc.v, w.v, broadcast_i32(a).v)};
}
PLUMB_INLINE I32x16 dot4_small(I32x16 acc, U8x64 w, const std::byte* a) { return dot4(acc, w, a); }
