#include "shift.hpp"

#include <algorithm>
#include <vector>

namespace plumb::inline PLUMB_ABI {
namespace {

bool can_shift_keys(const AttentionSpec& spec) {
  const bool normed_last = spec.rope >= 0 && spec.qk_norm_after_rope && spec.qk_norm_over != QkNormOver::none;
  return spec.causal && spec.chunk == 0 && !normed_last;
}

/// One head's keys and values in one layer.
struct HeadPlace {
  ops::KvLayer kv;
  std::int64_t head = 0;
  int rope = -1;
};

}  // namespace

bool can_shift(const ModelSpec& spec, const SessionState& state) {
  if (state.recurrent() || state.has_rings() || spec.embedding.positions) return false;
  return std::all_of(spec.layers.begin(), spec.layers.end(), [](const LayerSpec& layer) {
    const auto* const attention = std::get_if<AttentionSpec>(&layer.mixer);
    return std::holds_alternative<Nothing>(layer.beside) &&
           (std::holds_alternative<Nothing>(layer.mixer) || (attention && can_shift_keys(*attention)));
  });
}

void shift(const Transformer& model, std::span<const ops::RopeTable> ropes, SessionState& state, int s, Range gone,
           int threads) {
  const std::int64_t length = state.length(s);
  state.prepare(s, static_cast<int>(gone.begin), static_cast<int>(length));
  std::vector<std::vector<float>> angles;  // of a turn back by as many positions, without the magnitude
  for (ops::RopeTable table : ropes) {
    table.magnitude = 1.0f;
    angles.emplace_back(static_cast<std::size_t>(table.dims));
    ops::rope_angles(table, -gone.size(), angles.back().data());
  }
  std::vector<HeadPlace> heads;
  std::size_t widest = 0;
  for (int l = 0; l < model.spec.n_layers(); ++l) {
    const auto* const attention = std::get_if<AttentionSpec>(&model.spec.layers[static_cast<std::size_t>(l)].mixer);
    if (!attention || !attention->own_kv()) continue;
    widest = std::max(widest, static_cast<std::size_t>(attention->head_dim));
    for (int h = 0; h < attention->n_kv_heads; ++h) heads.push_back({state.kv(l), h, attention->rope});
  }
  std::vector<float> keys(widest * static_cast<std::size_t>(threads));
  run_parallel(threads, [&](const Worker& worker) {
    float* const key = keys.data() + widest * static_cast<std::size_t>(worker.index);
    const Range mine = worker.share(static_cast<std::int64_t>(heads.size()));
    for (std::int64_t i = mine.begin; i < mine.end; ++i) {
      const HeadPlace& place = heads[static_cast<std::size_t>(i)];
      for (std::int64_t from = gone.end; from < length; ++from) {
        const std::int64_t to = from - gone.size();
        ops::load_key(place.kv, s, place.head, from, key);
        if (place.rope >= 0) {
          const auto table = static_cast<std::size_t>(place.rope);
          ops::rotate_head(*model.kernels, ropes[table], angles[table].data(), key);
        }
        ops::store_key(*model.kernels, place.kv, s, place.head, to, key);
        ops::copy_value(place.kv, s, place.head, from, to);
      }
    }
  });
  state.rewind(s, static_cast<int>(length - gone.size()));
}

}  // namespace plumb
