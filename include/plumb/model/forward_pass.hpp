#pragma once
/// @file
/// The forward pass. One parallel region; every worker runs the same phases and does its share of each; a barrier
/// stands between a phase and the next one that reads what other workers wrote. What a block does is on its own page
/// (plumb/blocks); here is what a model does.

#include <atomic>
#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "plumb/blocks/altup_run.hpp"
#include "plumb/blocks/attention_run.hpp"
#include "plumb/blocks/delta_net_run.hpp"
#include "plumb/blocks/experts_run.hpp"
#include "plumb/blocks/feed_forward_run.hpp"
#include "plumb/blocks/latent_attention_run.hpp"
#include "plumb/blocks/laurel_run.hpp"
#include "plumb/blocks/per_layer_embedding_run.hpp"
#include "plumb/blocks/residual.hpp"
#include "plumb/blocks/rwkv_run.hpp"
#include "plumb/blocks/short_conv_run.hpp"
#include "plumb/blocks/state_space_run.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/model/weights.hpp"
#include "plumb/quant/dequantize.hpp"

namespace plumb::inline PLUMB_ABI {

/// What is fixed for a model: description, weights, kernels.
struct Transformer {
  ModelSpec spec;
  Weights weights;
  const KernelTable* kernels = nullptr;
  bool exact = false;  ///< never quantize activations
};

/// The rotation of a session's context: long factors where it exceeds the context of the original training.
inline std::vector<ops::RopeTable> make_rope_tables(const Transformer& model, int context) {
  std::vector<ops::RopeTable> tables;
  for (const RopeSpec& rope : model.spec.ropes) {
    const Weights& w = model.weights;
    const bool stretched = context > rope.original_context;
    const Vector none, &factors = rope.factors == RopeFactors::none  ? none
                                  : rope.factors == RopeFactors::one ? w.rope_factors
                                  : stretched                        ? w.rope_factors_long
                                                                     : w.rope_factors_short;
    tables.push_back(ops::make_rope_table(rope, factors));
  }
  return tables;
}

/// One forward pass over checked rows: tokens in the vocabulary, positions in the state and contiguous with what it
/// holds, at most scratch.max_rows() rows, room for what is asked for in scratch.logits or scratch.states. Afterwards
/// the caller extends the state by the rows; without that, recurrent values count as half changed.
///
/// A pass may be asked to stop: it looks after every layer, and ends there, on all workers. Then nothing of it counts.
class ForwardPass {
 public:
  ForwardPass(const Transformer& model, std::span<const ops::RopeTable> ropes, SessionState& state, Scratch& scratch,
              std::span<const BatchRow> rows, const ActivationObserver* observer = nullptr,
              PassOutput output = PassOutput::logits, const std::stop_token* cancel = nullptr)
      : spec_(model.spec),
        output_(output),
        cancel_(cancel && cancel->stop_possible() ? cancel : nullptr),
        weights_(model.weights),
        scratch_(scratch),
        products_(model.weights.head.w, *model.kernels, model.exact, scratch.matmul, observer),
        pass_(products_, ropes, state, scratch, rows, reads_at_once(model.spec)) {
    for (const SequenceRows& own : pass_.sequences()) {
      state.begin(own.sequence);
      for (const std::int32_t n : own.rows)
        scratch.asking[static_cast<std::size_t>(n)].length =
            rows[static_cast<std::size_t>(own.rows.back())].position + 1;
    }
  }

  /// The whole pass, by every worker of a region.
  void run(const Worker& worker) {
    embed(worker);
    worker.barrier();  // the first norm takes whole column tiles, not the rows that a worker has embedded
    if (spec_.embedding.per_layer) per_layer().begin(worker, weights_.per_layer);
    if (spec_.altup) altup().spread(worker, weights_.altup);
    for (int l = 0; l < spec_.n_layers(); ++l) {
      if (spec_.altup) altup().predict(worker, weights_.altup_layers[static_cast<std::size_t>(l)]);
      layer(worker, l);
      if (stopped_after(l)) return;
      if (spec_.embedding.per_layer) after_layer(worker, l);
    }
    std::int64_t asked = 0;
    for (const BatchRow& row : pass_.rows()) asked += row.logits ? 1 : 0;
    if (asked == 0) return;
    if (spec_.altup) altup().merge(worker, weights_.altup, asked);
    if (output_ == PassOutput::logits)
      head(worker, asked);
    else
      states(worker, asked);
  }
  /// Whether it ended before its end. After run().
  bool stopped() const { return stopped_after_.load(std::memory_order_relaxed) >= 0; }

 private:
  /// The first worker decides before the barrier at the end of a layer, and all of them look after it. Its next
  /// decision, for another layer, may come before a slow worker has looked, so the layer is part of it.
  void decide(const Worker& worker, int l) {
    if (cancel_ && worker.first() && cancel_->stop_requested()) stopped_after_.store(l, std::memory_order_relaxed);
  }
  bool stopped_after(int l) const { return cancel_ && stopped_after_.load(std::memory_order_relaxed) == l; }

  /// residual = embedding of each token and position; the angles of each position, once for all layers.
  void embed(const Worker& worker) {
    worker.enter(Op::embedding);
    const EmbeddingSpec& embedding = spec_.embedding;
    const Range mine = worker.share(pass_.n());
    for (std::int64_t n = mine.begin; n < mine.end; ++n) {
      const BatchRow& row = pass_.rows()[static_cast<std::size_t>(n)];
      float* const residual = scratch_.residual.row(n);
      look_up(weights_.embedding.w, row.token, residual);
      if (embedding.scale != 1.0f)
        for (int i = 0; i < spec_.width; ++i) residual[i] *= embedding.scale;
      float* const added = scratch_.normed.row(n);  // free until the first norm
      if (embedding.token_types > 0) add(weights_.token_types.w, 0, added, residual);
      if (embedding.positions) add(weights_.positions.w, row.position, added, residual);
      if (embedding.norm)
        norm_row(pass_.kernels(), *embedding.norm, weights_.embedding_norm, residual, residual, spec_.width);
      for (std::size_t t = 0; t < scratch_.angles.size(); ++t)
        ops::rope_angles(pass_.ropes()[t], row.position, scratch_.angles[t].row(n));
      ops::AttentionRow& asking = scratch_.asking[static_cast<std::size_t>(n)];
      asking.position = row.position;
      asking.sequence = row.sequence;
    }
  }
  void look_up(const ops::WeightMatrix& table, std::int64_t row, float* out) const {
    dequantize_row(table.type, table.file.row(row), out, spec_.width);
  }
  /// residual += row of a table, by way of `buffer`.
  void add(const ops::WeightMatrix& table, std::int64_t row, float* buffer, float* residual) const {
    look_up(table, row, buffer);
    for (int i = 0; i < spec_.width; ++i) residual[i] += buffer[i];
  }

  /// x += mixer(norm(x)), then x += ffn(norm(x)); or both of the same x.
  void layer(const Worker& worker, int l) {
    const LayerSpec& spec = spec_.layers[static_cast<std::size_t>(l)];
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(l)];
    const Residual mixer(pass_, spec.mixer_branch, spec.residual_scale, scratch_.branch[0], spec.parallel);
    const Residual ffn(pass_, spec.ffn_branch, spec.residual_scale, scratch_.branch[spec.parallel ? 1 : 0], false);
    const std::optional<LaurelRun> laurel =
        spec.laurel ? std::optional<LaurelRun>(std::in_place, pass_, *spec.laurel, w.laurel, spec_.width)
                    : std::nullopt;
    if (const auto* experts = std::get_if<ExpertsSpec>(&spec.ffn); experts && experts->route_early)
      ExpertsRun(pass_, *experts, std::get<ExpertsWeights>(w.ffn)).score_early(worker, scratch_.residual);
    // Columns of each part's output that this worker has written.
    const Range mixed = mix(worker, l, mixer, laurel);
    if (!spec.parallel) {
      mixer.write(worker, Op::attn_norm, w.mixer_post_norm, w.mixer_stream_norm, spec_.width, mixed);
      worker.barrier();
      if (laurel) laurel->finish(worker);
    }
    const auto& norm = spec.shared_norm ? spec.mixer_branch.norm : spec.ffn_branch.norm;
    const NormWeights& norm_weights = spec.shared_norm ? w.mixer_norm : w.ffn_norm;
    const Range fed = match(
        spec.ffn, [](const Nothing&) { return Range{}; },
        [&](const DenseSpec& dense) {
          DenseRun run(pass_, dense, std::get<DenseWeights>(w.ffn),
                       pass_.state().recurrent(l, ffn_state_offset(spec, spec_.width)));
          return branch(worker, run, ffn, Op::ffn_norm, norm, norm_weights);
        },
        [&](const ExpertsSpec& experts) {
          ExpertsRun run(pass_, experts, std::get<ExpertsWeights>(w.ffn));
          return branch(worker, run, ffn, Op::ffn_norm, norm, norm_weights);
        });
    if (spec.parallel) mixer.write(worker, Op::attn_norm, w.mixer_post_norm, w.mixer_stream_norm, spec_.width, mixed);
    // What per-layer embeddings add is scaled too.
    const float scale = spec_.embedding.per_layer ? 1.0f : layer_scale(w);
    ffn.write(worker, Op::ffn_norm, w.ffn_post_norm, w.ffn_stream_norm, spec_.width, fed, scale);
    decide(worker, l);
    worker.barrier();
  }
  static float layer_scale(const LayerWeights& w) { return w.layer_scale.empty() ? 1.0f : w.layer_scale[0]; }

  PerLayerRun per_layer() const { return {pass_, *spec_.embedding.per_layer, spec_.width}; }
  AltupRun altup() const { return {pass_, *spec_.altup, spec_.width}; }

  /// The branch of the per-layer embedding: onto the stream, or onto all but the first of several.
  void after_layer(const Worker& worker, int l) const {
    const auto i = static_cast<std::size_t>(l);
    const PerLayerBranchWeights& w = weights_.per_layer_branches[i];
    if (spec_.altup) {
      const AltupRun streams = altup();
      streams.correct(worker, weights_.altup_layers[i]);
      per_layer().branch(
          worker, w, l, nullptr,
          [&](std::int64_t n, float* out) { streams.read_active(weights_.altup_layers[i], n, out); },
          [&](std::int64_t n, const float* x) { streams.add_to_others(n, x); });
      return;
    }
    const float scale = layer_scale(weights_.layers[i]);
    per_layer().branch(
        worker, w, l, &scratch_.residual, [](std::int64_t, float*) {},
        [&](std::int64_t n, const float* x) {
          float* const stream = scratch_.residual.row(n);
          for (int k = 0; k < spec_.width; ++k) stream[k] = (stream[k] + x[k]) * scale;
        });
  }

  /// The mixer of layer l and the one beside it: both read the same input, as a low-rank branch does, and the second
  /// adds to what the first puts out. Their output matrices have the same rows, so a worker adds in columns of its own.
  Range mix(const Worker& worker, int l, const Residual& residual, const std::optional<LaurelRun>& laurel) const {
    const LayerSpec& spec = spec_.layers[static_cast<std::size_t>(l)];
    const LayerWeights& w = weights_.layers[static_cast<std::size_t>(l)];
    const auto each = [&](const auto& visit) {
      visit_mixer(spec.mixer, w.mixer, l, 0, visit);
      visit_mixer(spec.beside, w.beside, l, beside_state_offset(spec, spec_.width), visit);
    };
    const Linear* first = nullptr;
    ops::ActivationForms forms;
    each([&](const auto& run) {
      forms |= run.forms();
      if (!first) first = &run.first();
    });
    if (!first) return {};
    if (laurel) forms |= laurel->forms();
    const ops::Activations input =
        residual.read(worker, Op::attn_norm, spec.mixer_branch.norm, w.mixer_norm, spec_.width, *first, forms);
    if (laurel) laurel->begin(worker, input);
    BranchOutput output = residual.output();
    Range columns;
    each([&](auto& run) {
      run.run(worker, input, output);
      columns = run.columns(worker);
      output.accumulate = true;
    });
    return columns;
  }

  /// Calls visit(run) with the run of a mixer, if there is one. `first`: of its recurrent values among the layer's.
  template <class Visit>
  void visit_mixer(const Mixer& mixer, const MixerWeights& w, int l, std::int64_t first, const Visit& visit) const {
    match(
        mixer, [](const Nothing&) {},
        [&](const AttentionSpec& attention) {
          AttentionRun run(pass_, attention, std::get<AttentionWeights>(w), l);
          visit(run);
        },
        [&](const LatentAttentionSpec& attention) {
          LatentAttentionRun run(pass_, attention, std::get<LatentAttentionWeights>(w), l);
          visit(run);
        },
        [&](const DeltaNetSpec& delta) {
          DeltaNetRun run(pass_, delta, std::get<DeltaNetWeights>(w), l, first);
          visit(run);
        },
        [&](const ShortConvSpec& convolution) {
          ShortConvRun run(pass_, convolution, std::get<ShortConvWeights>(w), l, first);
          visit(run);
        },
        [&](const StateSpaceSpec& space) {
          StateSpaceRun run(pass_, space, std::get<StateSpaceWeights>(w), l, first);
          visit(run);
        },
        [&](const RwkvSpec& rwkv) {
          RwkvRun run(pass_, rwkv, std::get<RwkvWeights>(w), l, first);
          visit(run);
        });
  }

  /// One part of a layer: reads the stream, runs, puts its output where the stream wants it. Returns the columns of the
  /// output that this worker has written.
  template <class Run>
  Range branch(const Worker& worker, Run& run, const Residual& residual, Op op, const std::optional<NormSpec>& norm,
               const NormWeights& weights) const {
    const ops::Activations input = residual.read(worker, op, norm, weights, spec_.width, run.first(), run.forms());
    run.run(worker, input, residual.output());
    return run.columns(worker);
  }

  /// logits = head(norm(x)) for the rows that asked, in their order.
  void head(const Worker& worker, std::int64_t asked) {
    const ops::Activations x = pass_.normed(worker, asked, spec_.width);
    pass_.prepare(worker, x, weights_.head, products_.forms({&weights_.head}),
                  [&](Range rows) { normalise(worker, rows, pass_.normed_rows(worker, asked)); });
    products_.run(worker, x, {{Op::head, Products::into(weights_.head, scratch_.logits)}});
    finish_logits(ops::matmul_rows(worker, weights_.head.w), asked);
  }
  /// states = norm(x) for the rows that asked, in their order.
  void states(const Worker& worker, std::int64_t asked) { normalise(worker, worker.share(asked), scratch_.states); }
  /// The normed stream of rows [some.begin, some.end) of those that asked, in these rows of `out`.
  void normalise(const Worker& worker, Range some, Rows& out) const {
    worker.enter(Op::head_norm);
    std::int64_t index = 0;  // of a row among those that asked
    for (std::int64_t n = 0; n < pass_.n() && index < some.end; ++n) {
      if (!pass_.rows()[static_cast<std::size_t>(n)].logits || index++ < some.begin) continue;
      const float* const residual = scratch_.residual.row(n);
      if (spec_.output.norm)
        norm_row(pass_.kernels(), *spec_.output.norm, weights_.output_norm, residual, out.row(index - 1), spec_.width);
      else
        std::copy_n(residual, spec_.width, out.row(index - 1));
    }
  }
  /// Scale and cap, in the columns that this worker has computed.
  void finish_logits(Range mine, std::int64_t asked) const {
    const OutputSpec& output = spec_.output;
    if (output.scale == 1.0f && output.softcap == 0.0f) return;
    const float before = output.softcap > 0 ? output.scale / output.softcap : output.scale;
    for (std::int64_t i = 0; i < asked; ++i) {
      float* const logits = scratch_.logits.row(i) + mine.begin;
      for (std::int64_t v = 0; v < mine.size(); ++v) logits[v] *= before;
      if (output.softcap == 0.0f) continue;
      pass_.kernels().vector.tanh(logits, logits, mine.size());
      for (std::int64_t v = 0; v < mine.size(); ++v) logits[v] *= output.softcap;
    }
  }

  const ModelSpec& spec_;
  PassOutput output_;
  const std::stop_token* cancel_;
  std::atomic<int> stopped_after_{-1};  // the layer after which the pass was broken off
  const Weights& weights_;
  Scratch& scratch_;
  Products products_;
  Pass pass_;
};

}  // namespace plumb
