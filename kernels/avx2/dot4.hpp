// dot4 without VNNI: bytes are widened to 16 bits (even and odd k apart), so that no product sum can saturate.

static constexpr bool kOneDot = false;  // codes of at most 7 bits have a faster dot

// acc + sum, in this order. The compiler knows that integer sums may be reordered, and would hold the products of a
// whole step on the stack to add them up in a tree.
PLUMB_INLINE __m256i add_now(__m256i acc, __m256i sum) {
  acc = _mm256_add_epi32(acc, sum);
  __asm__("" : "+x"(acc));
  return acc;
}

// acc[r] += sum over 4 k of w[r, k] * a[k]; w unsigned, a signed, exact for every pair of bytes.
PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, I32x16 a) {
  const __m256i codes = a.lo;  // a broadcast: both halves are the same
  const __m256i low = _mm256_set1_epi16(0xFF);
  const __m256i a_even = _mm256_srai_epi16(_mm256_slli_epi16(codes, 8), 8);
  const __m256i a_odd = _mm256_srai_epi16(codes, 8);
  const __m256i lo = _mm256_add_epi32(_mm256_madd_epi16(_mm256_and_si256(w.lo, low), a_even),
                                      _mm256_madd_epi16(_mm256_srli_epi16(w.lo, 8), a_odd));
  const __m256i hi = _mm256_add_epi32(_mm256_madd_epi16(_mm256_and_si256(w.hi, low), a_even),
                                      _mm256_madd_epi16(_mm256_srli_epi16(w.hi, 8), a_odd));
  return {add_now(acc.lo, lo), add_now(acc.hi, hi)};
}
// The same for weights of at most 7 bits: two products of a byte pair then fit 16 bits (2 * 127 * 128 = 32512).
PLUMB_INLINE I32x16 dot4_small(I32x16 acc, U8x64 w, I32x16 a) {
  const __m256i ones = _mm256_set1_epi16(1);
  return {add_now(acc.lo, _mm256_madd_epi16(_mm256_maddubs_epi16(w.lo, a.lo), ones)),
          add_now(acc.hi, _mm256_madd_epi16(_mm256_maddubs_epi16(w.hi, a.lo), ones))};
}
PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, const std::byte* a) { return dot4(acc, w, broadcast_i32(a)); }
PLUMB_INLINE I32x16 dot4_small(I32x16 acc, U8x64 w, const std::byte* a) { return dot4_small(acc, w, broadcast_i32(a)); }

// Register tile of the products with unpacked weights: panels and columns at once, and columns whose dots are in flight
// together. 6 accumulators, 2 dots, a vector of codes in two halves, a broadcast, a constant and temporaries: 16.
static constexpr int kQuantizedTilePanels = 1, kQuantizedTileCols = 3, kTileLockstep = 1;

// Chains of the probe: two ports of latency 4 need 8 registers of 256 bits, a chain is two.
constexpr int kProbeInt8Chains = 4;
