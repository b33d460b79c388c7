#pragma once
/// @file
/// The memory of a forward pass: made once for the largest batch, so that decoding allocates nothing.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "plumb/blocks/scratch_sizes.hpp"
#include "plumb/blocks/sequence_rows.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/ops/attention.hpp"
#include "plumb/ops/matmul.hpp"
#include "plumb/ops/rope.hpp"
#include "plumb/ops/routing.hpp"

namespace plumb::inline PLUMB_ABI {

/// A matrix of f32 rows that the passes of one session share.
class Rows {
 public:
  Rows() = default;
  /// [rows, width], each row on a cache line of its own. @throws Error{overflow, out_of_memory}.
  Rows(std::int64_t rows, std::int64_t width)
      : rows_(rows),
        stride_(round_up<std::int64_t>(width, 16)),
        memory_(static_cast<std::size_t>(
            checked_mul(checked_mul(rows, stride_, "scratch"), std::int64_t{sizeof(float)}, "scratch"))) {}
  float* row(std::int64_t n) { return memory_.as<float>() + n * stride_; }
  const float* row(std::int64_t n) const { return memory_.as<float>() + n * stride_; }
  float* data() { return row(0); }
  std::int64_t rows() const { return rows_; }
  std::int64_t stride() const { return stride_; }
  std::size_t bytes() const { return memory_.size(); }

 private:
  std::int64_t rows_ = 0, stride_ = 0;
  AlignedBuffer memory_;
};

/// What one worker prepares for itself.
struct OwnInputs {
  explicit OwnInputs(const ScratchSizes& sizes)
      : normed(kOwnRows, sizes.width),
        form(kOwnRows, sizes.width),
        finished(kOwnRows, sizes.finished),
        heads_form(kOwnRows, std::max({sizes.heads, sizes.laurel, sizes.finished})) {}

  Rows normed;                       // [kOwnRows, D]
  ops::ActivationBuffer form;        // normed, prepared for products
  Rows finished;                     // [kOwnRows, ...], what Pass::finish makes
  ops::ActivationBuffer heads_form;  // that, heads, or the branch beside the mixer, prepared for products
};

/// Low-rank products of one block.
inline constexpr std::size_t kLowRanks = 4;

/// Inputs that are mixed with the row before (token_shift.hpp), of all workers or of one.
struct ShiftedInputs {
  ShiftedInputs() = default;
  ShiftedInputs(const ScratchSizes& sizes, std::int64_t max_rows);
  std::size_t bytes() const;

  Rows rows;                                           // [max_rows * shifts, D]
  ops::ActivationBuffer form;                          // the same, prepared for products
  std::array<ops::ActivationBuffer, kLowRanks> ranks;  // [max_rows, rank], what low-rank products read, prepared
};

/// What the experts of a layer need: a slot is a row of the batch at one of the `used` experts that it visits.
struct ExpertsScratch {
  ExpertsScratch() = default;
  ExpertsScratch(const ScratchSizes& sizes, std::int64_t max_rows, int threads);

  Rows scores;                        // [max_rows, E + 1], of the experts and of the shared one
  Rows gate;                          // [slots, F'], becomes act(gate) * up, input of down
  Rows up;                            // [slots, F']
  Rows out;                           // [slots, D], outputs of the experts
  Rows shared_out;                    // [max_rows, D], output of the shared expert
  Rows apart;                         // [max_rows, D], input of experts apart from the shared one
  Rows scored;                        // [max_rows, D], what their router reads, then the sum of their outputs
  ops::ActivationBuffer scored_form;  // [max_rows, D], scored, prepared for products
  ops::ActivationBuffer input_form;   // [slots, D], normed rows by expert, prepared for products
  ops::ActivationBuffer inner_form;   // [slots, F'], act(gate) * up, prepared for products
  std::vector<ops::Routing> routing;  // one a worker

  std::size_t bytes() const;
};

/// What one worker prepares for itself in latent attention.
struct OwnLatents {
  explicit OwnLatents(const LatentSizes& sizes)
      : normed(kOwnRows, sizes.compressed),
        compressed(kOwnRows, sizes.compressed),
        heads(std::int64_t{kOwnRows} * sizes.heads, sizes.head_inputs) {}

  Rows normed;                       // [kOwnRows, q_rank]
  ops::ActivationBuffer compressed;  // normed, prepared for products
  ops::ActivationBuffer heads;       // [kOwnRows * heads, inputs], of the heads that it multiplies
};

/// What latent attention needs.
struct LatentScratch {
  LatentScratch() = default;
  LatentScratch(const LatentSizes& sizes, std::int64_t max_rows, int threads);

  Rows compressed;                        // [max_rows, q_rank]
  Rows latent;                            // [max_rows, kv_rank + rope_dims], the new vectors
  Rows absorbed;                          // [max_rows, heads * (kv_rank + rope_dims)], queries against them
  Rows weighted;                          // [max_rows, heads * kv_rank], weighted values
  ops::ActivationBuffer compressed_form;  // normed compressed queries, prepared for products
  ops::ActivationBuffer heads_form;       // [max_rows * heads, inputs], head by head, prepared for products
  std::vector<OwnLatents> own;            // [threads], the same for batches of a few rows

  std::size_t bytes() const;
};

/// What indexers need.
struct IndexScratch {
  IndexScratch() = default;
  IndexScratch(const IndexSizes& sizes, std::int64_t max_rows, int context, int threads);
  /// The positions that row n has chosen.
  std::int32_t* chosen_of(std::int64_t n) { return chosen.as<std::int32_t>() + n * most; }

  Rows q;                 // [max_rows, heads * dims]
  Rows k;                 // [max_rows, dims]
  Rows weights;           // [max_rows, heads]
  Rows scores;            // [kScoredRows, context]
  Rows sorted;            // [threads, context]
  Rows packed;            // [threads, heads, to 8, * dims]
  std::int64_t most = 0;  // positions that a row chooses
  AlignedBuffer chosen;   // [max_rows, most] int32

  std::size_t bytes() const;
};

/// Scratch of one session, for batches of up to `max_rows` rows and sequences of up to `context` positions.
struct Scratch {
  Scratch() = default;
  Scratch(const ScratchSizes& sizes, int max_rows, int context, int threads);

  Rows residual;                          // [max_rows, D], the stream that every branch reads and adds to
  Rows branch[2];                         // [max_rows, D], outputs of parts that are not added right away
  Rows normed;                            // [max_rows, D], input of q/k/v, of gate/up, of the head
  Rows q;                                 // [max_rows, H * head_dim]
  Rows k, v;                              // [max_rows, G * head_dim]
  Rows heads;                             // [max_rows, H * value_dim], all heads' weighted values, input of wo
  Rows gates;                             // [max_rows, H or H * value_dim], sigmoids that heads are multiplied with
  Rows mixed;                             // [max_rows, channels], inputs of a mixer that remembers by recurrence
  Rows convolved;                         // [max_rows, channels], the same after its convolution
  Rows steps;                             // [max_rows, decays and betas of heads]
  Rows ranks;                             // [max_rows, ranks of low-rank products]
  Rows ffn_gate;                          // [max_rows, F or S], becomes act(gate) * up, input of down
  Rows ffn_up;                            // [max_rows, F or S]
  Rows first_values;                      // [max_rows, channels], values of one layer that others take from
  ShiftedInputs shifted;                  // of models that mix rows with those before
  std::vector<ShiftedInputs> own_shifts;  // [threads], the same for batches of a few rows
  std::vector<float> cutoff;              // [max_rows], below which values of a gate count as zero
  Rows laurel;                            // [max_rows, rank], the branch beside a mixer
  Rows per_layer;                         // [max_rows, L * P], the per-layer embedding
  std::vector<Rows> streams, predicted;   // of each stream: [max_rows, D]
  std::vector<Rows> angles;               // of each table: [max_rows, rotated dims], cos and sin of a row's position
  Rows logits;                            // [rows that asked, V]
  Rows states;                            // [rows that asked, D], the normed stream where embeddings are asked for
  std::vector<ops::AttentionRow> asking;  // [max_rows], position and sequence of each row
  RowsBySequence by_sequence;             // of models that remember by recurrence, or read texts at once
  ops::ActivationBuffer input_form;       // normed, prepared for products
  ops::ActivationBuffer inner_form;       // heads, then act(gate) * up, prepared for products
  std::vector<OwnInputs> own;             // [threads], the same for batches of a few rows
  ExpertsScratch experts;                 // of models with experts
  LatentScratch latent;                   // of models with latent attention
  IndexScratch index;                     // of models with indexers
  ops::MatmulScratch matmul;
  ops::AttentionScratch attention;

  int max_rows() const { return static_cast<int>(residual.rows()); }
  /// Makes room for `rows` rows of logits. Allocates only when more are asked for than ever before.
  void reserve_logits(std::int64_t rows, std::int64_t vocab_size) {
    if (rows > logits.rows()) logits = Rows(rows, vocab_size);
  }
  /// The same for rows of the normed stream.
  void reserve_states(std::int64_t rows, std::int64_t width) {
    if (rows > states.rows()) states = Rows(rows, width);
  }
  std::size_t bytes() const;
};

inline ExpertsScratch::ExpertsScratch(const ScratchSizes& sizes, std::int64_t max_rows, int threads) {
  const std::int64_t slots = checked_mul<std::int64_t>(max_rows, sizes.used, "scratch");
  scores = Rows(max_rows, sizes.experts + 1);
  gate = Rows(slots, sizes.expert_inner);
  up = Rows(slots, sizes.expert_inner);
  out = Rows(slots, sizes.width);
  if (sizes.shared_expert) shared_out = Rows(max_rows, sizes.width);
  if (sizes.experts_apart) {
    apart = Rows(max_rows, sizes.width);
    scored = Rows(max_rows, sizes.width);
    scored_form = ops::ActivationBuffer(max_rows, sizes.width);
  }
  input_form = ops::ActivationBuffer(slots, sizes.width);
  inner_form = ops::ActivationBuffer(slots, sizes.expert_inner);
  routing.assign(static_cast<std::size_t>(threads), ops::Routing(max_rows, sizes.experts, sizes.used));
}

inline ShiftedInputs::ShiftedInputs(const ScratchSizes& sizes, std::int64_t max_rows)
    : rows(checked_mul<std::int64_t>(max_rows, sizes.shifts, "scratch"), sizes.width),
      form(checked_mul<std::int64_t>(max_rows, sizes.shifts, "scratch"), sizes.width) {
  if (sizes.low_rank == 0) return;
  for (ops::ActivationBuffer& own : ranks) own = ops::ActivationBuffer(max_rows, sizes.low_rank);
}

inline std::size_t ShiftedInputs::bytes() const {
  std::size_t total = rows.bytes() + form.bytes();
  for (const ops::ActivationBuffer& own : ranks) total += own.bytes();
  return total;
}

inline std::size_t ExpertsScratch::bytes() const {
  std::size_t total = 0;
  for (const Rows* rows : {&scores, &gate, &up, &out, &shared_out, &apart, &scored}) total += rows->bytes();
  return total + input_form.bytes() + inner_form.bytes() + scored_form.bytes();
}

inline LatentScratch::LatentScratch(const LatentSizes& sizes, std::int64_t max_rows, int threads)
    : compressed(max_rows, sizes.compressed),
      latent(max_rows, sizes.latent),
      absorbed(max_rows, sizes.absorbed),
      weighted(max_rows, sizes.weighted),
      compressed_form(max_rows, sizes.compressed),
      heads_form(checked_mul<std::int64_t>(max_rows, sizes.heads, "scratch"), sizes.head_inputs) {
  own.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) own.emplace_back(sizes);
}

inline std::size_t LatentScratch::bytes() const {
  std::size_t total = compressed_form.bytes() + heads_form.bytes();
  for (const Rows* rows : {&compressed, &latent, &absorbed, &weighted}) total += rows->bytes();
  for (const OwnLatents& mine : own) total += mine.normed.bytes() + mine.compressed.bytes() + mine.heads.bytes();
  return total;
}

inline IndexScratch::IndexScratch(const IndexSizes& sizes, std::int64_t max_rows, int context, int threads)
    : q(max_rows, sizes.q),
      k(max_rows, sizes.k),
      weights(max_rows, sizes.heads),
      scores(std::min<std::int64_t>(max_rows, kScoredRows), context),
      sorted(threads, context),
      packed(threads, checked_mul<std::int64_t>(round_up(sizes.heads, kQueryTile), sizes.k, "scratch")),
      most(std::min(sizes.top, context)),
      chosen(static_cast<std::size_t>(
          checked_mul(checked_mul(max_rows, most, "scratch"), std::int64_t{sizeof(std::int32_t)}, "scratch"))) {}

inline std::size_t IndexScratch::bytes() const {
  std::size_t total = chosen.size();
  for (const Rows* rows : {&q, &k, &weights, &scores, &sorted, &packed}) total += rows->bytes();
  return total;
}

inline Scratch::Scratch(const ScratchSizes& sizes, int max_rows, int context, int threads)
    : residual(max_rows, sizes.width),
      normed(max_rows, sizes.width),
      q(max_rows, sizes.q),
      k(max_rows, sizes.k),
      v(max_rows, sizes.v),
      heads(max_rows, sizes.heads),
      gates(max_rows, sizes.gates),
      mixed(max_rows, sizes.mixed),
      convolved(max_rows, sizes.mixed),
      steps(max_rows, sizes.steps),
      ranks(max_rows, sizes.ranks),
      ffn_gate(max_rows, sizes.inner),
      ffn_up(max_rows, sizes.inner),
      asking(static_cast<std::size_t>(max_rows)),
      input_form(max_rows, sizes.width),
      inner_form(max_rows, std::max({sizes.heads, sizes.inner, sizes.laurel})),
      matmul(sizes.columns, threads),
      attention(sizes.attention, threads, context) {
  for (int b = 0; b < sizes.branches; ++b) branch[b] = Rows(max_rows, sizes.width);
  for (const int dims : sizes.rope_dims) angles.emplace_back(max_rows, dims);
  own.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) own.emplace_back(sizes);
  if (sizes.by_sequence) by_sequence = RowsBySequence(max_rows);
  if (sizes.experts > 0) experts = ExpertsScratch(sizes, max_rows, threads);
  if (sizes.sparse) cutoff.resize(static_cast<std::size_t>(max_rows));
  if (sizes.laurel > 0) laurel = Rows(max_rows, sizes.laurel);
  if (sizes.per_layer > 0) per_layer = Rows(max_rows, sizes.per_layer);
  for (int j = 0; j < sizes.streams; ++j) {
    streams.emplace_back(max_rows, sizes.width);
    predicted.emplace_back(max_rows, sizes.width);
  }
  if (sizes.shifts > 0) {
    shifted = ShiftedInputs(sizes, max_rows);
    for (int i = 0; i < threads; ++i) own_shifts.emplace_back(sizes, kOwnRows);
  }
  if (sizes.first_values > 0) first_values = Rows(max_rows, sizes.first_values);
  if (sizes.latent.heads > 0) latent = LatentScratch(sizes.latent, max_rows, threads);
  if (sizes.index.heads > 0) index = IndexScratch(sizes.index, max_rows, context, threads);
}

inline std::size_t Scratch::bytes() const {
  std::size_t total = 0;
  for (const Rows* rows :
       {&residual,  &branch[0], &branch[1], &normed,       &q,        &k,      &v,      &heads,     &gates,  &mixed,
        &convolved, &steps,     &ranks,     &first_values, &ffn_gate, &ffn_up, &laurel, &per_layer, &logits, &states})
    total += rows->bytes();
  for (const auto* several : {&angles, &streams, &predicted})
    for (const Rows& rows : *several) total += rows.bytes();
  for (const OwnInputs& inputs : own)
    total += inputs.normed.bytes() + inputs.form.bytes() + inputs.finished.bytes() + inputs.heads_form.bytes();
  for (const ShiftedInputs& inputs : own_shifts) total += inputs.bytes();
  return total + input_form.bytes() + inner_form.bytes() + shifted.bytes() + experts.bytes() + latent.bytes() +
         index.bytes() + attention.bytes() + by_sequence.bytes();
}

}  // namespace plumb
