#include "plumb/quantize/quantize_model.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <system_error>

#include "plumb/core/parallel.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quantize/importance.hpp"
#include "src/quantize/in_order.hpp"
#include "src/quantize/plan.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Weights that one thread converts at a time: small enough for floats and codes to stay in its L2 cache.
constexpr std::int64_t kPieceWeights = 1 << 16;
/// Bytes of a copied tensor that go out at a time.
constexpr std::size_t kCopyBytes = std::size_t{1} << 20;
/// Input bytes after which pages of the mapped file are given back.
constexpr std::uint64_t kReleaseBytes = std::uint64_t{64} << 20;

void refuse_same_file(const ModelFile& in, const std::filesystem::path& out) {
  for (const auto& file : in.files()) {
    std::error_code error;
    if (std::filesystem::equivalent(file->path(), out, error) && !error)
      throw Error(ErrorCode::invalid_argument,
                  printable(out.native(), 4096) + " is the input file; quantize to another");
  }
}

/// Gives pages of the input back as they have been read: tensors are read in the order of the file.
class ReadPages {
 public:
  explicit ReadPages(const ModelFile& file) : file_(file) {}

  /// The first `bytes` of the tensor, and all that stands before it, have been read.
  void read(const GgufTensor& tensor, std::uint64_t bytes) {
    if (tensor.file != current_) {
      release_until(file_.files()[current_]->size());
      current_ = tensor.file;
      released_ = 0;
    }
    const std::uint64_t until = tensor.offset + bytes;
    if (until >= released_ + kReleaseBytes) release_until(until);
  }

 private:
  void release_until(std::uint64_t end) {
    file_.files()[current_]->release(static_cast<std::size_t>(released_), static_cast<std::size_t>(end - released_));
    released_ = end;
  }

  const ModelFile& file_;
  std::size_t current_ = 0;
  std::uint64_t released_ = 0;
};

/// NaN counts as infinite.
float largest_magnitude(std::span<const float> x) {
  const std::uint32_t bits = active_kernels().search.largest_bits(x.data(), static_cast<std::int64_t>(x.size()));
  return bits > 0x7F80'0000u ? std::numeric_limits<float>::infinity() : std::bit_cast<float>(bits);
}

bool is_number(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

/// How GPTQ treats one tensor: not at all where both are null.
struct Compensation {
  const SecondMoment* moment = nullptr;
  const GptqFactor* factor = nullptr;
};

/// Makes factors, and keeps those of the inputs met last: matrices with the same input are near each other in a file,
/// but not side by side.
class Compensations {
 public:
  explicit Compensations(const QuantizeOptions& options) : options_(options) {}

  Compensation find(const QuantizedTensor& tensor) {
    if (options_.moments == nullptr || !dtype_info(tensor.to).quantized() || tensor.copied()) return {};
    const auto found = options_.moments->find(tensor.name);
    if (found == options_.moments->end() || found->second->columns() != tensor.shape.cols() ||
        tensor.shape.rank() > 2 || !(found->second->mean_square() > 0)) {
      if (options_.log) options_.log("no activations for tensor " + quote(tensor.name) + ": not compensated");
      return {};
    }
    const SecondMoment& moment = *found->second;
    const std::int64_t block = dtype_info(tensor.to).block_elements;
    for (const Entry& entry : entries_)
      if (entry.moment == &moment && entry.block == block) return {&moment, entry.factor.get()};
    if (entries_.size() == kFactors) entries_.erase(entries_.begin());
    entries_.push_back({&moment, block, std::make_unique<GptqFactor>(moment, block, options_.gptq)});
    return {&moment, entries_.back().factor.get()};
  }

 private:
  static constexpr std::size_t kFactors = 3;
  struct Entry {
    const SecondMoment* moment;
    std::int64_t block;
    std::unique_ptr<const GptqFactor> factor;
  };
  const QuantizeOptions& options_;
  std::vector<Entry> entries_;
};

/// One tensor on its way from floats (or blocks) to blocks.
class TensorJob {
 public:
  TensorJob(const ModelFile& file, const GgufTensor& source, QuantizedTensor& target, const QuantizeOptions& options,
            const Compensation& compensation)
      : file_(file),
        source_(source),
        target_(target),
        options_(options),
        compensation_(compensation),
        columns_(source.view.cols()) {
    rows_ = source.view.rows();
    rows_per_matrix_ = source.view.shape().rank() > 2 ? source.view.shape()[source.view.shape().rank() - 2] : rows_;
    target.compensated = compensation.factor != nullptr;
    if (!target.compensated) load_importance();
    // Pieces do not cross from one expert to the next, whose importance is another.
    const std::int64_t least = target.compensated ? kGptqRows : 1;
    rows_per_piece_ = std::clamp<std::int64_t>(std::max(kPieceWeights / columns_, least), 1, rows_per_matrix_);
    pieces_per_matrix_ = ceil_div(rows_per_matrix_, rows_per_piece_);
  }

  /// Converts everything; pieces go to `append` in order, `finished(input bytes)` follows each.
  template <class Append, class Finished>
  void run(int threads, const Append& append, const Finished& finished) {
    const std::int64_t pieces = pieces_per_matrix_ * (rows_ / rows_per_matrix_);
    std::vector<Scratch> scratch(static_cast<std::size_t>(threads));
    detail::make_in_order<Piece>(
        pieces, threads,
        [&](std::int64_t i, Piece& piece, int thread) { convert(i, piece, scratch[static_cast<std::size_t>(thread)]); },
        [&](const Piece& piece) {
          append(std::span<const std::byte>(piece.blocks));
          total_ += piece.sums;
          finished(piece.input_bytes);
        });
    if (!options_.measure_error) return;
    target_.nmse = total_.power > 0 ? total_.error / total_.power : 0;
    target_.output_nmse = total_.output_power > 0 ? total_.output_error / total_.output_power : 0;
  }

  std::uint64_t nonfinite() const { return total_.nonfinite; }

 private:
  struct Sums {
    double error = 0, power = 0, output_error = 0, output_power = 0;
    std::uint64_t nonfinite = 0;
    Sums& operator+=(const Sums& o) {
      error += o.error, power += o.power, nonfinite += o.nonfinite;
      output_error += o.output_error, output_power += o.output_power;
      return *this;
    }
  };

  void load_importance() {
    if (options_.importance == nullptr || !dtype_info(target_.to).quantized()) return;
    const std::int64_t matrices = rows_ / std::max<std::int64_t>(rows_per_matrix_, 1);
    for (std::int64_t m = 0; m < matrices; ++m) {
      importance_.push_back(options_.importance->mean_squares(source_.name, columns_, m, matrices));
      if (!importance_.back().empty()) target_.used_importance = true;
    }
    if (!target_.used_importance && options_.log) options_.log("no importance for tensor " + quote(source_.name));
  }

  /// Some rows as they are written, and what was learnt on the way.
  struct Piece {
    std::vector<std::byte> blocks;
    Sums sums;
    std::uint64_t input_bytes = 0;
  };
  /// What one thread works on.
  struct Scratch {
    std::vector<float> weights, decoded;
  };

  void convert(std::int64_t index, Piece& piece, Scratch& scratch) const {
    const std::int64_t matrix = index / pieces_per_matrix_;
    const std::int64_t inside = index % pieces_per_matrix_ * rows_per_piece_;
    const std::int64_t first = matrix * rows_per_matrix_ + inside;
    const std::int64_t count = std::min(rows_per_piece_, rows_per_matrix_ - inside);
    piece.sums = {};
    piece.input_bytes = static_cast<std::uint64_t>(count) * source_.view.row_bytes();
    scratch.weights.resize(static_cast<std::size_t>(count * columns_));
    piece.blocks.resize(row_bytes(target_.to, columns_) * static_cast<std::size_t>(count));
    for (std::int64_t r = 0; r < count; ++r)
      dequantize_row_fast(source_.view.dtype(), source_.view.row(first + r), scratch.weights.data() + r * columns_,
                          columns_);
    check(scratch.weights, first, piece.sums);
    const float* importance = nullptr;
    if (target_.used_importance && !importance_[static_cast<std::size_t>(matrix)].empty())
      importance = importance_[static_cast<std::size_t>(matrix)].data();
    if (compensation_.factor != nullptr)
      gptq_rows(target_.to, scratch.weights.data(), piece.blocks.data(), count, columns_, *compensation_.factor);
    else
      quantize_rows(target_.to, scratch.weights.data(), piece.blocks.data(), count, columns_, importance,
                    options_.method);
    if (options_.measure_error) measure(piece, scratch, count);
  }

  /// Every weight finite and within the range of an f16 scale, or zeroed if the caller allows it.
  void check(std::vector<float>& weights, std::int64_t first_row, Sums& sums) const {
    const bool wide = target_.to == DType::f32 || target_.to == DType::bf16;
    const float limit = wide ? std::numeric_limits<float>::max() : 65504.0f;
    if (largest_magnitude(weights) <= limit) return;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      float& weight = weights[i];
      if (std::fabs(weight) <= limit) continue;
      if (options_.allow_nonfinite && !std::isfinite(weight)) {
        weight = 0;
        ++sums.nonfinite;
        continue;
      }
      const auto at = static_cast<std::int64_t>(i);
      file_.fail_tensor(ErrorCode::bad_value, source_.name,
                        "row " + std::to_string(first_row + at / columns_) + ", column " +
                            std::to_string(at % columns_) + " is " + std::to_string(weight) +
                            (std::isfinite(weight) ? ", beyond what " + std::string(dtype_name(target_.to)) + " holds"
                                                   : ", expected a finite weight"));
    }
  }

  void measure(Piece& piece, Scratch& scratch, std::int64_t count) const {
    scratch.decoded.resize(scratch.weights.size());
    const std::size_t bytes = row_bytes(target_.to, columns_);
    for (std::int64_t r = 0; r < count; ++r)
      dequantize_row_fast(target_.to, piece.blocks.data() + static_cast<std::size_t>(r) * bytes,
                          scratch.decoded.data() + r * columns_, columns_);
    for (std::size_t i = 0; i < scratch.weights.size(); ++i) {
      const double want = static_cast<double>(scratch.weights[i]), off = static_cast<double>(scratch.decoded[i]) - want;
      piece.sums.error += off * off;
      piece.sums.power += want * want;
    }
    if (compensation_.moment == nullptr) return;
    piece.sums.output_power = compensation_.moment->output_error(scratch.weights.data(), count);
    for (std::size_t i = 0; i < scratch.weights.size(); ++i) scratch.decoded[i] -= scratch.weights[i];
    piece.sums.output_error = compensation_.moment->output_error(scratch.decoded.data(), count);
  }

  const ModelFile& file_;
  const GgufTensor& source_;
  QuantizedTensor& target_;
  const QuantizeOptions& options_;
  Compensation compensation_;
  std::int64_t columns_, rows_ = 0, rows_per_matrix_ = 0, rows_per_piece_ = 0, pieces_per_matrix_ = 0;
  std::vector<std::vector<float>> importance_;  // one a matrix
  Sums total_;
};

/// Copies a tensor that keeps its type. Floats are checked like those that are converted.
template <class Append, class Finished>
void copy_tensor(const ModelFile& file, const GgufTensor& tensor, bool allow_nonfinite, const Append& append,
                 const Finished& finished) {
  const ConstTensorView& view = tensor.view;
  if (is_number(view.dtype()) && !allow_nonfinite) {
    std::vector<float> row(static_cast<std::size_t>(view.cols()));
    for (std::int64_t r = 0; r < view.rows(); ++r) {
      dequantize_row_fast(view.dtype(), view.row(r), row.data(), view.cols());
      if (std::isfinite(largest_magnitude(row))) continue;
      for (std::size_t k = 0; k < row.size(); ++k)
        if (!std::isfinite(row[k]))
          file.fail_tensor(ErrorCode::bad_value, tensor.name,
                           "row " + std::to_string(r) + ", column " + std::to_string(k) + " is " +
                               std::to_string(row[k]) + ", expected a finite weight");
    }
  }
  std::span<const std::byte> rest(view.data(), view.bytes());
  while (!rest.empty()) {
    const std::size_t part = std::min(rest.size(), kCopyBytes);
    append(rest.first(part));
    finished(part);
    rest = rest.subspan(part);
  }
}

void set_metadata(GgufWriter& writer, const ModelFile& file, int file_type, bool quantized) {
  writer.copy_metadata(file);
  if (file_type >= 0)
    writer.set("general.file_type", static_cast<std::uint32_t>(file_type));
  else
    writer.remove("general.file_type");
  if (quantized) writer.set("general.quantization_version", std::uint32_t{2});  // of the block layouts
}

}  // namespace

QuantizeResult quantize_model(const std::filesystem::path& in, const std::filesystem::path& out,
                              const QuantizeOptions& options) {
  return quantize_model(open_model_file(in), out, options);
}

QuantizeResult quantize_model(const ModelFile& file, const std::filesystem::path& out, const QuantizeOptions& options) {
  const int named_type = options.recipe.file_type();  // refuses what no file holds
  active_kernels();  // throws here, before anything is written, where a forced tier cannot run
  const Assembly* const assembly = file.assembly();
  if (assembly) assembly->check_writable();
  refuse_same_file(file, out);
  if (options.importance) detail::check_importance(file, *options.importance);
  QuantizeResult result;
  result.tensors = plan_quantization(file, options);
  detail::log_choices(result.tensors, options);

  GgufWriter writer;
  bool quantized = false;
  for (const QuantizedTensor& t : result.tensors) {
    writer.add_tensor(t.name, t.to, t.shape);
    result.bytes_before += t.bytes_before;
    result.bytes_after += t.bytes_after;
    result.weights += static_cast<std::uint64_t>(t.shape.elements());
    quantized = quantized || dtype_info(t.to).quantized();
  }
  set_metadata(writer, file, named_type >= 0 ? named_type : detail::file_type_of_rules(file, result.tensors),
               quantized);
  if (options.keys) options.keys(writer);

  const int threads = options.threads > 0 ? granted_threads(options.threads) : default_threads();
  Compensations compensations(options);
  std::size_t index = 0;
  std::uint64_t done = 0;
  ReadPages pages(file);
  const auto check_cancelled = [&] {
    if (options.cancel.stop_requested())
      throw Error(ErrorCode::cancelled, printable(out.string()) + ": quantizing was cancelled");
  };
  writer.write(out, [&](const GgufTensorPlan&, const GgufAppend& append) {
    GgufTensor source = file.tensors()[index];
    const HeldTensor held = file.hold(source);
    source.view = held.view;
    QuantizedTensor& target = result.tensors[index];
    const std::uint64_t start = done;
    const auto finished = [&](std::uint64_t bytes) {
      check_cancelled();
      done += bytes;
      if (!assembly) pages.read(source, done - start);
      if (options.progress) options.progress({target, index, result.tensors.size(), done, result.bytes_before});
    };
    check_cancelled();
    if (target.copied()) {
      copy_tensor(file, source, options.allow_nonfinite, append, finished);
    } else {
      TensorJob job(file, source, target, options, compensations.find(target));
      job.run(threads, append, finished);
      result.nonfinite += job.nonfinite();
    }
    if (assembly) assembly->release(file.tensors()[index]);
    ++index;
  });
  return result;
}

}  // namespace plumb
