// Vectors of the scale searches in the avx512 tier. Included inside its region.

constexpr int kLanes = 16;
typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef std::int32_t Ints __attribute__((vector_size(4 * kLanes)));
typedef std::uint16_t Shorts __attribute__((vector_size(2 * kLanes)));

// a < b ? a : b and a > b ? a : b, by name: g++ makes a compare and a blend of the generic form, which costs the
// integer searches a quarter of their speed. (maskz: the plain intrinsic trips a g++ 12 warning about its own header.)
static inline Floats smaller(Floats a, Floats b) { return _mm512_maskz_min_ps(0xFFFF, a, b); }
static inline Floats larger(Floats a, Floats b) { return _mm512_maskz_max_ps(0xFFFF, a, b); }
