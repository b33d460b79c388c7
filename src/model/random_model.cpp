// Model::random: weights made straight in the form that products read.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "model_parts.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/model/pack_weights.hpp"
#include "plumb/model/random_weights.hpp"
#include "plumb/quant/pack.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Matrices below this are made by the calling thread: waking a team costs more.
constexpr std::size_t kWorthThreads = std::size_t{1} << 20;

int threads_for(const RandomTensor& tensor) {
  return tensor_bytes(tensor.type(), tensor.shape()) < kWorthThreads ? 1 : default_threads();
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

/// Makes the tensors of a random model, by their names: small ones and tables in file layout, the others straight into
/// panels.
class RandomMaker {
 public:
  RandomMaker(const ModelSpec& spec, const WeightTypes& types, std::uint64_t seed, bool packed,
              const std::function<void(double)>& progress)
      : spec_(spec), packed_(packed), progress_(progress) {
    for (RandomTensor& tensor : random_tensors(spec, types, seed)) {
      total_ += tensor_bytes(tensor.type(), tensor.shape());
      const std::string name = gguf_tensor_name(tensor.id());
      tensors_.emplace(name, std::move(tensor));
    }
  }

  Weights make() {
    const auto rows = std::make_shared<std::vector<AlignedBuffer>>();
    TensorSource source{"random", [&](const TensorSpec& tensor) { return ops::StoredTensor(view(tensor, *rows)); },
                        [](const TensorId& id) { return gguf_tensor_name(id); }};
    Weights weights = bind_weights(spec_, source);
    weights.owner = rows;
    if (packed_) make_all_panels(weights);
    return weights;
  }

 private:
  bool in_panels(const TensorSpec& tensor) const {
    return packed_ && tensor.shape.rank() >= 2 && !tensor.id.bias && !is_table(tensor.id.role);
  }
  const RandomTensor& of(const TensorId& id) const { return tensors_.find(gguf_tensor_name(id))->second; }

  /// A tensor as binding sees it: rows, or of those made in panels the shape alone.
  ConstTensorView view(const TensorSpec& tensor, std::vector<AlignedBuffer>& rows) {
    const RandomTensor& random = of(tensor.id);
    if (in_panels(tensor) && is_linear(tensor)) return ConstTensorView(nullptr, random.type(), random.shape());
    rows.push_back(make_rows(random));
    made(random);
    return ConstTensorView(rows.back().data(), random.type(), random.shape());
  }
  /// Whether a tensor of two dimensions is a matrix rather than a table of norms.
  static bool is_linear(const TensorSpec& tensor) {
    const TensorRole role = tensor.id.role;
    return tensor.is_matrix() || role == TensorRole::router || role == TensorRole::shared_router ||
           role == TensorRole::indexer_weights;
  }

  void make_all_panels(Weights& weights) {
    std::vector<ops::WeightMatrix*> matrices;
    std::vector<const RandomTensor*> sources;
    for_each_matrix(spec_, weights, [&](const TensorSpec& tensor, ops::WeightMatrix& w) {
      if (!in_panels(tensor)) return;
      w.file = {};
      matrices.push_back(&w);
      sources.push_back(&of(tensor.id));
    });
    if (spec_.output.tied) {
      matrices.push_back(&weights.head.w);
      sources.push_back(&of({TensorRole::token_embedding}));
    }
    const std::vector<std::byte*> places = place_panels(weights, matrices);
    for (std::size_t i = 0; i < places.size(); ++i) {
      make_panels(*sources[i], *matrices[i], places[i]);
      made(*sources[i]);
    }
  }

  void made(const RandomTensor& tensor) {
    done_ += tensor_bytes(tensor.type(), tensor.shape());
    if (progress_) progress_(static_cast<double>(done_) / static_cast<double>(total_));
  }

  const ModelSpec& spec_;
  bool packed_;
  const std::function<void(double)>& progress_;
  std::map<std::string, RandomTensor, std::less<>> tensors_;
  std::size_t total_ = 0, done_ = 0;
};

}  // namespace

Model Model::random(const ModelSpec& spec, const WeightTypes& types, std::uint64_t seed, const RandomOptions& options) {
  check_runnable(spec, "random");
  auto parts = std::make_shared<Parts>();
  parts->source = "random";
  Transformer& transformer = parts->transformer;
  transformer.spec = spec;
  transformer.exact = options.exact;
  transformer.weights = RandomMaker(spec, types, seed, options.repack && !options.exact, options.progress).make();
  transformer.kernels = &active_kernels();
  if (options.progress) options.progress(1.0);
  return Model(std::move(parts));
}

}  // namespace plumb
