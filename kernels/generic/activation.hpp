// gate[i] = act(gate[i]) * up[i], or act(gate[i]) where up is null. Included inside a tier's region.
//
// Every sigmoid-like function decays like an exponential for negative x, and what is small there is a power of two that
// must be applied after the other factors, or its rounding as a denormal number would show. Arguments of exp that are
// not x itself are taken in double: an error of one unit in the last place of a large exponent is a large relative
// error of the result.

// x * 2^power * mantissa / denominator, the power last.
PLUMB_INLINE F32x16 scaled_quotient(F32x16 x, Scaled e, F32x16 denominator) {
  return scale_by_power(div(mul(x, e.mantissa), denominator), e.power);
}

// Farther than this from 0, every tail of an activation function is 0 in f32.
constexpr float kFar = 200.0f;

// x s / (1 + e), where e = exp(-|argument|) and s = 1 for a positive argument, e for a negative one.
PLUMB_INLINE F32x16 times_sigmoid(F32x16 x, Mask16 negative, Scaled e) {
  const F32x16 denominator = add(splat_f32(1.0f), scale_by_power(e.mantissa, e.power));
  const Scaled factor{select(negative, e.mantissa, splat_f32(1.0f)), select(negative, e.power, zero_f32())};
  return scaled_quotient(max(splat_f32(-kFar), x), factor, denominator);
}

// 2^z for z <= 0 given in double; below -200 anything is 0 in f32.
PLUMB_INLINE Scaled exp2_scaled(F64x16 z) {
  z = max(splat_f64(-200.0), z);
  const F64x16 n = round(z);
  return {exp2_fraction(to_f32(sub(z, n))), to_f32(n)};
}

struct Silu {  // x / (1 + exp(-x))
  PLUMB_INLINE F32x16 apply(F32x16 x) { return times_sigmoid(x, less(x, zero_f32()), exp_scaled(negate(abs(x)))); }
};

struct GeluTanh {  // x / (1 + exp(-2 z)), z = sqrt(2 / pi) (x + 0.044715 x^3)
  PLUMB_INLINE F32x16 apply(F32x16 x) {
    constexpr double kLinear = -2 * 0.79788456080286535588 * kLog2EWide;
    const F64x16 size = to_f64(abs(x));
    const F64x16 slope = mul_add(mul(size, size), splat_f64(kLinear * 0.044715), splat_f64(kLinear));
    return times_sigmoid(x, less(x, zero_f32()), exp2_scaled(mul(size, slope)));
  }
};

// x Phi(x), Phi the normal distribution. With t = |x|: Phi(-t) = exp(-t^2 / 2) M(t), where (t + 3) M(t) is a polynomial
// in w = (t - 3) / (t + 3), relative error 2.1e-8 for t in [0, 15]; Phi(t) = 1 - Phi(-t).
struct Gelu {
  PLUMB_INLINE F32x16 apply(F32x16 x) {
    constexpr float kM[] = {0.729083692555f,     -0.50933217346f,   0.23001763033f,    -0.0472580176494f,
                            -0.010461518354f,    0.00693685513013f, 0.00101350929605f, -0.000947222589707f,
                            -0.000199390600444f, 5.451318663e-5f};
    const F32x16 t = abs(x), three = splat_f32(3.0f);
    const F64x16 wide = to_f64(t);
    const Scaled e = exp2_scaled(mul(mul(wide, wide), splat_f64(-0.5 * kLog2EWide)));
    const F32x16 near = min(splat_f32(15.0f), t), shifted = add(near, three);
    const F32x16 m = polynomial(div(sub(near, three), shifted), kM);
    const F32x16 close = max(splat_f32(-kFar), min(splat_f32(kFar), x));
    const F32x16 tail = scaled_quotient(close, {mul(m, e.mantissa), e.power}, shifted);  // x Phi(-t)
    return select(less(x, zero_f32()), tail, sub(x, tail));
  }
};

struct Relu {
  PLUMB_INLINE F32x16 apply(F32x16 x) { return max(zero_f32(), x); }  // in this order NaN survives
};
struct Relu2 {
  PLUMB_INLINE F32x16 apply(F32x16 x) { return mul(Relu::apply(x), Relu::apply(x)); }
};

// Above 0: above x^2 + linear x; elsewhere: below (e^min(x, eps) - 1 - x) + linear x.
PLUMB_INLINE F32x16 xielu(const XieluCurve& curve, F32x16 x) {
  const F32x16 low = sub(exp_less_one(min(splat_f32(curve.eps), x)), x);
  const F32x16 curved =
      select(less(zero_f32(), x), mul(splat_f32(curve.above), mul(x, x)), mul(splat_f32(curve.below), low));
  return mul_add(splat_f32(curve.linear), x, curved);
}

static void xielu_of(const XieluCurve& curve, float* x, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_f32(x + i, xielu(curve, load_f32(x + i)));
  if (i < n) store_f32_first(x + i, xielu(curve, load_f32_first(x + i, n - i)), n - i);
}

template <class Act>
static void activate(float* gate, const float* up, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const F32x16 y = Act::apply(load_f32(gate + i));
    store_f32(gate + i, up ? mul(y, load_f32(up + i)) : y);
  }
  if (i == n) return;
  const F32x16 y = Act::apply(load_f32_first(gate + i, n - i));
  store_f32_first(gate + i, up ? mul(y, load_f32_first(up + i, n - i)) : y, n - i);
}
