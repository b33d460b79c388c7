// Element conversions of whole rows, and the check that weights are finite.

// f16 to f32, exact. Multiplying by 2^112 moves the exponent and makes subnormals normal; infinities and NaNs keep an
// exponent of ones.
static void halves_to_floats(const std::uint16_t* from, float* to, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Shorts bits;
    std::memcpy(&bits, from + i, sizeof bits);
    const Ints wide = __builtin_convertvector(bits, Ints);
    const Ints magnitude = (wide & 0x7FFF) << 13, sign = (wide & 0x8000) << 16;
    const Floats scaled = (Floats)magnitude * 0x1p112f;
    const Ints special = (wide & 0x7C00) == 0x7C00;
    const Ints value = special ? (magnitude | 0x7F800000) : (Ints)scaled;
    const Ints result = value | sign;
    std::memcpy(to + i, &result, sizeof result);
  }
  for (; i < n; ++i) to[i] = to_float(Half{from[i]});
}

// The largest magnitude, as bits: order of the bits is order of the magnitudes, and infinities and NaNs are
// 0x7F800000 and above.
static std::uint32_t largest_bits(const float* x, std::int64_t n) {
  Ints most{};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Ints magnitude = (Ints)load(x + i) & 0x7FFFFFFF;
    most = magnitude > most ? magnitude : most;
  }
  std::uint32_t best = 0;
  for (int j = 0; j < kLanes; ++j)
    best = best > static_cast<std::uint32_t>(most[j]) ? best : static_cast<std::uint32_t>(most[j]);
  for (; i < n; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7FFFFFFFu;
    best = best > bits ? best : bits;
  }
  return best;
}
