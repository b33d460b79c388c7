// Vectors of the scale searches in the scalar tier: what every machine has (SSE2, NEON). Included inside its region.

constexpr int kLanes = 4;
typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef std::int32_t Ints __attribute__((vector_size(4 * kLanes)));
typedef std::uint16_t Shorts __attribute__((vector_size(2 * kLanes)));

// a < b ? a : b and a > b ? a : b, by name: g++ makes a compare and a blend of the generic form, which costs the
// integer searches a quarter of their speed.
#if defined(__x86_64__)
static inline Floats smaller(Floats a, Floats b) { return _mm_min_ps(a, b); }
static inline Floats larger(Floats a, Floats b) { return _mm_max_ps(a, b); }
#else
static inline Floats smaller(Floats a, Floats b) { return a < b ? a : b; }
static inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }
#endif
