// Elements of keys and values: 16 of them as f32. Included inside a tier's region.

struct KvF32 {
  static constexpr int kBytes = 4;
  PLUMB_INLINE F32x16 load(const std::byte* p) { return load_f32(p); }
};
struct KvF16 {
  static constexpr int kBytes = 2;
  PLUMB_INLINE F32x16 load(const std::byte* p) { return load_f16(p); }
};
struct KvI8 {  // codes; their scales are applied to the scores and to the weights
  static constexpr int kBytes = 1;
  PLUMB_INLINE F32x16 load(const std::byte* p) { return to_f32(load_i8_as_i32(p)); }
};

// How far ahead of their use keys and values are fetched into L2. Few rows compute for about 0.1 us on the 2 KiB of a
// tile of f16 keys, which is the latency of memory; hardware prefetching alone leaves half of the bandwidth unused.
constexpr std::int64_t kKvPrefetchBytes = 8192;
PLUMB_INLINE void prefetch_kv(const std::byte* p) { prefetch_l2(p + kKvPrefetchBytes); }

template <class Kv>
static void unpack_kv(const std::byte* from, std::int64_t n, float* to) {
  for (std::int64_t i = 0; i < n; i += 16) store_f32(to + i, Kv::load(from + i * Kv::kBytes));
}
