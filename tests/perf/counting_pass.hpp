#pragma once
/// A pass by the counting kernels against the ledger. Plain loops beside the kernels (biases, clips, scales, the choice
/// of experts) are counted from the list of tensors and the spec.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "plumb/core/parallel.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/project_embeddings.hpp"
#include "plumb/perf/ledger.hpp"
#include "tests/perf/counting_kernels.hpp"
#include "tests/support/specs.hpp"

namespace plumb::test::counting {

/// A pass that can be run and stated in the ledger's terms.
struct TestPass {
  int position, tokens, sequences;
  bool all_logits;

  double rows() const { return static_cast<double>(tokens) * sequences; }
  /// Whether all rows ask: a model without a head may pool them all.
  bool all_ask(const ModelSpec& spec) const {
    const bool one_each = spec.output.pooling == Pooling::cls || spec.output.pooling == Pooling::last;
    return spec.output.head ? all_logits : !one_each;
  }
  double asked(const ModelSpec& spec) const { return all_ask(spec) ? rows() : sequences; }
};

inline constexpr int kVocab = 320, kWidth = 256;
/// Longer than any pass, so that layers with windows keep rings, and read in parts as short as a ring allows.
inline constexpr int kContext = 1024, kBatch = 80;

/// Every dimension is a multiple of 16 and those that are summed over of 256, so that nothing is padded.
inline ModelSpec shape(int heads, int kv_heads) {
  return llama_spec({.vocab = kVocab,
                     .width = kWidth,
                     .layers = 3,
                     .heads = heads,
                     .kv_heads = kv_heads,
                     .head_dim = 256 / heads,
                     .ffn = 512,
                     .context = kContext});
}

/// Runs `pass` after its positions have been read, and counts.
inline Counts run(const Model& model, const TestPass& pass, DType kv, int threads) {
  static const KernelTable table = counting_table();
  // The model is immutable to its users; the object behind the handle is not const, and gets its own table back.
  Transformer& counting = const_cast<Transformer&>(model.transformer());
  const KernelTable* const own = counting.kernels;
  SessionState state(layer_states(counting.spec),
                     {.context = kContext, .sequences = pass.sequences, .batch = kBatch, .kv = kv});
  Scratch scratch(scratch_sizes(counting.spec), kBatch * pass.sequences, kContext, threads);
  scratch.reserve_logits(std::int64_t{kBatch} * pass.sequences, kVocab);
  scratch.reserve_states(std::int64_t{kBatch} * pass.sequences, kWidth);
  const PassOutput output = counting.spec.output.head ? PassOutput::logits : PassOutput::states;
  const std::vector<ops::RopeTable> ropes = make_rope_tables(counting, kContext);
  const auto forward = [&](int first, int count, bool all) {
    std::vector<BatchRow> rows;
    for (int s = 0; s < pass.sequences; ++s)
      for (int i = 0; i < count; ++i) rows.push_back({(first + i) % kVocab, first + i, s, all || i + 1 == count});
    ForwardPass work(counting, ropes, state, scratch, rows, nullptr, output);
    run_parallel(threads, [&](const Worker& worker) { work.run(worker); });
    for (int s = 0; s < pass.sequences; ++s) state.extend(s, first + count);
  };
  counting.kernels = &real;
  for (int at = 0; at < pass.position; at += kBatch) forward(at, std::min(kBatch, pass.position - at), false);
  counting.kernels = &table;
  counts = {};
  counts.state_begin = state.memory().data();
  counts.state_end = counts.state_begin + state.memory().size();
  forward(pass.position, pass.tokens, pass.all_ask(counting.spec));
  Rows pooled(pass.sequences, kWidth);
  project_embeddings(counting, threads, pooled);
  counting.kernels = own;
  return std::exchange(counts, {});
}

inline bool is_norm(TensorRole role) {
  switch (role) {
    case TensorRole::embedding_norm:
    case TensorRole::per_layer_norm:
    case TensorRole::per_layer_post_norm:
    case TensorRole::laurel_norm:
    case TensorRole::router_norm:
    case TensorRole::experts_norm:
    case TensorRole::experts_post_norm:
    case TensorRole::shared_post_norm:
    case TensorRole::altup_router_norm:
    case TensorRole::attn_norm:
    case TensorRole::attn_q_norm:
    case TensorRole::attn_k_norm:
    case TensorRole::attn_out_norm:
    case TensorRole::attn_post_norm:
    case TensorRole::mla_q_norm:
    case TensorRole::mla_kv_norm:
    case TensorRole::indexer_k_norm:
    case TensorRole::mix_norm:
    case TensorRole::ffn_down_norm:
    case TensorRole::attn_stream_norm:
    case TensorRole::ffn_stream_norm:
    case TensorRole::ffn_norm:
    case TensorRole::ffn_post_norm:
    case TensorRole::output_norm: return true;
    default: return false;
  }
}

/// Biases that kernels of recurrent mixers add, and no product.
inline bool is_recurrent(TensorRole role) { return role == TensorRole::ssm_conv || role == TensorRole::ssm_dt; }

/// What a pass does in plain loops.
struct Beside {
  double bias_bytes = 0, bias_adds = 0;            ///< of products
  double choice_bytes = 0, choice = 0;             ///< choice of experts, and the sum of their outputs
  double logits = 0;                               ///< scales of logits, a cap's tanh aside
  double clipped = 0;                              ///< elements of q, k and v
  double waited = 0;                               ///< elements of outputs that wait in a buffer before they are added
  double clipped_gates = 0;                        ///< elements of clipped_swiglu
  double limited_gates = 0;                        ///< elements of gates with a limit
  double scaled = 0;                               ///< elements of queries that grow, and of scaled values
  double gating = 0;                               ///< sigmoids of gates on heads' sums, and products with them
  double betas = 0, sigmoid_gates = 0;             ///< sigmoids of delta nets
  double mixed = 0, mixed_bytes = 0, shifts = 0;   ///< token shift, and keys of RWKV; places where rows are kept
  double decays = 0;                               ///< of RWKV
  double embedding_bytes = 0, embedding_adds = 0;  ///< looked up, scaled, added
  double shared_norm_bytes = 0;                    ///< a norm that two parts of a layer read
  double sparse_gates = 0;                         ///< elements of gates that are cut
  double sums = 0, scale_bytes = 0;                ///< what is added to the stream beside its parts; scales of layers
  double streams = 0, stream_bytes = 0;            ///< coefficients of several streams, and the streams
};

inline double params(const std::optional<NormSpec>& norm) {
  return norm ? kWidth * 4.0 * ((norm->weight ? 1 : 0) + (norm->bias ? 1 : 0)) : 0;
}

inline void add_shift(double inputs, double rows, Beside& sum) {
  sum.mixed += rows * inputs * kWidth * kTokenShift;
  sum.mixed_bytes += inputs * kWidth * 4;
  ++sum.shifts;
}
inline void add_rwkv(const RwkvSpec& r, double rows, Beside& sum) {
  const double channels = r.channels(), taken = r.first_rank > 0 ? 1 : 0;
  add_shift(kRwkvInputs, rows, sum);
  sum.mixed += rows * channels * (kRwkvKeys + kRwkvValue * taken);
  sum.mixed_bytes += 2 * channels * 4;
  sum.bias_bytes += (2 + taken) * channels * 4;
  sum.bias_adds += rows * (2 + taken) * channels;
  sum.betas += rows * channels * (1 + taken);
  sum.decays += rows * channels;
  sum.sigmoid_gates += rows * r.gate_rank;
  sum.gating += rows * channels * kRwkvOutput;
  sum.bias_bytes += channels * 4;  // what a position sees of itself
}

inline void add_layer(const LayerSpec& layer, double rows, Beside& sum) {
  if (const auto* a = std::get_if<AttentionSpec>(&layer.mixer)) {
    if (a->clip > 0) sum.clipped += rows * (a->q_rows() + a->k_rows() + a->v_rows());
    if (a->temperature.scale != 0) sum.scaled += rows * a->q_rows();
    if (a->value_scale != 1.0f) sum.scaled += rows * a->v_rows();
    if (a->gates() > 0) sum.gating += rows * (ElementCost::kPlain * a->gates() + a->out_cols());
  }
  for (const Mixer* mixer : {&layer.mixer, &layer.beside})
    if (const auto* d = std::get_if<DeltaNetSpec>(mixer)) {
      sum.gating += rows * d->v_cols();
      sum.betas += rows * d->v_heads;
      if (d->sigmoid_gate) sum.sigmoid_gates += rows * d->v_cols();
    }
  if (const auto* r = std::get_if<RwkvSpec>(&layer.mixer)) add_rwkv(*r, rows, sum);
  const auto* shifted = std::get_if<DenseSpec>(&layer.ffn);
  if (shifted && shifted->shift) add_shift(1, rows, sum);
  const bool scaled = layer.residual_scale != 1.0f;
  if (!std::holds_alternative<Nothing>(layer.mixer) && (layer.parallel || layer.mixer_branch.post_norm || scaled))
    sum.waited += rows * kWidth;
  if (!std::holds_alternative<Nothing>(layer.ffn) && (layer.ffn_branch.post_norm || scaled))
    sum.waited += rows * kWidth;
  const auto clipped = [&](const DenseSpec& dense, double visits) {
    if (dense.activation == Activation::clipped_swiglu) sum.clipped_gates += visits * dense.inner;
    if (dense.limit > 0) sum.limited_gates += visits * dense.inner;
  };
  if (const auto* dense = std::get_if<DenseSpec>(&layer.ffn)) {
    clipped(*dense, rows);
    if (dense->sparsity > 0) sum.sparse_gates += rows * dense->inner;
  }
  if (layer.laurel) sum.sums += rows * kWidth * kLaurelSum;
  if (layer.layer_scale) {
    sum.sums += rows * kWidth;
    sum.scale_bytes += 4;
  }
  if (layer.shared_norm) sum.shared_norm_bytes += params(layer.mixer_branch.norm);
  const auto* e = std::get_if<ExpertsSpec>(&layer.ffn);
  if (e == nullptr) return;
  clipped(e->expert, rows * e->used);
  if (e->has_shared()) clipped(e->shared, rows);
  const double outputs = e->used + (e->has_shared() && !e->apart ? 1 : 0);
  if (e->apart) sum.sums += 2 * rows * kWidth;
  if (e->expert_scale) {
    sum.choice += rows * e->used;
    sum.choice_bytes += e->count * 4;
  }
  sum.choice += rows * (e->count * ElementCost::kSoftmax + 2 * outputs * kWidth);
  if (e->has_shared() && e->shared_gate) sum.choice += rows * ElementCost::kPlain;
  if (e->weigh_input) sum.choice += rows * e->used * kWidth;
  if (!e->choice_bias) return;
  sum.choice += rows * e->count;
  sum.choice_bytes += e->count * 4;
}

/// Values of their own for every layer, and several streams.
inline void add_streams(const ModelSpec& spec, const Model& model, const TestPass& pass, Beside& sum) {
  const double rows = pass.rows(), layers = spec.n_layers(), values = rows * kWidth;
  const double others = spec.altup ? spec.altup->streams - 1 : 0;
  if (spec.embedding.per_layer) {
    const ops::WeightMatrix& table = model.transformer().weights.per_layer.table.w;
    sum.embedding_bytes += rows * static_cast<double>(row_bytes(table.type, table.cols));
    sum.embedding_adds += rows * static_cast<double>(table.cols) * kPerLayerJoin;
    sum.sums += layers * values * (spec.altup ? others : 1);
  }
  if (!spec.altup) return;
  const double s = spec.altup->streams, of_layer = values * 2 * s * s + values * 3 * s + rows * s + values;
  const double scores = 2 * rows * s * (2.0 * kWidth + 2) + rows * 2 * s * (s * s + s);
  sum.streams = layers * (of_layer + scores) + others * values * kAltupLength;
  sum.streams += pass.asked(spec) * kWidth * (others * (kAltupLength + 1) + 1);
  sum.stream_bytes = layers * 4 * (2 * s * kWidth + s * s * s + s * s + kWidth);
  sum.shared_norm_bytes += layers * params(spec.altup->norm);
}

inline Beside beside(const ModelSpec& spec, const Model& model, const TestPass& pass) {
  Beside sum;
  const double rows = pass.rows(), asked = pass.asked(spec);
  for (const LayerSpec& layer : spec.layers) add_layer(layer, rows, sum);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    if (!tensor.id.bias || is_norm(tensor.id.role) || is_recurrent(tensor.id.role)) return;
    // Of a stack those of the experts that are visited, each by all rows: see expect_all_passes.
    const double matrices = tensor.shape.rank() > 1 ? test::experts_of(spec, tensor.id.layer).used : 1;
    const double values = matrices * static_cast<double>(tensor.shape.cols());
    sum.bias_bytes += values * 4;
    sum.bias_adds += values * (tensor.id.role == TensorRole::head ? asked : rows);
  });
  const ops::WeightMatrix& table = model.transformer().weights.embedding.w;
  sum.embedding_bytes = rows * static_cast<double>(row_bytes(table.type, kWidth));
  if (spec.embedding.positions) sum.embedding_bytes += rows * kWidth * 4;
  if (spec.embedding.token_types > 0) sum.embedding_bytes += kWidth * 4;
  sum.embedding_adds = rows * kWidth *
                       ((spec.embedding.scale != 1.0f ? 1 : 0) + (spec.embedding.positions ? 1 : 0) +
                        (spec.embedding.token_types > 0 ? 1 : 0));
  add_streams(spec, model, pass, sum);
  if (spec.output.scale != 1.0f || spec.output.softcap > 0) sum.logits += asked * kVocab;
  if (spec.output.softcap > 0) sum.logits += asked * kVocab;
  return sum;
}

inline void expect_equal(const ModelSpec& spec, const Model& model, const WeightTypes& types, const TestPass& pass,
                         DType kv, int threads) {
  const Ledger ledger =
      pass_work(spec, {.weights = types,
                       .kv = kv,
                       .position = pass.position,
                       .tokens = pass.tokens,
                       .sequences = pass.sequences,
                       .logits = pass.all_logits && spec.output.head ? pass.tokens * pass.sequences : -1});
  Counts seen = run(model, pass, kv, threads);
  const Beside loops = beside(spec, model, pass);
  const auto sum = [&](std::initializer_list<Op> ops) {
    OpWork total{Op::embedding, -1, {}, {}, {}};
    for (const Op op : ops) {
      total.operations += ledger.sum_of(op).operations;
      total.bytes += ledger.sum_of(op).bytes;
    }
    return total;
  };
  const OpWork products = sum({Op::q, Op::k, Op::v, Op::mix_in, Op::attn_out, Op::laurel, Op::router, Op::gate, Op::up,
                               Op::down, Op::per_layer, Op::altup, Op::head});
  EXPECT_EQ(seen.weights.bytes() + loops.bias_bytes + loops.choice_bytes + loops.stream_bytes,
            products.bytes.weights());
  EXPECT_EQ(2 * seen.macs_int8, products.operations.int8);
  EXPECT_EQ(
      2 * seen.macs_float + loops.bias_adds + loops.choice + loops.gating + loops.logits + seen.capped + loops.streams,
      products.operations.f32 + products.operations.bf16);
  EXPECT_EQ(seen.unpacked, products.operations.unpack);

  const OpWork attention = ledger.sum_of(Op::attention), rope = ledger.sum_of(Op::rope);
  EXPECT_DOUBLE_EQ(seen.keys_read() + seen.latents_read(), attention.bytes.kv_read);  // scales are no whole numbers
  const OpWork index = ledger.sum_of(Op::index);
  EXPECT_EQ(seen.index_read(), index.bytes.kv_read);
  EXPECT_EQ(2 * seen.index_macs + ElementCost::kIndex * seen.index_products + ElementCost::kChoose * seen.index_pairs,
            index.operations.f32);
  EXPECT_EQ(2 * seen.score_macs + ElementCost::kSoftmax * seen.scores + ElementCost::kSoftcap * seen.capped_scores +
                ElementCost::kAlibi * seen.sloped_scores,
            attention.operations.f32);
  EXPECT_EQ(4 * seen.sinks / pass.rows(), attention.bytes.weights());
  EXPECT_EQ(seen.stored, rope.bytes.kv_write);

  const OpWork convolution = ledger.sum_of(Op::convolution), recurrence = ledger.sum_of(Op::recurrence);
  const double kept = loops.shifts * pass.sequences * kWidth * 4;
  EXPECT_EQ(seen.taps.bytes() + loops.mixed_bytes, convolution.bytes.weights());
  EXPECT_EQ(seen.rates.bytes(), recurrence.bytes.weights());
  EXPECT_EQ(seen.state.bytes() + kept, convolution.bytes.kv_read + recurrence.bytes.kv_read);
  EXPECT_EQ(seen.state.bytes() + kept, convolution.bytes.kv_write + recurrence.bytes.kv_write);
  EXPECT_EQ(seen.convolved + ElementCost::kLength * seen.lengths + loops.mixed, convolution.operations.f32);
  EXPECT_EQ(seen.remembered + ElementCost::kDecay * seen.decays + ElementCost::kPlain * loops.betas +
                kRwkvDecays * loops.decays,
            recurrence.operations.f32);

  const OpWork rest = sum({Op::embedding, Op::attn_norm, Op::rope, Op::ffn_norm, Op::head_norm});
  EXPECT_EQ(seen.norms.bytes() + loops.embedding_bytes + loops.shared_norm_bytes + loops.scale_bytes,
            rest.bytes.weights());
  if (threads > 1) return;  // a worker may repeat a small step rather than wait for another's result
  EXPECT_EQ(ElementCost::kRmsNorm * seen.rms_normed + ElementCost::kLayerNorm * seen.layer_normed +
                ElementCost::kRope * seen.rotated + ElementCost::kClip * loops.clipped +
                ElementCost::kResidual * loops.waited + loops.embedding_adds + loops.sums + loops.scaled,
            rest.operations.f32);
  EXPECT_EQ(ElementCost::kGated * seen.gated + ElementCost::kPlain * seen.plain + ElementCost::kXielu * seen.curved +
                ElementCost::kClipped * loops.clipped_gates + ElementCost::kLimited * loops.limited_gates +
                kSparseGate * loops.sparse_gates + ElementCost::kPlain * loops.sigmoid_gates,
            ledger.sum_of(Op::activation).operations.f32);
  EXPECT_EQ(ElementCost::kQuantize * seen.quantized, ledger.sum_of(Op::quantize).operations.f32);
}

/// Decoding at the start and deep in the cache, a batch of sequences, prompts by direct and by tiled kernels.
inline constexpr TestPass kPasses[] = {{0, 1, 1, false},  {300, 1, 1, false}, {40, 1, 3, false}, {0, 5, 1, true},
                                       {0, 77, 1, false}, {270, 33, 1, true}, {12, 20, 2, false}};

inline void expect_all_passes(const std::string& name, const ModelSpec& spec, const WeightTypes& types) {
  const Model model = Model::random(spec, types);
  bool some_visited = false;
  int most_chosen = kContext;
  for (const LayerSpec& layer : spec.layers)
    if (const auto* experts = std::get_if<ExpertsSpec>(&layer.ffn)) some_visited |= experts->used < experts->count;
  for (const LayerSpec& layer : spec.layers)
    if (const auto* latent = std::get_if<LatentAttentionSpec>(&layer.mixer); latent && latent->indexer.exists())
      most_chosen = std::min(most_chosen, latent->indexer.top);
  for (const TestPass& pass : kPasses) {
    // Which experts several rows visit is known to the pass alone, unless each visits all; so are the positions that
    // several rows of a sequence choose.
    if (some_visited && pass.tokens * pass.sequences > 1) continue;
    if (pass.tokens > 1 && pass.position + pass.tokens > most_chosen) continue;
    if (pass.position > 0 && reads_at_once(spec)) continue;
    for (const int threads : {1, 2})
      // Narrow keys and values are unpacked for many query rows, and then read from scratch: those passes take f32.
      for (const DType kv : {DType::f32, DType::f16, DType::i8}) {
        if (kv != DType::f32 && pass.tokens > 1) continue;
        SCOPED_TRACE(name + ' ' + std::string(dtype_name(types.matrices())) + " position " +
                     std::to_string(pass.position) + " tokens " + std::to_string(pass.tokens) + " sequences " +
                     std::to_string(pass.sequences) + " threads " + std::to_string(threads) + " kv " +
                     std::string(dtype_name(kv)));
        expect_equal(spec, model, types, pass, kv, threads);
      }
  }
}

}  // namespace plumb::test::counting
