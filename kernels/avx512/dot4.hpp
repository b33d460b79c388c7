// dot4 without VNNI: bytes are widened to 16 bits (even and odd k apart), so that no product sum can saturate.

static constexpr bool kOneDot = false;  // codes of at most 7 bits have a faster dot

// acc + sum, in this order. The compiler knows that integer sums may be reordered, and would hold the products of a
// whole step on the stack to add them up in a tree.
PLUMB_INLINE I32x16 add_now(I32x16 acc, __m512i sum) {
  acc.v = _mm512_add_epi32(acc.v, sum);
  __asm__("" : "+v"(acc.v));
  return acc;
}

// acc[r] += sum over 4 k of w[r, k] * a[k]; w unsigned, a signed, exact for every pair of bytes.
PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, I32x16 a) {
  const __m512i w_even = _mm512_and_si512(w.v, _mm512_set1_epi16(0xFF));
  const __m512i w_odd = _mm512_srli_epi16(w.v, 8);
  const __m512i a_even = _mm512_srai_epi16(_mm512_slli_epi16(a.v, 8), 8);
  const __m512i a_odd = _mm512_srai_epi16(a.v, 8);
  return add_now(acc, _mm512_add_epi32(_mm512_madd_epi16(w_even, a_even), _mm512_madd_epi16(w_odd, a_odd)));
}
// The same for weights of at most 7 bits: two products of a byte pair then fit 16 bits (2 * 127 * 128 = 32512).
PLUMB_INLINE I32x16 dot4_small(I32x16 acc, U8x64 w, I32x16 a) {
  const __m512i pairs = _mm512_maddubs_epi16(w.v, a.v);
  return add_now(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, const std::byte* a) { return dot4(acc, w, broadcast_i32(a)); }
PLUMB_INLINE I32x16 dot4_small(I32x16 acc, U8x64 w, const std::byte* a) { return dot4_small(acc, w, broadcast_i32(a)); }

// Register tile of the products with unpacked weights: panels and columns at once, and columns whose dots are in flight
// together.
static constexpr int kQuantizedTilePanels = 2, kQuantizedTileCols = 8, kTileLockstep = 2;

// Chains of the probe: two ports of latency 4 need 8.
constexpr int kProbeInt8Chains = 8;
