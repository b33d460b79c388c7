// Model::random: weights made straight in the form that products read.

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "plumb/core/parallel.hpp"
#include "plumb/model/config_from_gguf.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/pack_weights.hpp"
#include "plumb/model/random_weights.hpp"
#include "plumb/quant/pack.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Matrices below this are made by the calling thread: waking a team costs more.
constexpr std::size_t kWorthATeam = std::size_t{1} << 20;

int threads_for(const RandomTensor& tensor) {
  return tensor_bytes(tensor.type(), tensor.shape()) < kWorthATeam ? 1 : default_threads();
}

/// All rows in file layout.
AlignedBuffer make_rows(const RandomTensor& tensor) {
  const std::size_t row_bytes = tensor.row_bytes();
  AlignedBuffer rows(tensor_bytes(tensor.type(), tensor.shape()));
  run_parallel(threads_for(tensor), [&](const Worker& worker) {
    const Range mine = worker.share(tensor.shape().rows());
    for (std::int64_t r = mine.begin; r < mine.end; ++r)
      tensor.fill(r, rows.data() + static_cast<std::size_t>(r) * row_bytes);
  });
  return rows;
}

/// The same rows in panels of `w`. Only 16 rows a thread ever exist in file layout.
void make_panels(const RandomTensor& tensor, const ops::WeightMatrix& w, std::byte* panels) {
  const std::size_t row_bytes = tensor.row_bytes(), stride = panel_bytes(w.type, w.cols);
  const int threads = threads_for(tensor);
  const std::size_t sixteen = round_up(static_cast<std::size_t>(kPanelRows) * row_bytes, kAlignment);
  AlignedBuffer scratch(sixteen * static_cast<std::size_t>(threads));
  run_parallel(threads, [&](const Worker& worker) {
    std::byte* const file_rows = scratch.data() + static_cast<std::size_t>(worker.index) * sixteen;
    const Range mine = worker.share(w.n_panels());  // the share that products will stream
    for (std::int64_t p = mine.begin; p < mine.end; ++p) {
      const Range rows = w.panel_rows(p);
      for (std::int64_t r = 0; r < rows.size(); ++r)
        tensor.fill(rows.begin + r, file_rows + static_cast<std::size_t>(r) * row_bytes);
      pack_panel(w.type, file_rows, row_bytes, rows.size(), w.cols, panels + static_cast<std::size_t>(p) * stride);
    }
  });
}

/// Small tensors and the embedding, in file layout, by name.
class HostTensors {
 public:
  void add(const RandomTensor& tensor) {
    AlignedBuffer rows = make_rows(tensor);
    views_[tensor.name()] = ConstTensorView(rows.data(), tensor.type(), tensor.shape());
    memory_.push_back(std::move(rows));
  }
  /// A matrix that will be made in packed form: its shape is known, its rows are nowhere.
  void announce(const RandomTensor& tensor) {
    views_[tensor.name()] = ConstTensorView(nullptr, tensor.type(), tensor.shape());
  }
  std::optional<ConstTensorView> find(std::string_view name) const {
    const auto found = views_.find(name);
    if (found == views_.end()) return std::nullopt;
    return found->second;
  }

 private:
  std::map<std::string, ConstTensorView, std::less<>> views_;
  std::vector<AlignedBuffer> memory_;
};

constexpr std::string_view kEmbedding = "token_embd.weight";

Weights make_weights(const ModelConfig& config, const WeightTypes& types, std::uint64_t seed, bool packed,
                     const std::function<void(double)>& progress) {
  const auto host = std::make_shared<HostTensors>();
  std::map<std::string, RandomTensor, std::less<>> tensors;
  std::size_t total = 0, done = 0;
  const auto made = [&](const RandomTensor& tensor) {
    done += tensor_bytes(tensor.type(), tensor.shape());
    if (progress) progress(static_cast<double>(done) / static_cast<double>(total));
  };
  for (RandomTensor& tensor : random_tensors(config, types, seed)) {
    total += tensor_bytes(tensor.type(), tensor.shape());
    const std::string name = tensor.name();
    tensors.emplace(name, std::move(tensor));
  }
  for (const auto& [name, tensor] : tensors) {
    if (packed && tensor.shape().rank() >= 2 && name != kEmbedding) {
      host->announce(tensor);
    } else {
      host->add(tensor);
      made(tensor);
    }
  }
  Weights weights = bind_weights(config, {"random", [&host](std::string_view name) { return host->find(name); }});
  weights.owner = host;
  if (!packed) return weights;
  std::vector<ops::WeightMatrix*> matrices;
  std::vector<const RandomTensor*> sources;
  const auto add = [&](const std::string& name, ops::WeightMatrix& w) {
    matrices.push_back(&w);
    sources.push_back(&tensors.find(name)->second);
  };
  for_each_matrix(weights, [&](const std::string& name, ops::WeightMatrix& w) {
    if (name == kEmbedding) return;
    w.file = {};
    add(name, w);
  });
  if (config.tied_head) add(std::string(kEmbedding), weights.head.w);
  const std::vector<std::byte*> places = place_panels(weights, matrices);
  for (std::size_t i = 0; i < places.size(); ++i) {
    make_panels(*sources[i], *matrices[i], places[i]);
    made(*sources[i]);
  }
  return weights;
}

}  // namespace

Model Model::random(const ModelConfig& config, const WeightTypes& types, std::uint64_t seed,
                    const LoadOptions& options) {
  check_runnable(config, "random");
  auto parts = std::make_shared<Parts>();
  parts->source = "random";
  Transformer& transformer = parts->transformer;
  transformer.config = config;
  transformer.exact = options.exact;
  transformer.weights = make_weights(config, types, seed, options.repack && !options.exact, options.progress);
  transformer.kernels = &active_kernels();
  transformer.rope = ops::make_rope_table(config.rope, config.head_dim, transformer.weights.rope_factors);
  if (options.progress) options.progress(1.0);
  return Model(std::move(parts));
}

}  // namespace plumb
