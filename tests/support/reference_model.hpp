#pragma once
/// An independent forward pass for Llama-shaped files, with or without experts: double precision, one token at a time
/// over growing lists, written from the papers' formulas and sharing nothing with the engine but the dequantizer.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "plumb/io/model_file.hpp"
#include "plumb/quant/dequantize.hpp"

namespace plumb::test {

class ReferenceModel {
 public:
  using Values = std::vector<double>;

  explicit ReferenceModel(const ModelFile& file)
      : file_(file), prefix_(std::string(file.get_string("general.architecture")) + ".") {
    layers_ = integer("block_count");
    width_ = integer("embedding_length");
    heads_ = integer("attention.head_count");
    kv_heads_ = integer("attention.head_count_kv", heads_);
    head_dim_ = integer("attention.key_length", width_ / heads_);
    rotated_ = integer("rope.dimension_count", head_dim_);
    base_ = static_cast<double>(file.float_or(prefix_ + "rope.freq_base", 10000.0f));
    eps_ = static_cast<double>(file.get_float(prefix_ + "attention.layer_norm_rms_epsilon"));
    linear_ = file.string_or(prefix_ + "rope.scaling.type", "") == "linear"
                  ? static_cast<double>(file.get_float(prefix_ + "rope.scaling.factor"))
                  : 1.0;
    experts_ = integer("expert_count");
    visited_ = integer("expert_used_count");
  }

  /// Called with the input of every product and the name of its matrix; matrix e of a stack is "name#e".
  std::function<void(const std::string& tensor, const Values& input)> observe;

  /// Logits after each token of a sequence that starts with it: [tokens, vocabulary].
  Values logits(std::span<const std::int32_t> tokens) {
    keys_.assign(static_cast<std::size_t>(layers_), {});
    values_.assign(static_cast<std::size_t>(layers_), {});
    Values all;
    for (std::size_t p = 0; p < tokens.size(); ++p) {
      const Values row = step(tokens[p], static_cast<double>(p));
      all.insert(all.end(), row.begin(), row.end());
    }
    return all;
  }

 private:
  std::int64_t integer(const std::string& key, std::int64_t fallback = 0) const {
    return file_.int_or(prefix_ + key, fallback);
  }

  const Values& tensor(const std::string& name) {
    Values& values = cache_[name];
    if (!values.empty()) return values;
    const ConstTensorView view = file_.get_tensor(name).view;
    std::vector<float> row(static_cast<std::size_t>(view.cols()));
    for (std::int64_t r = 0; r < view.rows(); ++r) {
      dequantize_row(view.dtype(), view.row(r), row.data(), view.cols());
      values.insert(values.end(), row.begin(), row.end());
    }
    return values;
  }
  bool has(const std::string& name) const { return file_.find_tensor(name) != nullptr; }

  Values times(const std::string& name, const Values& x) {
    if (observe) observe(name + ".weight", x);
    return matrix_times(name, x, 0, 1);
  }
  Values expert_times(const std::string& name, const Values& x, std::size_t e) {
    if (observe) observe(name + ".weight#" + std::to_string(e), x);
    return matrix_times(name, x, e, static_cast<std::size_t>(experts_));
  }
  /// Matrix e of `count` equal ones.
  Values matrix_times(const std::string& name, const Values& x, std::size_t e, std::size_t count) {
    const Values& all = tensor(name + ".weight");
    Values y(all.size() / x.size() / count);
    const double* const w = all.data() + e * y.size() * x.size();
    for (std::size_t r = 0; r < y.size(); ++r) {
      long double sum = 0;
      for (std::size_t k = 0; k < x.size(); ++k) sum += static_cast<long double>(w[r * x.size() + k]) * x[k];
      y[r] = static_cast<double>(sum);
    }
    if (has(name + ".bias"))
      for (std::size_t r = 0; r < y.size(); ++r) y[r] += tensor(name + ".bias")[r];
    return y;
  }

  Values normed(const std::string& name, const Values& x) {
    double squares = 0;
    for (const double v : x) squares += v * v;
    Values y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      y[i] = x[i] / std::sqrt(squares / static_cast<double>(x.size()) + eps_) * tensor(name)[i];
    return y;
  }

  void rotate(Values& heads, double position) {
    for (std::size_t start = 0; start < heads.size(); start += static_cast<std::size_t>(head_dim_))
      for (std::size_t i = 0; i < static_cast<std::size_t>(rotated_ / 2); ++i) {
        double angle =
            position / linear_ * std::pow(base_, -2.0 * static_cast<double>(i) / static_cast<double>(rotated_));
        if (has("rope_freqs.weight")) angle /= tensor("rope_freqs.weight")[i];
        const bool halves = prefix_ != "llama.";
        double& a = heads[start + (halves ? i : 2 * i)];
        double& b = heads[start + (halves ? i + static_cast<std::size_t>(rotated_ / 2) : 2 * i + 1)];
        const double x = a, y = b;
        a = x * std::cos(angle) - y * std::sin(angle);
        b = x * std::sin(angle) + y * std::cos(angle);
      }
  }

  Values attention(const Values& q, const std::vector<Values>& keys, const std::vector<Values>& values) const {
    const auto dim = static_cast<std::size_t>(head_dim_);
    Values out(q.size(), 0.0);
    for (std::size_t h = 0; h < static_cast<std::size_t>(heads_); ++h) {
      const std::size_t g = h / static_cast<std::size_t>(heads_ / kv_heads_);
      Values weight(keys.size());
      double top = -INFINITY, sum = 0;
      for (std::size_t p = 0; p < keys.size(); ++p) {
        double score = 0;
        for (std::size_t d = 0; d < dim; ++d) score += q[h * dim + d] * keys[p][g * dim + d];
        weight[p] = score / std::sqrt(static_cast<double>(dim));
        top = std::max(top, weight[p]);
      }
      for (double& w : weight) sum += w = std::exp(w - top);
      for (std::size_t p = 0; p < keys.size(); ++p)
        for (std::size_t d = 0; d < dim; ++d) out[h * dim + d] += weight[p] / sum * values[p][g * dim + d];
    }
    return out;
  }

  /// Each head by itself, where the model has such a norm.
  void norm_heads(const std::string& name, Values& heads) {
    if (!has(name)) return;
    for (auto head = heads.begin(); head != heads.end(); head += head_dim_) {
      const Values y = normed(name, Values(head, head + head_dim_));
      std::copy(y.begin(), y.end(), head);
    }
  }

  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
  static Values gated(Values gate, const Values& up) {
    for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] * sigmoid(gate[i]) * up[i];
    return gate;
  }

  /// The experts with the largest probabilities, weighted by these (of qwen2moe as they are, else to a sum of 1), and
  /// the expert that all tokens share.
  Values mixture(const std::string& blk, const Values& x) {
    Values p = times_unseen(blk + "ffn_gate_inp", x);
    const double top = *std::max_element(p.begin(), p.end());
    double all = 0;
    for (double& score : p) all += score = std::exp(score - top);
    std::vector<std::size_t> order(p.size());
    for (std::size_t e = 0; e < order.size(); ++e) order[e] = e;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
    order.resize(static_cast<std::size_t>(visited_));
    double chosen = 0;
    for (const std::size_t e : order) chosen += p[e];
    Values sum(x.size(), 0.0);
    const auto add = [&sum](double weight, const Values& y) {
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * y[i];
    };
    for (const std::size_t e : order) {
      const Values inner = gated(expert_times(blk + "ffn_gate_exps", x, e), expert_times(blk + "ffn_up_exps", x, e));
      add(p[e] / (prefix_ == "qwen2moe." ? all : chosen), expert_times(blk + "ffn_down_exps", inner, e));
    }
    if (has(blk + "ffn_up_shexp.weight"))
      add(sigmoid(times_unseen(blk + "ffn_gate_inp_shexp", x)[0]),
          times(blk + "ffn_down_shexp", gated(times(blk + "ffn_gate_shexp", x), times(blk + "ffn_up_shexp", x))));
    return sum;
  }
  /// A product that calibration does not watch: routers keep their floats.
  Values times_unseen(const std::string& name, const Values& x) { return matrix_times(name, x, 0, 1); }

  Values step(std::int32_t token, double position) {
    const Values& embedding = tensor("token_embd.weight");
    const auto first = embedding.begin() + token * width_;
    Values x(first, first + width_);
    const auto add = [&x](const Values& branch) {
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += branch[i];
    };
    for (std::int64_t l = 0; l < layers_; ++l) {
      const std::string blk = "blk." + std::to_string(l) + ".";
      const Values input = normed(blk + "attn_norm.weight", x);
      Values q = times(blk + "attn_q", input), k = times(blk + "attn_k", input);
      norm_heads(blk + "attn_q_norm.weight", q);
      norm_heads(blk + "attn_k_norm.weight", k);
      rotate(q, position);
      rotate(k, position);
      auto& keys = keys_[static_cast<std::size_t>(l)];
      auto& values = values_[static_cast<std::size_t>(l)];
      keys.push_back(k);
      values.push_back(times(blk + "attn_v", input));
      add(times(blk + "attn_output", attention(q, keys, values)));
      const Values ffn = normed(blk + "ffn_norm.weight", x);
      if (experts_ > 0)
        add(mixture(blk, ffn));
      else
        add(times(blk + "ffn_down", gated(times(blk + "ffn_gate", ffn), times(blk + "ffn_up", ffn))));
    }
    return times(has("output.weight") ? "output" : "token_embd", normed("output_norm.weight", x));
  }

  const ModelFile& file_;
  std::string prefix_;  // of the architecture's keys
  std::int64_t layers_, width_, heads_, kv_heads_, head_dim_, rotated_, experts_, visited_;
  double base_, eps_, linear_;
  std::map<std::string, Values> cache_;
  std::vector<std::vector<Values>> keys_, values_;  // [layer][position], [G * head_dim]
};

}  // namespace plumb::test
