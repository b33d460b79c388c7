// The probe of the bf16 dot, for tiers that have one. Included inside a tier's region, after dot2.hpp.

// Four dot2 in each of `Chains` independent chains, with weights that change from step to step as in probe_int8.
// Weights lie between 1 and 2 and activations are at most 2^-20, so that sums stay finite and no product is denormal.
template <int Chains>
static float probe_bf16(std::int64_t iterations) {
  std::uint16_t weights[16 * 32];
  float activations[Chains];
  for (int i = 0; i < 16 * 32; ++i) weights[i] = static_cast<std::uint16_t>(0x3F80 + i % 97);
  for (int c = 0; c < Chains; ++c) activations[c] = 0x1.01p-20f;
  F32x16 acc[Chains];
  PLUMB_UNROLL(16)
  for (int c = 0; c < Chains; ++c) acc[c] = zero_f32();
  for (std::int64_t i = 0; i < iterations; ++i) {
    PLUMB_UNROLL(4)
    for (int v = 0; v < 4; ++v) {
      const F32x16 w = load_f32(weights + 128 * (i & 3) + 32 * v);
      PLUMB_UNROLL(16)
      for (int c = 0; c < Chains; ++c) acc[c] = dot2(acc[c], w, broadcast_f32(activations + c));
    }
  }
  float out[16], sum = 0;
  for (int c = 0; c < Chains; ++c) {
    store_f32(out, acc[c]);
    for (int i = 0; i < 16; ++i) sum += out[i];
  }
  return sum;
}

static void add_bf16_probe(KernelTable& table) {
  table.probes.bf16 = {probe_bf16<kProbeBf16Chains>, kProbeBf16Chains * 4 * 32 * 2.0};
}
