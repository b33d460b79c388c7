#include "plumb/perf/tensor_error.hpp"

#include <algorithm>

#include "plumb/core/parallel.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/matmul.hpp"
#include "plumb/quantize/quantize.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::int64_t kBlockRows = 2048;  // of W at a time: bounds the memory for large vocabularies

struct Sums {
  double error = 0, power = 0;
  Sums& operator+=(const Sums& o) {
    error += o.error, power += o.power;
    return *this;
  }
};

Sums squares(const float* error, const float* value, std::int64_t n) {
  Sums sums;
  for (std::int64_t i = 0; i < n; ++i) {
    sums.error += static_cast<double>(error[i]) * static_cast<double>(error[i]);
    sums.power += static_cast<double>(value[i]) * static_cast<double>(value[i]);
  }
  return sums;
}

/// One tensor, block of rows by block of rows. Every sum is of one row, added up in the order of rows.
class Comparison {
 public:
  Comparison(const ConstTensorView& base, const ConstTensorView& other, const InputRows* inputs, int threads)
      : base_(base),
        other_(other),
        threads_(threads > 0 ? granted_threads(threads) : default_threads()),
        columns_(base.cols()),
        block_(std::min(kBlockRows, base.rows())),
        samples_(inputs != nullptr ? inputs->rows() : 0),
        values_(static_cast<std::size_t>(block_ * columns_)),
        errors_(values_.size()),
        weight_sums_(static_cast<std::size_t>(block_)) {
    if (samples_ == 0) return;
    prepared_ = ops::ActivationBuffer(samples_, columns_);
    inputs_ = {inputs->values.data(), samples_, columns_, columns_, &prepared_};
    scratch_ = ops::MatmulScratch(columns_, threads_);
    for (std::vector<float>* out : {&value_out_, &error_out_}) out->resize(static_cast<std::size_t>(samples_ * block_));
    output_sums_.resize(static_cast<std::size_t>(samples_));
  }

  void run() {
    for (std::int64_t first = 0; first < base_.rows(); first += block_) {
      const std::int64_t rows = std::min(block_, base_.rows() - first);
      run_parallel(threads_, [&](const Worker& worker) { block(worker, first, rows); });
      for (std::int64_t r = 0; r < rows; ++r) weights += weight_sums_[static_cast<std::size_t>(r)];
      for (const Sums& sums : output_sums_) outputs += sums;
    }
  }

  Sums weights, outputs;

 private:
  /// Every worker of a region: decode rows [first, first + rows) of both, multiply their difference and the base.
  void block(const Worker& worker, std::int64_t first, std::int64_t rows) {
    const Range mine = worker.share(rows);
    for (std::int64_t r = mine.begin; r < mine.end; ++r) {
      float* const value = values_.data() + r * columns_;
      float* const error = errors_.data() + r * columns_;
      dequantize_row_fast(base_.dtype(), base_.row(first + r), value, columns_);
      dequantize_row_fast(other_.dtype(), other_.row(first + r), error, columns_);
      for (std::int64_t k = 0; k < columns_; ++k) error[k] -= value[k];
      weight_sums_[static_cast<std::size_t>(r)] = squares(error, value, columns_);
    }
    if (samples_ == 0) return;
    if (first == 0) ops::prepare_rows(worker, kernels_, inputs_, {.f32 = true});
    worker.barrier();
    const ops::WeightMatrix value = matrix(values_, rows), error = matrix(errors_, rows);
    const ops::MatmulTask tasks[] = {{&value, value_out_.data(), rows}, {&error, error_out_.data(), rows}};
    ops::matmul(worker, {&kernels_, &scratch_, true}, tasks, inputs_);
    worker.barrier();
    const Range columns = worker.share(samples_);
    for (std::int64_t n = columns.begin; n < columns.end; ++n)
      output_sums_[static_cast<std::size_t>(n)] =
          squares(error_out_.data() + n * rows, value_out_.data() + n * rows, rows);
  }

  ops::WeightMatrix matrix(const std::vector<float>& values, std::int64_t rows) const {
    return ops::make_weight_matrix(
        ConstTensorView(reinterpret_cast<const std::byte*>(values.data()), DType::f32, Shape{rows, columns_}));
  }

  const KernelTable& kernels_ = active_kernels();  // may throw, which a worker must not
  const ConstTensorView &base_, &other_;
  int threads_;
  std::int64_t columns_, block_, samples_;
  std::vector<float> values_, errors_;  // [block, columns]: W, W' - W
  std::vector<Sums> weight_sums_;       // [block]
  ops::ActivationBuffer prepared_;
  ops::Activations inputs_;
  ops::MatmulScratch scratch_;
  std::vector<float> value_out_, error_out_;  // [samples, block]: W X, (W' - W) X
  std::vector<Sums> output_sums_;             // [samples]
};

double ratio(const Sums& sums) { return sums.power > 0 ? sums.error / sums.power : 0; }

const InputRows* inputs_of(std::string_view name, const ConstTensorView& view, std::span<const InputRows> inputs) {
  for (const InputRows& rows : inputs)
    if (rows.columns == view.cols() && std::find(rows.names.begin(), rows.names.end(), name) != rows.names.end())
      return &rows;
  return nullptr;
}

}  // namespace

TensorError tensor_error(std::string_view name, const ConstTensorView& base, const ConstTensorView& other,
                         const InputRows* inputs, int threads) {
  if (base.shape() != other.shape())
    throw Error(ErrorCode::bad_shape, "tensor " + quote(name) + " has shape " + other.shape().to_string() +
                                          ", expected " + base.shape().to_string() + " as in the base");
  require_computed(base.dtype());
  require_computed(other.dtype());
  Comparison comparison(base, other, inputs, threads);
  comparison.run();
  TensorError error{std::string(name), base.shape(), base.dtype(), other.dtype(), other.bytes(), 0, 0, {}};
  error.mse = comparison.weights.error / static_cast<double>(base.shape().elements());
  error.nmse = ratio(comparison.weights);
  if (inputs != nullptr) error.output_nmse = ratio(comparison.outputs);
  return error;
}

std::vector<TensorError> tensor_errors(const ModelFile& base, const FindTensor& other,
                                       std::span<const InputRows> inputs, int threads) {
  std::vector<TensorError> errors;
  for (const GgufTensor& tensor : base.tensors()) {
    const std::optional<ConstTensorView> view = other(tensor.name);
    if (!view) throw Error(ErrorCode::missing_key, "tensor " + quote(tensor.name) + " is absent in the smaller model");
    if (view->dtype() == tensor.view.dtype()) continue;
    const HeldTensor held = base.hold(tensor);
    errors.push_back(tensor_error(tensor.name, held.view, *view, inputs_of(tensor.name, held.view, inputs), threads));
  }
  return errors;
}

}  // namespace plumb
