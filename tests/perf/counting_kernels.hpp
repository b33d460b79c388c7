#pragma once
/// A kernel table that counts: every kernel is wrapped by one that notes which bytes it was given and how much
/// arithmetic that means.

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "plumb/cpu/kernel_table.hpp"

namespace plumb::test::counting {

/// Bytes of memory, each counted once however often it is added.
class Touched {
 public:
  void add(const std::byte* from, std::size_t bytes) { parts_.emplace_back(from, from + bytes); }
  double bytes() {
    std::sort(parts_.begin(), parts_.end());
    double sum = 0;
    const std::byte* end = nullptr;
    for (const auto& [first, last] : parts_) {
      const std::byte* const from = end != nullptr && first < end ? end : first;
      if (last > from) sum += static_cast<double>(last - from);
      end = std::max(end, last);
    }
    return sum;
  }

 private:
  std::vector<std::pair<const std::byte*, const std::byte*>> parts_;
};

/// What one pass did.
struct Counts {
  Touched weights;  ///< panels of matrices
  Touched norms;    ///< weights and biases of norms
  double macs_int8 = 0, macs_float = 0;
  double unpacked = 0;
  double rms_normed = 0, layer_normed = 0, rotated = 0, gated = 0, plain = 0, curved = 0;  ///< elements
  double quantized = 0, capped = 0;
  double scores = 0, score_macs = 0, capped_scores = 0, sloped_scores = 0, sinks = 0;
  Touched taps, rates, state;  ///< of recurrent mixers: weights of convolutions, of decays; what sequences remember
  double convolved = 0, remembered = 0, decays = 0, lengths = 0;  ///< operations; elements
  /// Positions that were read, by the layer that read them and the address of their range of keys.
  struct Range {
    std::vector<bool> seen;
    double bytes = 0;  ///< of one position: key and value
  };
  std::map<std::pair<int, const std::byte*>, Range> keys;
  int attentions = 0;             ///< layers with attention so far
  bool multiplied_since = false;  ///< products stand between the attention of one layer and that of the next
  double stored = 0;              ///< bytes of keys and values written
  /// Where the state lies: what attention reads elsewhere was read from there before.
  const std::byte* state_begin = nullptr;
  const std::byte* state_end = nullptr;
  Touched latents;                                 ///< rows of latent vectors
  std::map<const std::byte*, double> scale_bytes;  ///< of int8 rows, by the address of the rows
  double index_pairs = 0, index_products = 0, index_macs = 0;
  std::map<const std::byte*, double> index_bytes;  ///< keys of indexers, by the address of a range

  bool in_state(const void* p) const { return p >= state_begin && p < state_end; }

  double keys_read() const {
    double sum = 0;
    for (const auto& [place, range] : keys)
      sum += range.bytes * static_cast<double>(std::count(range.seen.begin(), range.seen.end(), true));
    return sum;
  }
  double latents_read() {
    double sum = latents.bytes();
    for (const auto& [address, bytes] : scale_bytes) sum += bytes;
    return sum;
  }
  double index_read() const {
    double sum = 0;
    for (const auto& [address, bytes] : index_bytes) sum += bytes;
    return sum;
  }
};

inline std::mutex mutex;
inline Counts counts;
/// The best tier whose products with bfloat16 weights take f32 activations: one set of kernels then serves them all.
inline const KernelTable& real = active_kernels().matmul_for(DType::bf16).activations == ActivationForm::bf16
                                     ? kernels_for(Isa::avx512_vnni)
                                     : active_kernels();

/// Whether a product turns stored values of `type` into what the arithmetic takes.
inline bool unpacks(std::size_t type) { return static_cast<DType>(type) != DType::f32; }

/// Panels; of the last one the share of the rows that exist, since routers of few experts are padded.
inline void note_panels(std::size_t type, const PanelProduct& p) {
  for (std::int64_t r = 0; r < p.n_rows; r += kPanelRows) {
    const auto rows = static_cast<std::size_t>(std::min<std::int64_t>(kPanelRows, p.n_rows - r));
    counts.weights.add(p.panels + static_cast<std::size_t>(r / kPanelRows) * p.panel_stride,
                       panel_bytes(static_cast<DType>(type), p.k) * rows / kPanelRows);
  }
}

inline void note_product(DType type, const PanelProduct& p, int columns) {
  counts.multiplied_since = true;
  const double macs = static_cast<double>(p.n_rows * p.k) * columns;
  (uses_int8_activations(type) ? counts.macs_int8 : counts.macs_float) += macs;
}

template <std::size_t Type, std::size_t Column>
void direct(const PanelProduct& p) {
  constexpr auto kType = static_cast<DType>(Type);
  {
    const std::lock_guard lock(mutex);
    note_product(kType, p, static_cast<int>(Column) + 1);
    note_panels(Type, p);
    if (unpacks(Type)) counts.unpacked += static_cast<double>(p.n_rows * p.k);
  }
  real.matmul[Type].direct[Column](p);
}

template <std::size_t Type, std::size_t Column>
void tile(const PanelProduct& p) {
  {
    const std::lock_guard lock(mutex);
    note_product(static_cast<DType>(Type), p, static_cast<int>(Column) + 1);
    if (real.matmul[Type].unpack == nullptr) {  // panels are multiplied where they lie
      note_panels(Type, p);
      if (unpacks(Type)) counts.unpacked += static_cast<double>(p.n_rows * p.k);
    }
  }
  real.matmul[Type].tile[Column](p);
}

template <std::size_t Type>
void unpack(const std::byte* panel, std::int64_t first_k, std::int64_t k, std::byte* out) {
  constexpr auto kType = static_cast<DType>(Type);
  {
    const std::lock_guard lock(mutex);
    // Blocks of consecutive k lie one after the other in a panel.
    counts.weights.add(panel + panel_bytes(kType, first_k), panel_bytes(kType, k));
    if (unpacks(Type)) counts.unpacked += static_cast<double>(k * kPanelRows);
  }
  real.matmul[Type].unpack(panel, first_k, k, out);
}

template <std::size_t Type, std::size_t... Column>
void wrap_columns(KernelTable& table, std::index_sequence<Column...>) {
  ((table.matmul[Type].tile[Column] = tile<Type, Column>), ...);
}
template <std::size_t Type, std::size_t... Column>
void wrap_direct(KernelTable& table, std::index_sequence<Column...>) {
  ((table.matmul[Type].direct[Column] = direct<Type, Column>), ...);
}
template <std::size_t Type>
void wrap_type(KernelTable& table) {
  if (!table.matmul[Type].available()) return;
  wrap_direct<Type>(table, std::make_index_sequence<kDirectCols>());
  wrap_columns<Type>(table, std::make_index_sequence<kTileCols>());
  if (table.matmul[Type].unpack != nullptr) table.matmul[Type].unpack = unpack<Type>;
}
template <DType... Types>
void wrap_types(KernelTable& table) {
  (wrap_type<static_cast<std::size_t>(Types)>(table), ...);
}

/// A norm's weight or bias; null where it has none.
inline void note_vector(const float* values, std::int64_t n) {
  if (values != nullptr)
    counts.norms.add(reinterpret_cast<const std::byte*>(values), static_cast<std::size_t>(n) * sizeof(float));
}
inline void rms_norm(const float* x, const float* weight, float eps, float* y, std::int64_t n) {
  {
    const std::lock_guard lock(mutex);
    counts.rms_normed += static_cast<double>(n);
    note_vector(weight, n);
  }
  real.vector.rms_norm(x, weight, eps, y, n);
}
inline void layer_norm(const float* x, const float* weight, const float* bias, float eps, float* y, std::int64_t n) {
  {
    const std::lock_guard lock(mutex);
    counts.layer_normed += static_cast<double>(n);
    note_vector(weight, n);
    note_vector(bias, n);
  }
  real.vector.layer_norm(x, weight, bias, eps, y, n);
}
inline void tanh(const float* x, float* y, std::int64_t n) {
  {
    const std::lock_guard lock(mutex);
    counts.capped += static_cast<double>(n);
  }
  real.vector.tanh(x, y, n);
}
inline void rotate_halves(const float* cos_sin, std::int64_t pairs, float* head) {
  {
    const std::lock_guard lock(mutex);
    counts.rotated += 2.0 * static_cast<double>(pairs);
  }
  real.vector.rotate_halves(cos_sin, pairs, head);
}
inline void rotate_interleaved(const float* cos_sin, std::int64_t pairs, float* head) {
  {
    const std::lock_guard lock(mutex);
    counts.rotated += 2.0 * static_cast<double>(pairs);
  }
  real.vector.rotate_interleaved(cos_sin, pairs, head);
}
template <ActivationKernel VectorKernels::*Kernel>
void activation(float* gate, const float* up, std::int64_t n) {
  {
    const std::lock_guard lock(mutex);
    (up != nullptr ? counts.gated : counts.plain) += static_cast<double>(n);
  }
  (real.vector.*Kernel)(gate, up, n);
}
inline void xielu(const XieluCurve& curve, float* x, std::int64_t n) {
  {
    const std::lock_guard lock(mutex);
    counts.curved += static_cast<double>(n);
  }
  real.vector.xielu(curve, x, n);
}
inline void quantize_activations(const float* x, std::int64_t stride, std::int64_t n, std::int64_t cols,
                                 std::byte* out) {
  {
    const std::lock_guard lock(mutex);
    counts.quantized += static_cast<double>(n * cols);
  }
  real.quantize_activations(x, stride, n, cols, out);
}

constexpr DType kKvOf[] = {DType::f32, DType::f16, DType::i8};

template <int Kv>
void attend(const AttentionRange& range) {
  {
    const std::lock_guard lock(mutex);
    if (std::exchange(counts.multiplied_since, false)) ++counts.attentions;
    Counts::Range turned;  // of keys that lie in the worker's memory
    auto& [seen, bytes] = counts.in_state(range.k) ? counts.keys[{counts.attentions, range.k}] : turned;
    seen.resize(kKeyRange, false);
    bytes = static_cast<double>(range.k_tile_bytes + range.v_tile_bytes) / kKeyTile;
    double scores = 0;
    for (int m = 0; m < range.rows; ++m)
      for (int key = range.first_key; key < range.end_key; ++key) {
        if (range.start + key < range.first[m] || range.start + key >= range.end[m]) continue;
        seen[static_cast<std::size_t>(key)] = true;
        scores += 1;
      }
    counts.scores += scores;
    counts.score_macs += scores * (range.k_dim + range.v_dim);
    if (range.softcap > 0) counts.capped_scores += scores;
    if (range.slope != nullptr) counts.sloped_scores += scores;
  }
  real.attention.attend[Kv](range);
}
template <int Kv>
void store_key(const float* key, int dim, std::byte* out, int slot) {
  {
    const std::lock_guard lock(mutex);
    counts.stored += static_cast<double>(kv_tile_bytes(kKvOf[Kv], dim)) / kKeyTile;
  }
  real.attention.store_key[Kv](key, dim, out, slot);
}
template <int Kv>
void store_value(const float* value, int dim, std::byte* out, int slot) {
  {
    const std::lock_guard lock(mutex);
    counts.stored += static_cast<double>(kv_tile_bytes(kKvOf[Kv], dim)) / kKeyTile;
  }
  real.attention.store_value[Kv](value, dim, out, slot);
}

/// Address of the rows that this thread has turned into f32 last.
inline thread_local const std::byte* last_rows = nullptr;

template <int Kv>
void unpack_rows(const std::byte* from, std::int64_t n, float* to) {
  {
    const std::lock_guard lock(mutex);
    last_rows = from;
    if (counts.in_state(from))
      counts.latents.add(from, static_cast<std::size_t>(n) * dtype_info(kKvOf[Kv]).block_bytes);
  }
  real.attention.unpack[Kv](from, n, to);
}
inline void keys_of_rows(const float* rows, std::int64_t stride, int count, int dim, const std::byte* scales,
                         float* keys) {
  {
    const std::lock_guard lock(mutex);
    for (int p = 0; p < count && counts.in_state(rows); ++p)
      counts.latents.add(reinterpret_cast<const std::byte*>(rows + p * stride),
                         static_cast<std::size_t>(dim) * sizeof(float));
    if (scales != nullptr) counts.scale_bytes[last_rows] = count * 4.0;
  }
  real.attention.keys_of_rows(rows, stride, count, dim, scales, keys);
}
template <int Kv>
void index_scores(const IndexRange& range) {
  {
    const std::lock_guard lock(mutex);
    const double positions = range.positions;
    counts.index_pairs += positions;
    counts.index_products += positions * range.heads;
    counts.index_macs += positions * range.heads * range.dim;
    double& bytes = counts.index_bytes[range.k];
    bytes = std::max(bytes, positions * static_cast<double>(range.k_tile_bytes) / kKeyTile);
  }
  real.attention.index_scores[Kv](range);
}

inline void finish(const float* acc, float top, float total, float sink, float* out, int v_dim) {
  {
    const std::lock_guard lock(mutex);
    if (std::isfinite(sink)) counts.sinks += 1;
  }
  real.attention.finish(acc, top, total, sink, out, v_dim);
}

inline const std::byte* bytes_of(const float* p) { return reinterpret_cast<const std::byte*>(p); }

inline void convolve(const Convolution& c) {
  {
    const std::lock_guard lock(mutex);
    const double extra = (c.silu ? 4 : 0) + (c.gate ? 1 : 0) + (c.times ? 1 : 0) + (c.bias != nullptr ? 1 : 0);
    counts.convolved += static_cast<double>(c.rows.count * c.channels) * (2 * c.kernel + extra);
    const auto row = static_cast<std::size_t>(c.channels) * sizeof(float);
    for (int j = 0; j < c.kernel; ++j) counts.taps.add(bytes_of(c.weight[j]), row);
    if (c.bias != nullptr) counts.taps.add(bytes_of(c.bias), row);
    for (int j = 0; j + 1 < c.kernel; ++j) counts.state.add(bytes_of(c.history[j]), row);
  }
  real.recurrent.convolve(c);
}
template <bool Channels>
void delta_rule(const DeltaRule& rule) {
  {
    const std::lock_guard lock(mutex);
    const double columns = static_cast<double>(rule.rows.count * rule.columns);
    const auto k_dim = static_cast<double>(rule.k_dim);
    counts.remembered += columns * (k_dim * (Channels ? 8 : 7) + (Channels ? 2 : 3));
    counts.state.add(bytes_of(rule.state), static_cast<std::size_t>(rule.columns * rule.k_dim) * sizeof(float));
  }
  (Channels ? real.recurrent.delta_rule_channels : real.recurrent.delta_rule)(rule);
}
inline void delta_rule_keys(const DeltaRule& rule) {
  {
    const std::lock_guard lock(mutex);
    const double values = static_cast<double>(rule.columns * rule.k_dim);
    counts.remembered += static_cast<double>(rule.rows.count) * values * 9;
    counts.state.add(bytes_of(rule.state), static_cast<std::size_t>(values) * sizeof(float));
  }
  real.recurrent.delta_rule_keys(rule);
}
inline void l2_norm(const float* x, float eps, float scale, float* y, std::int64_t n) {
  {
    const std::lock_guard lock(mutex);
    counts.lengths += static_cast<double>(n);
  }
  real.recurrent.l2_norm(x, eps, scale, y, n);
}
inline void decay(float* x, const float* bias, const float* rate, std::int64_t rate_step, std::int64_t n) {
  {
    const std::lock_guard lock(mutex);
    counts.decays += static_cast<double>(n);
    counts.rates.add(bytes_of(bias), static_cast<std::size_t>(n) * sizeof(float));
    counts.rates.add(bytes_of(rate), static_cast<std::size_t>(rate_step == 0 ? 1 : n) * sizeof(float));
  }
  real.recurrent.decay(x, bias, rate, rate_step, n);
}

inline void note_rates(const float* values, std::int64_t n) {
  if (values != nullptr) counts.rates.add(bytes_of(values), static_cast<std::size_t>(n) * sizeof(float));
}
template <bool Channels>
void scan(const StateScan& s) {
  {
    const std::lock_guard lock(mutex);
    const double outputs = static_cast<double>(s.rows.count * s.columns);
    counts.remembered += outputs * (static_cast<double>(s.size) * (Channels ? 7 : 5) + 8);
    note_rates(s.skip, Channels ? s.columns : 1);
    note_rates(s.rate, s.columns * s.size);
    counts.state.add(bytes_of(s.state), static_cast<std::size_t>(s.columns * s.size) * sizeof(float));
  }
  (Channels ? real.recurrent.scan_channels : real.recurrent.scan)(s);
}
inline void steps(const float* x, const float* bias, const float* rate, float* step, float* keep, std::int64_t n) {
  {
    const std::lock_guard lock(mutex);
    counts.remembered += static_cast<double>(n) * (keep != nullptr ? 6 : 4);
    note_rates(bias, n);
    note_rates(rate, n);
  }
  real.recurrent.steps(x, bias, rate, step, keep, n);
}

inline KernelTable counting_table() {
  KernelTable table = real;
  wrap_types<DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q5_1, DType::q4_k, DType::q6_k>(
      table);
  table.exact_bf16 = table.matmul_for(DType::bf16);
  table.vector.rms_norm = rms_norm;
  table.vector.rotate_halves = rotate_halves;
  table.vector.rotate_interleaved = rotate_interleaved;
  table.vector.layer_norm = layer_norm;
  table.vector.tanh = tanh;
  table.vector.silu = activation<&VectorKernels::silu>;
  table.vector.gelu = activation<&VectorKernels::gelu>;
  table.vector.gelu_tanh = activation<&VectorKernels::gelu_tanh>;
  table.vector.relu = activation<&VectorKernels::relu>;
  table.vector.relu2 = activation<&VectorKernels::relu2>;
  table.vector.xielu = xielu;
  table.quantize_activations = quantize_activations;
  table.attention.attend[0] = attend<0>;
  table.attention.attend[1] = attend<1>;
  table.attention.attend[2] = attend<2>;
  table.attention.finish = finish;
  table.attention.unpack[0] = unpack_rows<0>;
  table.attention.unpack[1] = unpack_rows<1>;
  table.attention.unpack[2] = unpack_rows<2>;
  table.attention.keys_of_rows = keys_of_rows;
  table.attention.index_scores[0] = index_scores<0>;
  table.attention.index_scores[1] = index_scores<1>;
  table.attention.index_scores[2] = index_scores<2>;
  table.attention.store_key[0] = store_key<0>;
  table.attention.store_key[1] = store_key<1>;
  table.attention.store_key[2] = store_key<2>;
  table.attention.store_value[0] = store_value<0>;
  table.attention.store_value[1] = store_value<1>;
  table.attention.store_value[2] = store_value<2>;
  table.recurrent.convolve = convolve;
  table.recurrent.delta_rule = delta_rule<false>;
  table.recurrent.delta_rule_channels = delta_rule<true>;
  table.recurrent.delta_rule_keys = delta_rule_keys;
  table.recurrent.l2_norm = l2_norm;
  table.recurrent.decay = decay;
  table.recurrent.scan = scan<false>;
  table.recurrent.scan_channels = scan<true>;
  table.recurrent.steps = steps;
  return table;
}

}  // namespace plumb::test::counting
