// Probes of the machine's ceilings, written once over the SIMD wrapper. Included inside a tier's region.
// They do nothing useful; each keeps one unit busy and hands back a value so that nothing can be left out.

// Reads `bytes` (a multiple of 512) bytes once, front to back, as wide as the tier loads. Eight independent chains,
// since one would wait for itself.
static std::uint8_t probe_read(const std::byte* from, std::size_t bytes) {
  U8x64 seen[8];
  PLUMB_UNROLL(8)
  for (int c = 0; c < 8; ++c) seen[c] = load_u8(from + 64 * c);
  for (std::size_t at = 512; at < bytes; at += 512) {
    PLUMB_UNROLL(8)
    for (int c = 0; c < 8; ++c) seen[c] = bit_or(seen[c], load_u8(from + at + 64 * static_cast<std::size_t>(c)));
  }
  std::uint8_t out[64], all = 0;
  for (int c = 0; c < 8; ++c) {
    store_u8(out, seen[c]);
    for (int i = 0; i < 64; ++i) all |= out[i];
  }
  return all;
}

// acc = acc * a + b in `Chains` independent chains of 16 floats: enough to cover the latency of a fused multiply-add on
// every port. Values stay near one, so nothing becomes denormal.
template <int Chains>
static float probe_f32(std::int64_t iterations) {
  const F32x16 a = splat_f32(0.5f), b = splat_f32(0.5f);
  F32x16 acc[Chains];
  PLUMB_UNROLL(16)
  for (int c = 0; c < Chains; ++c) acc[c] = splat_f32(static_cast<float>(c));
  for (std::int64_t i = 0; i < iterations; ++i) {
    PLUMB_UNROLL(16)
    for (int c = 0; c < Chains; ++c) acc[c] = mul_add(acc[c], a, b);
  }
  float out[16], sum = 0;
  for (int c = 0; c < Chains; ++c) {
    store_f32(out, acc[c]);
    for (int i = 0; i < 16; ++i) sum += out[i];
  }
  return sum;
}

// Four dot4 in each of `Chains` independent chains. The weights change from step to step (a load from the first-level
// cache), so that no part of a dot product is the same twice and could be computed once.
template <int Chains>
static float probe_int8(std::int64_t iterations) {
  std::uint8_t weights[16 * 64];
  std::byte activations[4 * Chains];
  for (int i = 0; i < 16 * 64; ++i) weights[i] = static_cast<std::uint8_t>(i * 37);
  for (int i = 0; i < 4 * Chains; ++i) activations[i] = static_cast<std::byte>(i * 11);
  I32x16 acc[Chains];
  PLUMB_UNROLL(16)
  for (int c = 0; c < Chains; ++c) acc[c] = zero_i32();
  for (std::int64_t i = 0; i < iterations; ++i) {
    PLUMB_UNROLL(4)
    for (int v = 0; v < 4; ++v) {
      const U8x64 w = load_u8(weights + 256 * (i & 3) + 64 * v);
      PLUMB_UNROLL(16)
      for (int c = 0; c < Chains; ++c) acc[c] = dot4(acc[c], w, activations + 4 * c);
    }
  }
  I32x16 total = acc[0];
  for (int c = 1; c < Chains; ++c) total = add(total, acc[c]);
  float out[16], sum = 0;
  store_f32(out, to_f32(total));
  for (int i = 0; i < 16; ++i) sum += out[i];
  return sum;
}

static void add_probes(KernelTable& table) {
  table.probes.read = probe_read;
  table.probes.f32 = {probe_f32<kProbeF32Chains>, kProbeF32Chains * 16 * 2.0};
  table.probes.int8 = {probe_int8<kProbeInt8Chains>, kProbeInt8Chains * 4 * 64 * 2.0};
}
