// dot4 is one instruction here: VPDPBUSD multiplies 4 unsigned by 4 signed bytes per lane and adds the sum to the lane,
// without intermediate saturation. The activation broadcast is a load, which costs no arithmetic port.

static constexpr bool kOneDot = true;  // codes of any size have the same dot

PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, const std::byte* a) {
  // The intrinsic takes a broadcast register, which would cost a second instruction per dot (g++ 12 does not fold it).
  __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc.v) : "v"(w.v), "m"(*reinterpret_cast<const std::int32_t*>(a)));
  return acc;
}
PLUMB_INLINE I32x16 dot4_small(I32x16 acc, U8x64 w, const std::byte* a) { return dot4(acc, w, a); }
