#pragma once
/// @file
/// How much memory the blocks of a model need in a pass: each raises the sizes to its own.

#include <cstdint>
#include <vector>

#include "plumb/ops/attention_plan.hpp"

namespace plumb::inline PLUMB_ABI {

/// Batches of up to so many rows are normalised and prepared for products by every worker for itself: their one tile
/// would be the work of a single worker anyway, and so nobody waits for it.
inline constexpr int kOwnRows = 4;

/// What latent attention needs, the largest of all layers.
struct LatentSizes {
  int heads = 0;
  int compressed = 0;         ///< compressed queries
  int latent = 0;             ///< compressed keys and values
  std::int64_t absorbed = 0;  ///< queries of all heads against them
  std::int64_t weighted = 0;  ///< weighted values of all heads, still compressed
  int head_inputs = 0;        ///< longest row of a matrix that a head has of its own

  std::int64_t floats_per_row() const { return compressed + latent + absorbed + weighted; }
};

/// Rows of a batch whose positions indexers score together.
inline constexpr int kScoredRows = 32;

/// What indexers need, likewise.
struct IndexSizes {
  int q = 0, k = 0, heads = 0;
  int top = 0;  ///< positions that a row chooses

  std::int64_t floats_per_row() const { return std::int64_t{q} + k + heads + top; }
};

/// Widths of the rows that blocks write between their phases, the largest of all layers.
struct ScratchSizes {
  int width = 0;            ///< D, the stream
  int branches = 0;         ///< outputs of blocks that are not added to the stream right away
  int q = 0, k = 0, v = 0;  ///< queries, keys, values
  int heads = 0;            ///< weighted values of all heads
  int gates = 0;            ///< gates on them
  int mixed = 0;            ///< what mixers project to remember by recurrence
  int steps = 0;            ///< numbers of their heads: how much is kept, how much is written
  int ranks = 0;            ///< low-rank steps of their projections
  int finished = 0;         ///< rows that are changed once more before a product (Pass::finish)
  int inner = 0;            ///< feed-forward blocks that every row visits
  int experts = 0;          ///< experts of a layer; 0: none
  int used = 0;             ///< of which a row visits
  int expert_inner = 0;     ///< inner width of an expert
  bool shared_expert = false;
  bool experts_apart = false;  ///< experts read other rows than the shared one
  bool by_sequence = false;    ///< rows are needed by sequence
  int shifts = 0;              ///< inputs of a block that are mixed with the row before
  int low_rank = 0;            ///< largest rank of a low-rank product of such mixtures
  int first_values = 0;        ///< values of one layer that others take from
  int laurel = 0;              ///< rank of the branches beside mixers
  int per_layer = 0;           ///< values of the per-layer embedding, all layers together
  int streams = 0;             ///< streams, where there are several
  bool sparse = false;         ///< gates whose smaller values count as zero
  LatentSizes latent;
  IndexSizes index;
  int columns = 0;                             ///< longest row of a matrix
  std::vector<ops::AttentionShape> attention;  ///< of all layers
  std::vector<int> rope_dims;                  ///< of all tables

  /// f32 values that a row of the batch takes, all buffers together.
  std::int64_t floats_per_row() const {
    const std::int64_t stream =
        std::int64_t{2 + branches} * width + q + k + v + heads + gates + 2 * (mixed + inner) + steps + ranks;
    const std::int64_t visits = std::int64_t{used} * (2 * width + 3 * expert_inner) + experts;
    const std::int64_t beside =
        std::int64_t{2 * streams} * width + laurel + per_layer + std::int64_t{shifts} * width + first_values;
    const int of_experts = (shared_expert ? 1 : 0) + (experts_apart ? 3 : 0);
    const std::int64_t latents = latent.floats_per_row() + index.floats_per_row();
    return stream + visits + beside + latents + std::int64_t{of_experts} * width;
  }
};

}  // namespace plumb
