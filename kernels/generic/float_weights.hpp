// Packed float weights as the products with them see them. Included inside a tier's region, after simd.hpp.

// Packed weights are a struct with
//   kPairBytes            bytes of a pair of k of one panel
//   kPairWords            words of 32 bits that a pair of k takes in a column of x
//   load(pair, word)      what meets this word of a column: a lane for each row
//   multiply(acc, w, x)   acc plus their product

// Weights that become f32 and meet one k of f32 activations at a time.
struct WithF32 {
  static constexpr int kPairWords = 2;
  PLUMB_INLINE F32x16 multiply(F32x16 acc, F32x16 w, F32x16 x) { return mul_add(w, x, acc); }
};

struct F32Weights : WithF32 {
  static constexpr std::int64_t kPairBytes = 128;
  PLUMB_INLINE F32x16 load(const std::byte* pair, int k) { return load_f32(pair + 64 * k); }
};

struct F16Weights : WithF32 {
  static constexpr std::int64_t kPairBytes = 64;
  PLUMB_INLINE F32x16 load(const std::byte* pair, int k) { return load_f16(pair + 32 * k); }
};

// A lane holds the pair (k, k + 1) of its row, which is what a bfloat16 dot instruction eats; k is padded to even.
struct BF16Weights : WithF32 {
  static constexpr std::int64_t kPairBytes = 64;
  PLUMB_INLINE F32x16 load(const std::byte* pair, int k) { return k == 0 ? load_bf16_even(pair) : load_bf16_odd(pair); }
};
