// The ledger against a forward pass that counts: every kernel of the table is wrapped by one that notes which bytes it
// was given and how much arithmetic that means. The counts come from the calls that were really made, with the operands
// that were really passed; none of the ledger's formulas is used.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "plumb/core/parallel.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/model/model.hpp"
#include "plumb/perf/ledger.hpp"

namespace plumb {
namespace {

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
  Touched norms;    ///< weights of norms
  double macs_int8 = 0, macs_float = 0;
  double unpacked = 0;
  double normed = 0, rotated = 0, activated = 0, quantized = 0;  ///< elements
  double scores = 0, score_macs = 0;
  /// Positions that were read, by the address of their range of keys.
  std::map<const std::byte*, std::vector<bool>> keys;
  double key_bytes = 0;  ///< of one position: key and value
  double stored = 0;     ///< bytes of keys and values written

  double positions() const {
    double sum = 0;
    for (const auto& [range, seen] : keys) sum += static_cast<double>(std::count(seen.begin(), seen.end(), true));
    return sum;
  }
};

std::mutex mutex;
Counts counts;
/// The best tier whose products with bfloat16 weights take f32 activations: one set of kernels then serves them all.
const KernelTable& real = active_kernels().matmul_for(DType::bf16).activations == ActivationForm::bf16
                              ? kernels_for(Isa::avx512_vnni)
                              : active_kernels();

/// Whether a product turns stored values of `type` into what the arithmetic takes.
bool unpacks(std::size_t type) { return static_cast<DType>(type) != DType::f32; }

void note_panels(std::size_t type, const PanelProduct& p) {
  for (std::int64_t r = 0; r < p.n_rows; r += kPanelRows)
    counts.weights.add(p.panels + static_cast<std::size_t>(r / kPanelRows) * p.panel_stride,
                       panel_bytes(static_cast<DType>(type), p.k));
}

void note_product(DType type, const PanelProduct& p, int columns) {
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

void rms_norm(const float* x, const float* weight, float eps, float* y, std::int64_t n) {
  {
    const std::lock_guard lock(mutex);
    counts.normed += static_cast<double>(n);
    counts.norms.add(reinterpret_cast<const std::byte*>(weight), static_cast<std::size_t>(n) * sizeof(float));
  }
  real.vector.rms_norm(x, weight, eps, y, n);
}
void rotate_halves(const float* cos_sin, std::int64_t pairs, float* head) {
  {
    const std::lock_guard lock(mutex);
    counts.rotated += 2.0 * static_cast<double>(pairs);
  }
  real.vector.rotate_halves(cos_sin, pairs, head);
}
void rotate_interleaved(const float* cos_sin, std::int64_t pairs, float* head) {
  {
    const std::lock_guard lock(mutex);
    counts.rotated += 2.0 * static_cast<double>(pairs);
  }
  real.vector.rotate_interleaved(cos_sin, pairs, head);
}
void silu(float* gate, const float* up, std::int64_t n) {
  {
    const std::lock_guard lock(mutex);
    counts.activated += static_cast<double>(n);
  }
  real.vector.silu(gate, up, n);
}
void quantize_activations(const float* x, std::int64_t stride, std::int64_t n, std::int64_t cols, std::byte* out) {
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
    auto& seen = counts.keys[range.k];
    seen.resize(kKeyRange, false);
    for (int m = 0; m < range.rows; ++m)
      for (int key = range.first_key; key < range.end_key; ++key) {
        if (range.start + key < range.first[m] || range.start + key >= range.end[m]) continue;
        seen[static_cast<std::size_t>(key)] = true;
        counts.scores += 1;
        counts.score_macs += range.k_dim + range.v_dim;
      }
    counts.key_bytes = static_cast<double>(range.k_tile_bytes + range.v_tile_bytes) / kKeyTile;
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

KernelTable counting_table() {
  KernelTable table = real;
  wrap_types<DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q5_1, DType::q4_k, DType::q6_k>(
      table);
  table.exact_bf16 = table.matmul_for(DType::bf16);
  table.vector.rms_norm = rms_norm;
  table.vector.rotate_halves = rotate_halves;
  table.vector.rotate_interleaved = rotate_interleaved;
  table.vector.silu = silu;
  table.quantize_activations = quantize_activations;
  table.attention.attend[0] = attend<0>;
  table.attention.attend[1] = attend<1>;
  table.attention.attend[2] = attend<2>;
  table.attention.store_key[0] = store_key<0>;
  table.attention.store_key[1] = store_key<1>;
  table.attention.store_key[2] = store_key<2>;
  table.attention.store_value[0] = store_value<0>;
  table.attention.store_value[1] = store_value<1>;
  table.attention.store_value[2] = store_value<2>;
  return table;
}

/// A pass that can be run and stated in the ledger's terms.
struct Pass {
  int position, tokens, sequences;
  bool all_logits;
};

/// Every dimension is a multiple of 16 and those that are summed over of 256, so that nothing is padded.
ModelSpec shape(int heads, int kv_heads) {
  ModelSpec spec;
  config.architecture = "llama";
  config.vocab_size = 320;
  config.width = 256;
  config.n_layers = 3;
  config.n_heads = heads;
  config.n_kv_heads = kv_heads;
  config.head_dim = 256 / heads;
  config.ffn_dim = 512;
  config.context = 1024;
  return config;
}

/// Runs `pass` after its positions have been read, and counts.
Counts run(const Model& model, const Pass& pass, DType kv, int threads) {
  static const KernelTable table = counting_table();
  // The model is immutable to its users; the object behind the handle is not const, and gets its own table back.
  Transformer& counting = const_cast<Transformer&>(model.transformer());
  const int end = pass.position + pass.tokens;
  KvCache cache(counting.spec, end, pass.sequences, kv);
  Scratch scratch(counting.spec, end * pass.sequences, end, threads);
  scratch.reserve_logits(std::int64_t{end} * pass.sequences, counting.spec.vocab_size);
  const auto forward = [&](int first, int count, bool all) {
    std::vector<BatchRow> rows;
    for (int s = 0; s < pass.sequences; ++s)
      for (int i = 0; i < count; ++i) rows.push_back({(first + i) % 320, first + i, s, all || i + 1 == count});
    ForwardPass work(counting, cache, scratch, rows);
    run_parallel(threads, [&](const Worker& worker) { work.run(worker); });
    for (int s = 0; s < pass.sequences; ++s) cache.extend(s, first + count);
  };
  if (pass.position > 0) forward(0, pass.position, false);
  counting.kernels = &table;
  counts = {};
  forward(pass.position, pass.tokens, pass.all_logits);
  counting.kernels = &real;
  return std::exchange(counts, {});
}

/// Operations of the choice of experts and of the sum of their outputs, which are no kernels of the table.
double choosing(const ModelSpec& spec, const Pass& pass) {
  const MoeConfig& moe = config.moe;
  const double rows = config.n_layers * static_cast<double>(pass.tokens) * pass.sequences;
  if (!config.is_moe()) return 0;
  const double outputs = moe.used + (moe.shared_ffn_dim > 0 ? 1 : 0);
  return rows *
         (moe.count * ElementCost::kSoftmax + 2 * outputs * config.width + (moe.shared_gate ? ElementCost::kPlain : 0));
}

void expect_equal(const ModelSpec& spec, const Model& model, const WeightTypes& types, const Pass& pass, DType kv,
                  int threads) {
  const Ledger ledger = pass_work(config, {.weights = types,
                                           .kv = kv,
                                           .position = pass.position,
                                           .tokens = pass.tokens,
                                           .sequences = pass.sequences,
                                           .logits = pass.all_logits ? pass.tokens * pass.sequences : -1});
  Counts seen = run(model, pass, kv, threads);
  const auto sum = [&](std::initializer_list<Op> ops) {
    OpWork total{Op::embedding, -1, {}, {}, {}};
    for (const Op op : ops) {
      total.operations += ledger.sum_of(op).operations;
      total.bytes += ledger.sum_of(op).bytes;
    }
    return total;
  };
  OpWork products = sum({Op::q, Op::k, Op::v, Op::attn_out, Op::router, Op::gate, Op::up, Op::down, Op::head});
  products.operations.f32 -= choosing(config, pass);
  EXPECT_EQ(seen.weights.bytes(), products.bytes.weights());
  EXPECT_EQ(2 * seen.macs_int8, products.operations.int8);
  EXPECT_EQ(2 * seen.macs_float, products.operations.f32 + products.operations.bf16);
  EXPECT_EQ(seen.unpacked, products.operations.unpack);

  const OpWork attention = ledger.sum_of(Op::attention), rope = ledger.sum_of(Op::rope);
  EXPECT_EQ(seen.positions() * seen.key_bytes, attention.bytes.kv_read);
  EXPECT_EQ(2 * seen.score_macs + ElementCost::kSoftmax * seen.scores, attention.operations.f32);
  EXPECT_EQ(seen.stored, rope.bytes.kv_write);

  const OpWork norms = sum({Op::attn_norm, Op::ffn_norm, Op::head_norm});
  EXPECT_EQ(seen.norms.bytes(), norms.bytes.weights() + rope.bytes.weights());
  if (threads > 1) return;  // a worker may repeat a small step rather than wait for another's result
  EXPECT_EQ(ElementCost::kRmsNorm * seen.normed + ElementCost::kRope * seen.rotated,
            norms.operations.f32 + rope.operations.f32);
  EXPECT_EQ(ElementCost::kGated * seen.activated, ledger.sum_of(Op::activation).operations.f32);
  EXPECT_EQ(ElementCost::kQuantize * seen.quantized, ledger.sum_of(Op::quantize).operations.f32);
}

/// Decoding at the start and deep in the cache, a batch of sequences, prompts by direct and by tiled kernels.
constexpr Pass kPasses[] = {{0, 1, 1, false},  {300, 1, 1, false}, {40, 1, 3, false}, {0, 5, 1, true},
                            {0, 77, 1, false}, {270, 33, 1, true}, {12, 20, 2, false}};

void expect_all_passes(const ModelSpec& spec, const WeightTypes& types) {
  const Model model = Model::random(config, types);
  for (const Pass& pass : kPasses) {
    // Which experts several rows visit is known to the pass alone, unless each visits all.
    if (config.moe.used < config.moe.count && pass.tokens * pass.sequences > 1) continue;
    for (const int threads : {1, 2})
      // Narrow keys and values are unpacked for many query rows, and then read from scratch: those passes take f32.
      for (const DType kv : {DType::f32, DType::f16, DType::i8}) {
        if (kv != DType::f32 && pass.tokens > 1) continue;
        SCOPED_TRACE(std::string(dtype_name(types.matrices())) + " heads " + std::to_string(config.n_heads) + "/" +
                     std::to_string(config.n_kv_heads) + " position " + std::to_string(pass.position) + " tokens " +
                     std::to_string(pass.tokens) + " sequences " + std::to_string(pass.sequences) + " threads " +
                     std::to_string(threads) + " kv " + std::string(dtype_name(kv)));
        expect_equal(config, model, types, pass, kv, threads);
      }
  }
}

TEST(TouchedBytes, EqualTheLedgerForEveryWeightType) {
  for (const DType type :
       {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q5_1, DType::q4_k, DType::q6_k})
    expect_all_passes(shape(8, 4), type);
}

TEST(TouchedBytes, EqualTheLedgerForEveryKindOfAttention) {
  for (const auto& [heads, kv_heads] : {std::pair{4, 4}, {8, 2}, {16, 1}})
    expect_all_passes(shape(heads, kv_heads), DType::q4_0);
}

TEST(TouchedBytes, EqualTheLedgerForTiedHeadsAndMixedTypes) {
  ModelSpec spec = shape(8, 4);
  config.tied_head = true;
  WeightTypes types(DType::q4_k);
  types.set(TensorRole::token_embedding, DType::q6_k).set(TensorRole::ffn_down, 1, DType::q8_0);
  expect_all_passes(config, types);
}

TEST(TouchedBytes, EqualTheLedgerForExperts) {
  ModelSpec spec = shape(8, 4);
  config.moe = {.count = 16, .used = 3, .ffn_dim = 256};
  for (const DType type : {DType::f32, DType::q8_0, DType::q4_k}) expect_all_passes(config, type);
  config.moe = {.count = 16, .used = 16, .ffn_dim = 256, .shared_ffn_dim = 512, .renormalise = false};
  expect_all_passes(config, DType::q4_0);
}

TEST(TouchedBytes, EqualTheLedgerForSlidingWindowsAndHeadNorms) {
  ModelSpec spec = shape(8, 4);
  config.qk_norm = true;
  config.sliding_window = 50;
  config.window_pattern = 3;
  expect_all_passes(config, DType::q8_0);
}

}  // namespace
}  // namespace plumb
