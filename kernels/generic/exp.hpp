// exp, 2^x and tanh of 16 lanes. Included inside a tier's region.
//
//     exp(x) = 2^n e^r,  n = round(x / ln 2),  r = x - n ln 2,  |r| <= ln(2) / 2
//
// ln 2 is subtracted in two parts, the first with so few bits that n times it is exact even without FMA (Cody and Waite
// 1980). The polynomials are minimax (Remez) for their interval; the error bounds in the comments are theirs, before
// rounding. Powers of two are applied last and rounded once: results that are denormal numbers are not flushed. NaN
// stays NaN, infinities give 0 and infinity.

constexpr float kLog2E = 1.44269504088896341f;
constexpr double kLog2EWide = 1.4426950408889634074;

template <int N>
PLUMB_INLINE F32x16 polynomial(F32x16 x, const float (&c)[N]) {  // c[0] + c[1] x + ...
  F32x16 y = splat_f32(c[N - 1]);
  PLUMB_UNROLL(16)
  for (int i = N - 2; i >= 0; --i) y = mul_add(y, x, splat_f32(c[i]));
  return y;
}

// A number as mantissa * 2^power, so that a caller can multiply before the result underflows.
struct Scaled {
  F32x16 mantissa, power;
};

// x in [-120, 89]; what lies outside is 0 or infinity whatever it is multiplied with in these kernels. The mantissa is
// less 1: e^r - 1.
PLUMB_INLINE Scaled exp_less_one_scaled(F32x16 x) {
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  // e^r = 1 + r + r^2 q(r), relative error 3.1e-9
  constexpr float kQ[] = {0.499999934518f, 0.166665206868f, 0.0416683873078f, 0.00836871010149f, 0.0013814617036f};
  x = max(splat_f32(-120.0f), min(splat_f32(89.0f), x));  // in this order NaN survives
  const F32x16 n = round(mul(x, splat_f32(kLog2E)));
  F32x16 r = neg_mul_add(n, splat_f32(kLn2High), x);
  r = neg_mul_add(n, splat_f32(kLn2Low), r);
  return {mul_add(mul(r, r), polynomial(r, kQ), r), n};
}

PLUMB_INLINE Scaled exp_scaled(F32x16 x) {
  const Scaled e = exp_less_one_scaled(x);
  return {add(e.mantissa, splat_f32(1.0f)), e.power};
}

// e^x - 1 for x <= 0, also where that is nearly x: 2^n (e^r - 1) + (2^n - 1), the latter exact where it matters.
PLUMB_INLINE F32x16 exp_less_one(F32x16 x) {
  const Scaled e = exp_less_one_scaled(x);
  const F32x16 one = splat_f32(1.0f);
  return add(scale_by_power(e.mantissa, e.power), sub(scale_by_power(one, e.power), one));
}

PLUMB_INLINE F32x16 exp(F32x16 x) {
  const Scaled e = exp_scaled(x);
  return scale_by_power(e.mantissa, e.power);
}

// 2^r for |r| <= 1/2, relative error 2.0e-9.
PLUMB_INLINE F32x16 exp2_fraction(F32x16 r) {
  constexpr float kS[] = {0.693147202854f,   0.240226479132f,   0.0555033247214f,
                          0.00961843740793f, 0.00133988742315f, 0.000153533486515f};
  return mul_add(r, polynomial(r, kS), splat_f32(1.0f));
}

// 2^x for x <= 128: the softmax of scores that were multiplied with log2(e) beforehand.
PLUMB_INLINE F32x16 exp2(F32x16 x) {
  x = max(splat_f32(-160.0f), x);
  const F32x16 n = round(x);
  return scale_by_power(exp2_fraction(sub(x, n)), n);
}

// The same with relative error 2.9e-6, a hundredth of what is lost when the result becomes bf16.
PLUMB_INLINE F32x16 exp2_for_bf16(F32x16 x) {
  constexpr float kS[] = {0.693124193418f, 0.240240986099f, 0.0559064245972f, 0.00958285309522f};
  x = max(splat_f32(-160.0f), x);
  const F32x16 n = round(x), r = sub(x, n);
  return scale_by_power(mul_add(r, polynomial(r, kS), splat_f32(1.0f)), n);
}

// tanh(x) = x + x^3 P(x^2) for |x| < 0.625 (relative error 4.4e-9), else 1 - 2 / (e^2|x| + 1) with the sign of x.
PLUMB_INLINE F32x16 tanh(F32x16 x) {
  constexpr float kP[] = {-0.333332819414f, 0.133314421872f, -0.0537397143195f, 0.0206390849455f, -0.00570498453091f};
  const F32x16 size = abs(x), square = mul(x, x);
  const F32x16 small = mul_add(mul(x, square), polynomial(square, kP), x);
  const F32x16 e = exp(add(size, size));
  const F32x16 large = sub(splat_f32(1.0f), div(splat_f32(2.0f), add(e, splat_f32(1.0f))));
  return select(less(size, splat_f32(0.625f)), small, copy_sign(large, x));
}
