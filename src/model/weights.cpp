#include "plumb/model/weights.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "plumb/quant/dequantize.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

std::string quoted(const TensorSource& source, std::string_view tensor) {
  return source.name + ": tensor '" + std::string(tensor) + "'";
}

/// Finds tensors of one source and checks them against what the configuration expects.
class Binder {
 public:
  explicit Binder(const TensorSource& source) : source_(source) {}

  bool has(const std::string& name) const { return source_.find(name).has_value(); }

  ops::WeightMatrix matrix(const std::string& name, std::int64_t rows, std::int64_t cols) const {
    const ConstTensorView view = require(name, Shape{rows, cols});
    return ops::make_weight_matrix(view);
  }

  /// `count` matrices [rows, cols].
  Linear stack(const std::string& name, std::int64_t count, std::int64_t rows, std::int64_t cols) const {
    return {ops::make_weight_stack(require(name + ".weight", Shape{count, rows, cols}), count), {}};
  }

  /// [size], any float type, as f32.
  Vector vector(const std::string& name, std::int64_t size) const {
    const ConstTensorView view = require(name, Shape{size});
    if (view.dtype() != DType::f32 && view.dtype() != DType::f16 && view.dtype() != DType::bf16)
      throw Error(ErrorCode::wrong_type, quoted(source_, name) + ": type " + std::string(dtype_name(view.dtype())) +
                                             ", expected F32, F16 or BF16");
    Vector values(static_cast<std::size_t>(size));
    dequantize_row(view.dtype(), view.data(), values.data(), size);
    return values;
  }

  /// `name`.weight [rows, cols] and, if asked for, `name`.bias [rows].
  Linear linear(const std::string& name, std::int64_t rows, std::int64_t cols, bool bias) const {
    Linear result{matrix(name + ".weight", rows, cols), {}};
    if (bias) result.bias = vector(name + ".bias", rows);
    return result;
  }

 private:
  ConstTensorView require(const std::string& name, const Shape& shape) const {
    const std::optional<ConstTensorView> view = source_.find(name);
    if (!view) throw Error(ErrorCode::missing_key, quoted(source_, name) + " is absent, expected " + shape.to_string());
    if (!same_shape(view->shape(), shape))
      throw Error(ErrorCode::bad_shape, quoted(source_, name) + ": shape " + view->shape().to_string() + ", expected " +
                                            shape.to_string() + " by the configuration");
    if (!dtype_info(view->dtype()).computed)
      throw Error(ErrorCode::unsupported_type,
                  quoted(source_, name) + ": type " + std::string(dtype_name(view->dtype())) + " cannot be computed");
    return *view;
  }

  /// Equal, leading dimensions of 1 not counted: files may store [1, n] for a vector, or the reverse.
  static bool same_shape(const Shape& found, const Shape& expected) {
    const int rank = std::max(found.rank(), expected.rank());
    const auto dim = [rank](const Shape& shape, int i) {
      const int missing = rank - shape.rank();
      return i < missing ? 1 : shape[i - missing];
    };
    for (int i = 0; i < rank; ++i)
      if (dim(found, i) != dim(expected, i)) return false;
    return true;
  }

  const TensorSource& source_;
};

/// The feed-forward block that every token visits.
void bind_dense_ffn(const ModelConfig& config, const Binder& binder, const std::string& blk, LayerWeights& layer) {
  const std::int64_t width = config.width, ffn = config.ffn_dim;
  if (config.gated_ffn) layer.gate = binder.linear(blk + "ffn_gate", ffn, width, config.ffn_bias);
  layer.up = binder.linear(blk + "ffn_up", ffn, width, config.ffn_bias);
  layer.down = binder.linear(blk + "ffn_down", width, ffn, config.ffn_bias);
}

void bind_experts(const ModelConfig& config, const Binder& binder, const std::string& blk, LayerWeights& layer) {
  const std::int64_t width = config.width, count = config.moe.count, ffn = config.moe.ffn_dim;
  ExpertWeights& experts = layer.experts;
  experts.router = binder.linear(blk + "ffn_gate_inp", count, width, false);
  experts.gate = binder.stack(blk + "ffn_gate_exps", count, ffn, width);
  experts.up = binder.stack(blk + "ffn_up_exps", count, ffn, width);
  experts.down = binder.stack(blk + "ffn_down_exps", count, width, ffn);
  const std::int64_t shared = config.moe.shared_ffn_dim;
  if (shared == 0) return;
  if (config.moe.shared_gate) experts.shared_router = binder.linear(blk + "ffn_gate_inp_shexp", 1, width, false);
  layer.gate = binder.linear(blk + "ffn_gate_shexp", shared, width, false);
  layer.up = binder.linear(blk + "ffn_up_shexp", shared, width, false);
  layer.down = binder.linear(blk + "ffn_down_shexp", width, shared, false);
}

LayerWeights bind_layer(const ModelConfig& config, const Binder& binder, int l) {
  const std::string blk = "blk." + std::to_string(l) + ".";
  const std::int64_t width = config.width, q = config.q_dim(), kv = config.kv_dim();
  LayerWeights layer;
  layer.attn_norm = binder.vector(blk + "attn_norm.weight", width);
  layer.wq = binder.linear(blk + "attn_q", q, width, config.qkv_bias);
  layer.wk = binder.linear(blk + "attn_k", kv, width, config.qkv_bias);
  layer.wv = binder.linear(blk + "attn_v", kv, width, config.qkv_bias);
  layer.wo = binder.linear(blk + "attn_output", width, q, config.attn_out_bias);
  if (config.qk_norm) {
    layer.q_norm = binder.vector(blk + "attn_q_norm.weight", config.head_dim);
    layer.k_norm = binder.vector(blk + "attn_k_norm.weight", config.head_dim);
  }
  layer.ffn_norm = binder.vector(blk + "ffn_norm.weight", width);
  (config.is_moe_layer(l) ? bind_experts : bind_dense_ffn)(config, binder, blk, layer);
  return layer;
}

/// The walk behind both forms of for_each_matrix; `AllWeights` is Weights, const or not.
template <class AllWeights, class Visit>
void visit_matrices(AllWeights& weights, const Visit& visit) {
  visit("token_embd.weight", weights.embedding);
  for (std::size_t l = 0; l < weights.layers.size(); ++l) {
    auto& layer = weights.layers[l];
    auto& experts = layer.experts;
    const bool dense = experts.empty();
    const std::pair<const char*, decltype(&layer.wq)> parts[] = {{"attn_q", &layer.wq},
                                                                 {"attn_k", &layer.wk},
                                                                 {"attn_v", &layer.wv},
                                                                 {"attn_output", &layer.wo},
                                                                 {"ffn_gate_inp", &experts.router},
                                                                 {"ffn_gate_exps", &experts.gate},
                                                                 {"ffn_up_exps", &experts.up},
                                                                 {"ffn_down_exps", &experts.down},
                                                                 {"ffn_gate_inp_shexp", &experts.shared_router},
                                                                 {dense ? "ffn_gate" : "ffn_gate_shexp", &layer.gate},
                                                                 {dense ? "ffn_up" : "ffn_up_shexp", &layer.up},
                                                                 {dense ? "ffn_down" : "ffn_down_shexp", &layer.down}};
    for (const auto& [name, linear] : parts)
      if (!linear->empty()) visit("blk." + std::to_string(l) + "." + name + ".weight", linear->w);
  }
  if (weights.head.w.file.data() != weights.embedding.file.data()) visit("output.weight", weights.head.w);
}

}  // namespace

Weights bind_weights(const ModelConfig& config, const TensorSource& source) {
  const Binder binder(source);
  Weights weights;
  weights.embedding = binder.matrix("token_embd.weight", config.vocab_size, config.width);
  for (int l = 0; l < config.n_layers; ++l) weights.layers.push_back(bind_layer(config, binder, l));
  weights.output_norm = binder.vector("output_norm.weight", config.width);
  if (config.tied_head)
    weights.head.w = weights.embedding;
  else
    weights.head = binder.linear("output", config.vocab_size, config.width, config.head_bias);
  if (config.rope_factors) {
    const int dims = config.rope.dims > 0 ? config.rope.dims : config.head_dim;
    weights.rope_factors = binder.vector("rope_freqs.weight", dims / 2);
    for (const float factor : weights.rope_factors)
      if (!(factor > 0) || !std::isfinite(factor))
        throw Error(ErrorCode::bad_value, quoted(source, "rope_freqs.weight") + ": factor " + std::to_string(factor) +
                                              ", expected finite positive numbers");
  }
  return weights;
}

void for_each_matrix(const Weights& weights,
                     const std::function<void(const std::string& name, const ops::WeightMatrix&)>& visit) {
  visit_matrices(weights, visit);
}
void for_each_matrix(Weights& weights, const std::function<void(const std::string& name, ops::WeightMatrix&)>& visit) {
  visit_matrices(weights, visit);
}

std::size_t Weights::bytes() const {
  std::size_t total = 0;
  for_each_matrix(*this, [&](const std::string&, const ops::WeightMatrix& w) { total += w.bytes(); });
  const auto add = [&](const Vector& v) { total += v.size() * sizeof(float); };
  for (const LayerWeights& layer : layers)
    for (const Vector* v :
         {&layer.attn_norm, &layer.wq.bias, &layer.wk.bias, &layer.wv.bias, &layer.wo.bias, &layer.q_norm,
          &layer.k_norm, &layer.ffn_norm, &layer.gate.bias, &layer.up.bias, &layer.down.bias})
      add(*v);
  for (const Vector* v : {&output_norm, &head.bias, &rope_factors}) add(*v);
  return total;
}

}  // namespace plumb
