// The gated delta rule, and what makes its operands. Included inside a tier's region.
//
//     S = diag(g) S;   d = beta (v - S^T k);   S += k d^T;   out = S^T q          S [k_dim, columns]
//
// and its form with keys of their own for what is recalled and what is replaced (RWKV 7):
//
//     d = S^T a;   S = diag(g) S + k v^T - b d^T;   out = S^T q
//
// The state as it lies: blocks of 16 columns, a vector a row of S, so that one k and one q broadcast serve a block and
// no sum crosses lanes. Per row of the batch a block is read twice: for S^T k, then for the update and S^T q at once.
// With g a number, S^T k is summed before the decay and multiplied afterwards.
//
// Budget, for a block of 128 x 16 (8 KiB) in the first-level cache: 2 loads, 1 store, 1 multiply and 3 FMAs a vector of
// S, which is 2 cycles where two FMAs are issued. Sums run in four parts, or each FMA would wait for the one before it;
// 512-bit tiers take two blocks at once, and so have eight. On heads of 128 x 128 a row costs 7 * 128 * 128 operations.
// Several keys take one FMA and one broadcast more a vector.
//
// The chunked form (the WY representation of Yang et al. 2024) is the obvious alternative for prompts. Per row and head
// it needs the same three products with S and, in chunks of 64, four more of 64 x 128 inside the chunk: more arithmetic
// and not less. It pays on matrix units and where a state must be fetched for every row; here the state stays in the
// cache for all rows of a batch, columns keep every thread busy, and one row after the other gives the same bits
// however a text is cut.

template <int Blocks>
PLUMB_INLINE void clear_sums(F32x16 (&sums)[4][Blocks]) {
  PLUMB_UNROLL(4)
  for (int p = 0; p < 4; ++p) {
    PLUMB_UNROLL(4)
    for (int b = 0; b < Blocks; ++b) sums[p][b] = zero_f32();
  }
}
template <int Blocks>
PLUMB_INLINE F32x16 total_of(const F32x16 (&sums)[4][Blocks], int b) {
  return add(add(sums[0][b], sums[1][b]), add(sums[2][b], sums[3][b]));
}

// part += S[k] * k[k] for one k, decayed before or not.
template <int Blocks, bool Decay>
PLUMB_INLINE void delta_recall(F32x16 (&part)[Blocks], const float* state, std::int64_t stride, const float* key,
                               const float* decay) {
  const F32x16 k = broadcast_f32(key);
  PLUMB_UNROLL(4)
  for (int b = 0; b < Blocks; ++b) {
    F32x16 s = load_f32(state + b * stride);
    if (Decay) s = mul(s, broadcast_f32(decay));
    part[b] = mul_add(s, k, part[b]);
  }
}

// S[k] = S[k] * decay + k[k] * d - replace[k] * known, and part += S[k] * q[k]. `taken`: -known, where there are
// several keys.
template <int Blocks, bool Keys>
PLUMB_INLINE void delta_update(F32x16 (&part)[Blocks], float* state, std::int64_t stride, const float* key,
                               const float* replace, const float* query, F32x16 decay, const F32x16 (&change)[Blocks],
                               const F32x16 (&taken)[Blocks]) {
  const F32x16 k = broadcast_f32(key), q = broadcast_f32(query);
  PLUMB_UNROLL(4)
  for (int b = 0; b < Blocks; ++b) {
    F32x16 s = mul_add(k, change[b], mul(load_f32(state + b * stride), decay));
    if (Keys) s = mul_add(broadcast_f32(replace), taken[b], s);
    store_f32(state + b * stride, s);
    part[b] = mul_add(s, q, part[b]);
  }
}

enum class DeltaKind { one_decay, channels, keys };

// All rows, for `Blocks` blocks from column `first` on.
template <int Blocks, DeltaKind Kind>
static void delta_blocks(const DeltaRule& rule, std::int64_t first) {
  constexpr bool kOneDecay = Kind == DeltaKind::one_decay, kKeys = Kind == DeltaKind::keys;
  constexpr bool kDecayFirst = Kind == DeltaKind::channels;
  const std::int64_t k_dim = rule.k_dim, stride = k_dim * 16, whole = k_dim / 4 * 4, rest = k_dim - whole;
  float* const state = rule.state + first * k_dim;
  for (std::int64_t i = 0; i < rule.rows.count; ++i) {
    const std::int64_t n = rule.rows[i];
    const float *const key = rule.k[n], *const query = rule.q[n], *const decay = rule.decay[n];
    const float *const recall = kKeys ? rule.recall[n] : key, *const replace = kKeys ? rule.replace[n] : key;
    F32x16 sums[4][Blocks];
    clear_sums(sums);
    for (std::int64_t k = 0; k < whole; k += 4) {
      PLUMB_UNROLL(4)
      for (int p = 0; p < 4; ++p)
        delta_recall<Blocks, kDecayFirst>(sums[p], state + (k + p) * 16, stride, recall + k + p, decay + k + p);
    }
    PLUMB_UNROLL(4)
    for (int p = 0; p < 3; ++p) {
      if (p >= rest) break;
      const std::int64_t k = whole + p;
      delta_recall<Blocks, kDecayFirst>(sums[p], state + k * 16, stride, recall + k, decay + k);
    }

    const F32x16 one_decay = broadcast_f32(decay), beta = kKeys ? zero_f32() : broadcast_f32(rule.beta[n]);
    F32x16 change[Blocks], taken[Blocks];
    PLUMB_UNROLL(4)
    for (int b = 0; b < Blocks; ++b) {
      const F32x16 value = load_row(rule.v[n], first + b * 16, rule.columns);
      F32x16 known = total_of(sums, b);
      if (kOneDecay) known = mul(known, one_decay);
      taken[b] = negate(known);
      change[b] = kKeys ? value : mul(sub(value, known), beta);
    }

    clear_sums(sums);
    for (std::int64_t k = 0; k < whole; k += 4) {
      PLUMB_UNROLL(4)
      for (int p = 0; p < 4; ++p)
        delta_update<Blocks, kKeys>(sums[p], state + (k + p) * 16, stride, key + k + p, replace + k + p, query + k + p,
                                    kOneDecay ? one_decay : broadcast_f32(decay + k + p), change, taken);
    }
    PLUMB_UNROLL(4)
    for (int p = 0; p < 3; ++p) {
      if (p >= rest) break;
      const std::int64_t k = whole + p;
      delta_update<Blocks, kKeys>(sums[p], state + k * 16, stride, key + k, replace + k, query + k,
                                  kOneDecay ? one_decay : broadcast_f32(decay + k), change, taken);
    }
    PLUMB_UNROLL(4)
    for (int b = 0; b < Blocks; ++b) store_row(rule.out[n], first + b * 16, rule.columns, total_of(sums, b));
  }
}

template <DeltaKind Kind>
static void delta_rule(const DeltaRule& rule) {
  std::int64_t first = 0;
  for (; first + (kDeltaBlocks - 1) * 16 < rule.columns; first += kDeltaBlocks * 16)
    delta_blocks<kDeltaBlocks, Kind>(rule, first);
  for (; first < rule.columns; first += 16) delta_blocks<1, Kind>(rule, first);
}

static void l2_norm(const float* x, float eps, float scale, float* y, std::int64_t n) {
  F64x16 squares = zero_f64();
  for (std::int64_t i = 0; i < n; i += 16) {
    const F64x16 wide = to_f64(load_row(x, i, n));
    squares = mul_add(wide, wide, squares);
  }
  const double length = std::sqrt(reduce_add(squares)), least = static_cast<double>(eps);
  const F32x16 factor = splat_f32(static_cast<float>(static_cast<double>(scale) / (length > least ? length : least)));
  for (std::int64_t i = 0; i < n; i += 16) store_row(y, i, n, mul(load_row(x, i, n), factor));
}

// ln(1 + e^x) = max(x, 0) + ln(1 + u), u = e^-|x|; ln(1 + u) = 2 atanh(w), w = u / (2 + u) <= 1/3, whose series has a
// relative error of 4e-10 after nine terms.
PLUMB_INLINE F32x16 softplus(F32x16 x) {
  constexpr float kOdd[] = {2.0f,         2.0f / 3.0f,  2.0f / 5.0f,  2.0f / 7.0f, 2.0f / 9.0f,
                            2.0f / 11.0f, 2.0f / 13.0f, 2.0f / 15.0f, 2.0f / 17.0f};
  const F32x16 u = exp(negate(abs(x))), w = div(u, add(u, splat_f32(2.0f)));
  return add(max(zero_f32(), x), mul(w, polynomial(mul(w, w), kOdd)));
}

PLUMB_INLINE F32x16 decay_at(F32x16 x, F32x16 bias, F32x16 rate) { return exp(mul(rate, softplus(add(x, bias)))); }

static void decay_of(float* x, const float* bias, const float* rate, std::int64_t rate_step, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16) {
    const F32x16 rates = rate_step == 0 ? broadcast_f32(rate) : load_row(rate, i, n);
    store_row(x, i, n, decay_at(load_row(x, i, n), load_row(bias, i, n), rates));
  }
}
