#pragma once
/// @file
/// The ledger: what a forward pass must do and move, from a description alone. It counts what is really touched: one
/// row of the embedding per token, the experts that are visited, the positions inside a window, the head only for rows
/// that ask for logits. The file size is not the bytes per token. What a block does stands on its page (plumb/blocks).

#include <algorithm>
#include <cstdint>

#include "plumb/blocks/work.hpp"
#include "plumb/model/weights.hpp"

namespace plumb::inline PLUMB_ABI {

/// Memory that a session holds, in bytes.
struct MemoryUse {
  double weights = 0;
  /// What is seen of a whole context: keys and values of its positions (where there are windows, of so many), one
  /// compressed vector of each with latent attention, values of recurrences.
  double kv = 0;
  double room = 0;         ///< beside it: for the rows of a pass in the rings of windows, copies of recurrent values
  double activations = 0;  ///< scratch of one pass
  double total() const { return weights + kv + room + activations; }
};

namespace detail {

inline void embedding_work(const ModelSpec& spec, WorkWriter& writer) {
  constexpr double kFloat = WorkWriter::kFloat;
  OpWork& work = writer.add(Op::embedding);
  const DType type = writer.type_of(TensorRole::token_embedding, spec.vocab_size, spec.width);
  const double values = writer.rows() * spec.width;
  work.bytes = weight_traffic(type, writer.rows(), spec.width);
  if (type != DType::f32) work.operations.unpack = values;
  if (spec.embedding.scale != 1.0f) work.operations.f32 += values;
  if (spec.embedding.token_types > 0) {
    work.bytes.weight_payload += spec.width * kFloat;  // one row for all
    work.operations.f32 += values * ElementCost::kAdd;
  }
  if (spec.embedding.positions) {
    work.bytes.weight_payload += values * kFloat;
    work.operations.f32 += values * ElementCost::kAdd;
  }
  work.bytes.activation_write = values * kFloat;
  if (spec.embedding.norm) norm_work(*spec.embedding.norm, Op::embedding, writer.rows(), spec.width, writer);
}

/// Of a model without a head: the rows that an embedding is made of, and the products with the pooled ones.
inline void embedding_output_work(const ModelSpec& spec, WorkWriter& writer) {
  const PassOptions& pass = writer.pass();
  const OutputSpec& output = spec.output;
  const double texts = static_cast<double>(pass.sequences);
  const bool one_each = output.pooling == Pooling::cls || output.pooling == Pooling::last;
  const double asked = pass.logits >= 0 ? static_cast<double>(pass.logits) : one_each ? texts : writer.rows();
  if (asked == 0) return;
  if (output.norm) norm_work(*output.norm, Op::head_norm, asked, spec.width, writer);
  double width = spec.width;
  const auto product = [&](TensorRole role, double rows) {
    if (rows == 0) return;
    writer.quantize_for(role, rows, width, texts);
    writer.matmul(Op::head, role, rows, width, texts);
    width = rows;
  };
  product(TensorRole::dense_2, output.dense_2);
  product(TensorRole::dense_3, output.dense_3);
}

inline void head_work(const ModelSpec& spec, WorkWriter& writer) {
  const PassOptions& pass = writer.pass();
  const OutputSpec& output = spec.output;
  const double asked = static_cast<double>(pass.logits >= 0 ? pass.logits : pass.sequences);
  writer.meet(1);  // after the embedding
  if (!output.head) return embedding_output_work(spec, writer);
  if (asked == 0) return;
  if (spec.altup) altup_merge_work(*spec.altup, spec.width, asked, writer);
  writer.meet_prepared(asked);
  if (output.norm) norm_work(*output.norm, Op::head_norm, asked, spec.width, writer);
  const TensorRole role = output.tied ? TensorRole::token_embedding : TensorRole::head;
  writer.quantize_for(role, spec.vocab_size, spec.width, asked);
  writer.matmul(Op::head, role, spec.vocab_size, spec.width, asked, 1, output.bias);
  // The cap's division takes the scale along.
  const double cost = output.softcap > 0 ? ElementCost::kSoftcap : output.scale != 1.0f ? ElementCost::kAdd : 0;
  if (cost == 0) return;
  OpWork& scaled = writer.add(Op::head);
  scaled.operations.f32 = asked * spec.vocab_size * cost;
  scaled.bytes.activation_read = scaled.bytes.activation_write = asked * spec.vocab_size * WorkWriter::kFloat;
}

}  // namespace detail

/// The work of one forward pass; where the model has no head, of making embeddings. The spec must have passed
/// check_spec. @throws Error{invalid_argument}, also for a pass that continues what is read at once.
inline Ledger pass_work(const ModelSpec& spec, const PassOptions& pass) {
  check_pass(pass);
  if (pass.position > 0 && reads_at_once(spec))
    throw Error(ErrorCode::invalid_argument, "position is " + std::to_string(pass.position) +
                                                 ", expected 0: attention sees later positions, so that a text is "
                                                 "read in one pass");
  WorkWriter writer(pass);
  const auto& [per_layer, altup] = std::tie(spec.embedding.per_layer, spec.altup);
  detail::embedding_work(spec, writer);
  if (per_layer) per_layer_work(*per_layer, spec.width, spec.n_layers(), writer);
  if (altup) altup_spread_work(*altup, spec.width, writer);
  for (int l = 0; l < spec.n_layers(); ++l) {
    writer.set_layer(l);
    if (altup) altup_layer_work(*altup, spec.width, writer);
    layer_work(spec.layers[static_cast<std::size_t>(l)], spec.width, spec.ropes, writer);
    if (per_layer) per_layer_branch_work(*per_layer, spec.width, altup ? altup->streams - 1 : 1, writer);
  }
  writer.set_layer(-1);
  detail::head_work(spec, writer);
  return writer.take();
}

/// Bytes of the state of one sequence with room for `context` positions, in passes of up to `batch` rows.
inline double state_bytes(const ModelSpec& spec, DType kv, std::int64_t context, std::int64_t batch) {
  double bytes = 0;
  for (const LayerSpec& layer : spec.layers) bytes += state_bytes(layer_state(layer, spec.width), kv, context, batch);
  return bytes;
}

/// The part of it that later positions see.
inline double seen_bytes(const ModelSpec& spec, DType kv, std::int64_t context) {
  double bytes = 0;
  for (const LayerSpec& layer : spec.layers) bytes += seen_bytes(layer_state(layer, spec.width), kv, context);
  return bytes;
}

/// Bytes that one more position adds to the state of a sequence, windows aside.
inline double state_bytes_per_position(const ModelSpec& spec, DType kv) {
  double bytes = 0;
  for (const LayerSpec& layer : spec.layers) bytes += bytes_per_position(layer_state(layer, spec.width), kv);
  return bytes;
}

/// Bytes of the checkpoints that such a sequence has in the end, unless the session's options say otherwise.
inline double checkpoint_bytes(const ModelSpec& spec, std::int64_t context) {
  double values = 0;
  for (const LayerSpec& layer : spec.layers) values += static_cast<double>(layer_state(layer, spec.width).recurrent);
  return values * sizeof(float) * static_cast<double>(std::min<std::int64_t>(kCheckpoints, context / kCheckpointEvery));
}

/// Bytes of all tensors in these types.
inline double weight_bytes(const ModelSpec& spec, const WeightTypes& weights) {
  double bytes = 0;
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    if (is_rope_factors(tensor.id.role)) return;
    bytes += weight_traffic(weights.of(tensor), static_cast<double>(tensor.shape.rows()),
                            static_cast<double>(tensor.shape.cols()))
                 .weights();
  });
  return bytes;
}

/// Bytes of a GGUF file of the model: its tensors, and a vocabulary of so many tokens. Published files have 23 to 61
/// bytes a token (Gemma 2 and Llama 3, whose merges are many), mostly 36: less than 1% of any file but those of the
/// smallest models.
inline double file_bytes(const ModelSpec& spec, const WeightTypes& weights) {
  constexpr double kVocabularyBytes = 36;
  return weight_bytes(spec, weights) + kVocabularyBytes * static_cast<double>(spec.vocab_size);
}

/// Memory of a session with room for `context` positions of each of `sequences` sequences.
/// Activations are those of a pass of `batch` rows. @throws Error{invalid_argument} for a KV type that no session has.
inline MemoryUse memory_use(const ModelSpec& spec, const WeightTypes& weights, DType kv, std::int64_t context,
                            std::int64_t sequences = 1, std::int64_t batch = 512) {
  check_kv_type(kv);
  MemoryUse memory;
  memory.weights = weight_bytes(spec, weights);
  const double seen = seen_bytes(spec, kv, context);
  memory.kv = seen * static_cast<double>(sequences);
  memory.room =
      (state_bytes(spec, kv, context, batch) - seen + checkpoint_bytes(spec, context)) * static_cast<double>(sequences);
  memory.activations = sizeof(float) * (static_cast<double>(scratch_sizes(spec).floats_per_row() * batch) +
                                        (spec.output.head ? spec.vocab_size : 0.0) * static_cast<double>(sequences));
  return memory;
}

}  // namespace plumb
