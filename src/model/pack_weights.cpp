#include "plumb/model/pack_weights.hpp"

#include <optional>
#include <string>
#include <utility>

#include "plumb/core/parallel.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/ops/weight_matrix.hpp"
#include "plumb/quant/pack.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Panels made by one worker before the pages they came from are given back: about 1 MiB of weights.
constexpr std::int64_t kPanelsAtOnce = 64;
/// Matrices below this are packed by the calling thread: waking a team costs more, on a busy machine 30 ms and more.
constexpr std::size_t kWorthATeam = std::size_t{1} << 20;

/// Rows of a matrix in the type it shall have, up to sixteen at a time.
class MatrixRows {
 public:
  MatrixRows(const ops::WeightMatrix& w, QuantMethod method)
      : w_(w), method_(method), bytes_(row_bytes(w.type, w.cols)), as_stored_(w.file.dtype() == w.type) {}

  std::size_t stride() const { return as_stored_ ? w_.file.row_stride() : bytes_; }
  /// Rows [first, first + n), stride() apart; valid until the next call. @throws Error{bad_value} for weights
  /// that are not finite and change type.
  const std::byte* read(std::int64_t first, std::int64_t n) {
    if (as_stored_) return w_.stored_row(first);
    made_.resize(bytes_ * static_cast<std::size_t>(kPanelRows));
    write(first, n, made_.data());
    return made_.data();
  }
  /// The same, written without gaps.
  void write(std::int64_t first, std::int64_t n, std::byte* out) {
    floats_.resize(static_cast<std::size_t>(n * w_.cols));
    for (std::int64_t r = 0; r < n; ++r)
      dequantize_row_fast(w_.file.dtype(), w_.stored_row(first + r), floats_.data() + r * w_.cols, w_.cols);
    quantize_rows(w_.type, floats_.data(), out, n, w_.cols, nullptr, method_);
  }

 private:
  const ops::WeightMatrix& w_;
  QuantMethod method_;
  std::size_t bytes_;
  bool as_stored_;
  std::vector<float> floats_;
  std::vector<std::byte> made_;
};

/// A matrix and what it is called in messages.
struct NamedMatrix {
  std::string name;
  ops::WeightMatrix* w;
};

/// What is done to one matrix after the other.
class Preparation {
 public:
  Preparation(Weights& weights, const Checkpoint& checkpoint, const PrepareOptions& options)
      : weights_(weights), checkpoint_(checkpoint), options_(options), tied_(checkpoint.spec.output.tied) {
    for_each_matrix(checkpoint.spec, weights, [&](const TensorSpec& tensor, ops::WeightMatrix& w) {
      const bool in_rows = is_table(tensor.id.role) || !options.pack || ops::mostly_padding(w);
      (in_rows ? in_rows_ : in_panels_).push_back({checkpoint.tensors.name_of(tensor.id), &w});
    });
    if (tied_ && options.pack && !ops::mostly_padding(weights.head.w)) in_panels_.push_back({"head", &weights.head.w});
    for (const NamedMatrix& m : in_rows_) (void)fill(m);
    std::erase_if(in_rows_, [](const NamedMatrix& m) { return m.w->file.dtype() == m.w->type; });
    for (const auto* list : {&in_rows_, &in_panels_})
      for (const NamedMatrix& m : *list) total_ += m.w->bytes();
  }

  void run() {
    for (const NamedMatrix& m : in_rows_) remake_rows(m);
    if (tied_) weights_.head.w.file = weights_.embedding.w.file;
    if (in_panels_.empty()) return;
    std::vector<ops::WeightMatrix*> matrices;
    for (const NamedMatrix& m : in_panels_) matrices.push_back(m.w);
    const std::vector<std::byte*> places = place_panels(weights_, matrices);
    for (std::size_t i = 0; i < places.size(); ++i) make_panels(in_panels_[i], places[i]);
  }

 private:
  void remake_rows(const NamedMatrix& m) {
    AlignedBuffer made(m.w->bytes());
    const std::size_t stride = row_bytes(m.w->type, m.w->cols);
    for_each_panel(m, [&](MatrixRows& rows, std::int64_t, Range at) {
      rows.write(at.begin, at.size(), made.data() + static_cast<std::size_t>(at.begin) * stride);
    });
    m.w->file = ConstTensorView(made.data(), m.w->type, Shape{m.w->count * m.w->rows, m.w->cols});
    m.w->each = nullptr;
    weights_.remade.push_back(std::move(made));
  }

  /// Makes the rows of a matrix that the file does not have. Whether they were made now.
  bool fill(const NamedMatrix& m) const {
    return checkpoint_.late && !m.w->each && checkpoint_.late->fill(m.w->file.data());
  }

  void make_panels(const NamedMatrix& m, std::byte* panels) {
    const bool made = fill(m);
    const std::size_t stride = panel_bytes(m.w->type, m.w->cols);
    for_each_panel(m, [&](MatrixRows& rows, std::int64_t p, Range at) {
      const std::byte* const from = rows.read(at.begin, at.size());
      pack_panel(m.w->type, from, rows.stride(), at.size(), m.w->cols, panels + static_cast<std::size_t>(p) * stride);
    });
    if (!made && m.w->file.dtype() == m.w->type) return;
    if (made) checkpoint_.late->drop(m.w->file.data());
    m.w->file = {};  // the rows of the file are other weights now, or no longer there
    m.w->each = nullptr;
  }

  /// work(rows, p, rows of p) for each panel p, on all threads, each with its own MatrixRows. The file's pages are
  /// given back once read. @throws what `work` throws, naming the matrix.
  template <class Work>
  void for_each_panel(const NamedMatrix& m, const Work& work) {
    const ops::WeightMatrix& w = *m.w;
    const int threads = w.bytes() < kWorthATeam ? 1 : default_threads();
    std::vector<std::optional<Error>> errors(static_cast<std::size_t>(threads));
    run_parallel(threads, [&](const Worker& worker) {
      // The share that products will stream: pages are touched first by their reader.
      const Range mine = worker.share(w.n_panels());
      MatrixRows rows(w, options_.method);
      Range at;
      try {
        for (std::int64_t first = mine.begin; first < mine.end; first += kPanelsAtOnce) {
          const std::int64_t end = std::min(first + kPanelsAtOnce, mine.end);
          if (options_.cancel.stop_requested()) break;
          for (std::int64_t p = first; p < end; ++p) work(rows, p, at = w.panel_rows(p));
          give_back(w, w.panel_rows(first).begin, at.end);
        }
      } catch (const Error& e) {
        errors[static_cast<std::size_t>(worker.index)] =
            Error(e.code(), checkpoint_.source + ": tensor " + quote(m.name) + ", from row " +
                                std::to_string(at.begin) + ": " + e.what());
      } catch (const std::bad_alloc&) {
        errors[static_cast<std::size_t>(worker.index)] =
            Error(ErrorCode::out_of_memory, "no memory to prepare tensor " + quote(m.name));
      }
    });
    for (const std::optional<Error>& error : errors)
      if (error) throw Error(*error);
    check_cancelled(options_.cancel, checkpoint_.source);
    done_ += w.bytes();
    if (options_.progress) options_.progress(static_cast<double>(done_) / static_cast<double>(total_));
  }

  void give_back(const ops::WeightMatrix& w, std::int64_t first, std::int64_t last) const {
    if (!checkpoint_.release) return;
    while (first < last) {
      const std::int64_t end = w.each ? std::min(last, (first / w.rows + 1) * w.rows) : last;
      checkpoint_.release(w.stored_row(first), static_cast<std::size_t>(end - first) * w.file.row_stride());
      first = end;
    }
  }

  Weights& weights_;
  const Checkpoint& checkpoint_;
  const PrepareOptions& options_;
  std::vector<NamedMatrix> in_rows_, in_panels_;  // the former: only those that change type
  bool tied_;
  std::size_t total_ = 0, done_ = 0;
};

}  // namespace

void check_cancelled(const std::stop_token& cancel, const std::string& source) {
  if (cancel.stop_requested()) throw Error(ErrorCode::cancelled, source + ": loading was cancelled");
}

void set_types(const ModelSpec& spec, Weights& weights, const WeightTypes& types) {
  for_each_matrix(spec, weights, [&](const TensorSpec& tensor, ops::WeightMatrix& w) {
    const bool as_stored = is_table(tensor.id.role) && !tensor.is_matrix();
    if (!as_stored) w.type = types.of(tensor);
  });
  if (spec.output.tied) weights.head.w.type = weights.embedding.w.type;
}

std::vector<std::byte*> place_panels(Weights& weights, std::span<ops::WeightMatrix* const> matrices) {
  std::vector<std::size_t> offsets;
  std::size_t total = 0;
  for (const ops::WeightMatrix* w : matrices) {
    offsets.push_back(total);
    const std::size_t bytes = round_up(ops::packed_bytes(*w), kAlignment);
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

void prepare_weights(Weights& weights, const Checkpoint& checkpoint, const PrepareOptions& options) {
  Preparation(weights, checkpoint, options).run();
}

}  // namespace plumb
