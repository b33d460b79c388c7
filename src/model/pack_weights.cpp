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

/// Packs one matrix on all threads. The pages of `release`, if not null, are given back once read.
void pack_matrix(const ops::WeightMatrix& w, std::byte* panels, const FileMapping* release) {
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
                   panels + static_cast<std::size_t>(p) * stride);
      if (release) {
        const std::byte* const from = w.file.row(first * kPanelRows);
        const std::int64_t rows = std::min(last * kPanelRows, w.rows) - first * kPanelRows;
        release->release(static_cast<std::size_t>(from - release->bytes().data()),
                         static_cast<std::size_t>(rows) * w.file.row_stride());
      }
    }
  });
}

}  // namespace

std::vector<std::byte*> place_panels(Weights& weights, std::span<ops::WeightMatrix* const> matrices) {
  std::vector<std::size_t> offsets;
  std::size_t total = 0;
  for (const ops::WeightMatrix* w : matrices) {
    offsets.push_back(total);
    const std::size_t bytes = round_up(ops::packed_bytes(w->type, w->rows, w->cols), kAlignment);
    total = checked_add(total, bytes, "packed weights");
  }
  weights.packed = AlignedBuffer(total);
  std::vector<std::byte*> places;
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    places.push_back(weights.packed.data() + offsets[i]);
    matrices[i]->panels = places.back();
  }
  return places;
}

void pack_weights(Weights& weights, const ModelFile& file, const std::function<void(double)>& progress) {
  const FileMapping& mapping = file.mapping();
  const auto from_mapping = [&](const ops::WeightMatrix& w) {
    return w.file.data() >= mapping.bytes().data() && w.file.data() < mapping.bytes().data() + mapping.size();
  };
  std::vector<ops::WeightMatrix*> matrices = matrices_of_products(weights);
  // A matrix of a few rows would mostly be padding: products take its rows as the file has them.
  std::erase_if(matrices, [](const ops::WeightMatrix* w) {
    return ops::packed_bytes(w->type, w->rows, w->cols) > 2 * w->bytes() + kAlignment;
  });
  const std::vector<std::byte*> places = place_panels(weights, matrices);
  std::size_t total = 0, done = 0;
  for (const ops::WeightMatrix* w : matrices) total += w->bytes();
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    const ops::WeightMatrix& w = *matrices[i];
    pack_matrix(w, places[i], mapping.is_mapped() && from_mapping(w) ? &mapping : nullptr);
    done += w.bytes();
    if (progress) progress(static_cast<double>(done) / static_cast<double>(total));
  }
}

}  // namespace plumb
