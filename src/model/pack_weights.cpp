#include "plumb/model/pack_weights.hpp"

#include "plumb/core/parallel.hpp"
#include "plumb/ops/weight_matrix.hpp"
#include "plumb/quant/pack.hpp"

namespace plumb {
namespace {

/// Panels packed by one worker before the pages they came from are given back: about 1 MiB of weights.
constexpr std::int64_t kPanelsAtOnce = 64;
/// Matrices below this are packed by the calling thread: waking a team costs more, on a busy machine 30 ms and more.
constexpr std::size_t kWorthATeam = std::size_t{1} << 20;

std::vector<ops::WeightMatrix*> matrices_of_products(Weights& weights) {
  std::vector<ops::WeightMatrix*> matrices;
  for (LayerWeights& layer : weights.layers)
    for (Linear* linear : {&layer.wq, &layer.wk, &layer.wv, &layer.wo, &layer.gate, &layer.up, &layer.down})
      if (!linear->empty()) matrices.push_back(&linear->w);
  matrices.push_back(&weights.head.w);
  return matrices;
}

}  // namespace

AlignedBuffer pack_matrix(const ops::WeightMatrix& w, const FileMapping* release) {
  AlignedBuffer panels(ops::packed_bytes(w.type, w.rows, w.cols));
  const std::size_t stride = panel_bytes(w.type, w.cols);
  const std::int64_t count = ceil_div(w.rows, kPanelRows);
  run_parallel(w.bytes() < kWorthATeam ? 1 : default_threads(), [&](const Worker& worker) {
    const Range mine =
        worker.share(count);  // the share that products will stream: pages are touched first by their reader
    for (std::int64_t first = mine.begin; first < mine.end; first += kPanelsAtOnce) {
      const std::int64_t last = std::min(first + kPanelsAtOnce, mine.end);
      for (std::int64_t p = first; p < last; ++p)
        pack_panel(w.type, w.file.row(p * kPanelRows), w.file.row_stride(),
                   std::min(kPanelRows, w.rows - p * kPanelRows), w.cols,
                   panels.data() + static_cast<std::size_t>(p) * stride);
      if (release) {
        const std::byte* const from = w.file.row(first * kPanelRows);
        const std::int64_t rows = std::min(last * kPanelRows, w.rows) - first * kPanelRows;
        release->release(static_cast<std::size_t>(from - release->bytes().data()),
                         static_cast<std::size_t>(rows) * w.file.row_stride());
      }
    }
  });
  return panels;
}

void pack_weights(Weights& weights, const ModelFile& file, const std::function<void(double)>& progress) {
  const FileMapping& mapping = file.mapping();
  const auto from_mapping = [&](const ops::WeightMatrix& w) {
    return w.file.data() >= mapping.bytes().data() && w.file.data() < mapping.bytes().data() + mapping.size();
  };
  const std::vector<ops::WeightMatrix*> matrices = matrices_of_products(weights);
  std::size_t total = 0, done = 0;
  for (const ops::WeightMatrix* w : matrices) total += w->bytes();
  for (ops::WeightMatrix* w : matrices) {
    done += w->bytes();
    // A matrix of a few rows would mostly be padding: products take its rows as the file has them.
    if (ops::packed_bytes(w->type, w->rows, w->cols) > 2 * w->bytes() + kAlignment) continue;
    weights.packed.push_back(pack_matrix(*w, mapping.is_mapped() && from_mapping(*w) ? &mapping : nullptr));
    w->panels = weights.packed.back().data();
    if (progress) progress(static_cast<double>(done) / static_cast<double>(total));
  }
}

}  // namespace plumb
