// What no recorded model of Gemma 4 has, against double precision: experts beside the dense block, keys that stand in
// for values, other numbers of key heads in layers without a window, odd widths.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"

namespace plumb::gemma4_reference_test {
namespace {

using Row = std::vector<double>;

constexpr int kDim = 20, kVocab = 24, kHeads = 6, kExperts = 5, kUsed = 2, kInner = 12, kExpertInner = 7, kWindow = 4;
constexpr double kEps = 0.01, kCap = 5;

/// A layer's attention: with a window, or with longer heads, fewer of them for keys, and no values.
struct Attention {
  int head, kv_heads;
  bool windowed;
};
constexpr Attention kLayers[] = {{4, 3, true}, {8, 2, false}, {4, 3, true}};

test::GgufBuilder build(bool experts) {
  test::GgufBuilder file;
  std::mt19937 random(29);
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> dims, float mean = 0) {
    file.add_random(name, std::move(dims), random, mean);
  };
  const std::string pre = "gemma4.";
  file.set_string("general.architecture", "gemma4");
  for (const auto& [key, value] : {std::pair{"context_length", 64u},
                                   {"embedding_length", unsigned{kDim}},
                                   {"block_count", 3u},
                                   {"feed_forward_length", unsigned{kInner}},
                                   {"attention.head_count", unsigned{kHeads}},
                                   {"attention.key_length", 8u},
                                   {"attention.value_length", 8u},
                                   {"attention.key_length_swa", 4u},
                                   {"attention.value_length_swa", 4u},
                                   {"attention.sliding_window", unsigned{kWindow}},
                                   {"expert_count", unsigned{kExperts}},
                                   {"expert_used_count", unsigned{kUsed}},
                                   {"expert_feed_forward_length", unsigned{kExpertInner}}})
    file.set_u32(pre + key, value);
  file.set_f32(pre + "attention.layer_norm_rms_epsilon", static_cast<float>(kEps));
  file.set_f32(pre + "final_logit_softcapping", static_cast<float>(kCap));
  file.set_f32(pre + "rope.freq_base", 1e4f);
  file.set_f32(pre + "rope.freq_base_swa", 100);
  std::string flags;
  std::vector<std::uint32_t> kv;
  for (const Attention& a : kLayers) {
    flags += a.windowed ? '\1' : '\0';
    kv.push_back(static_cast<std::uint32_t>(a.kv_heads));
  }
  file.set(pre + "attention.sliding_window_pattern", test::value_type::array,
           test::encoded_array(test::value_type::boolean, 3, flags));
  file.set_numbers<std::uint32_t>(pre + "attention.head_count_kv", test::value_type::u32, kv);
  add("token_embd.weight", {kDim, kVocab});
  add("output_norm.weight", {kDim}, 1);
  test::BuiltTensor& factors = file.tensor("rope_freqs.weight");
  factors.dims = {4};
  for (const float factor : {1.0f, 2.0f, 1e30f, 1e30f}) factors.data += test::encoded(factor);
  for (int l = 0; l < 3; ++l) {
    const std::string blk = "blk." + std::to_string(l) + ".";
    const auto head = static_cast<std::uint64_t>(kLayers[l].head);
    const std::uint64_t keys = head * static_cast<std::uint64_t>(kLayers[l].kv_heads);
    for (const char* norm : {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"})
      add(blk + norm + ".weight", {kDim}, 1);
    add(blk + "attn_q.weight", {kDim, kHeads * head});
    add(blk + "attn_k.weight", {kDim, keys});
    if (kLayers[l].windowed) add(blk + "attn_v.weight", {kDim, keys});
    add(blk + "attn_q_norm.weight", {head}, 1);
    add(blk + "attn_k_norm.weight", {head}, 1);
    add(blk + "attn_output.weight", {kHeads * head, kDim});
    add(blk + "layer_output_scale.weight", {1}, 1);
    add(blk + "ffn_gate.weight", {kDim, kInner});
    add(blk + "ffn_up.weight", {kDim, kInner});
    add(blk + "ffn_down.weight", {kInner, kDim});
    if (!experts) continue;
    for (const char* norm : {"pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"})
      add(blk + norm + ".weight", {kDim}, 1);
    add(blk + "ffn_gate_inp.weight", {kDim, kExperts}, 0);
    add(blk + "ffn_gate_inp.scale", {kDim}, 8);
    add(blk + "ffn_gate_exps.weight", {kDim, kExpertInner, kExperts});
    add(blk + "ffn_up_exps.weight", {kDim, kExpertInner, kExperts});
    add(blk + "ffn_down_exps.weight", {kExpertInner, kDim, kExperts});
    add(blk + "ffn_down_exps.scale", {kExperts}, 1);
  }
  return file;
}

/// The file with gates and ups of each layer's experts in one tensor, an expert's gate first, as converters write it.
test::GgufBuilder fused(test::GgufBuilder file) {
  for (int l = 0; l < 3; ++l) {
    const std::string blk = "blk." + std::to_string(l) + ".";
    const std::string gate = file.tensor(blk + "ffn_gate_exps.weight").data;
    const std::string up = file.tensor(blk + "ffn_up_exps.weight").data;
    test::BuiltTensor& both = file.tensor(blk + "ffn_gate_up_exps.weight");
    both.dims = {kDim, 2 * kExpertInner, kExperts};
    const std::size_t each = gate.size() / kExperts;
    for (std::size_t e = 0; e < kExperts; ++e) both.data += gate.substr(e * each, each) + up.substr(e * each, each);
    for (const char* part : {"ffn_gate_exps", "ffn_up_exps"}) file.erase_tensor(blk + part + ".weight");
  }
  return file;
}

/// The same model in double precision, from the bytes of the file's parts.
class Reference {
 public:
  Reference(test::GgufBuilder file, bool experts) : file_(std::move(file)), experts_(experts) {}

  std::vector<double> logits(std::span<const Token> tokens) {
    std::vector<Row> x;
    for (const Token token : tokens) {
      x.push_back(rows("token_embd", token, kDim));
      for (double& value : x.back()) value *= std::sqrt(kDim);
    }
    for (int l = 0; l < 3; ++l) layer("blk." + std::to_string(l) + ".", kLayers[l], x);
    std::vector<double> all;
    for (const Row& row : x)
      for (double logit : product("token_embd", norm(row, "output_norm")))
        all.push_back(kCap * std::tanh(logit / kCap));
    return all;
  }

 private:
  Row values(const std::string& name) {
    const std::string& data = file_.tensor(name).data;
    std::vector<float> floats(data.size() / sizeof(float));
    std::memcpy(floats.data(), data.data(), data.size());
    return Row(floats.begin(), floats.end());
  }
  Row rows(const std::string& name, int row, int cols) {
    const Row all = values(name + ".weight");
    return Row(all.begin() + row * cols, all.begin() + (row + 1) * cols);
  }
  /// W x, of matrix m of a stack.
  Row product(const std::string& name, const Row& x, std::size_t m = 0, std::size_t outputs = 0) {
    const Row w = values(name + ".weight");
    if (outputs == 0) outputs = w.size() / x.size();
    Row y(outputs, 0.0);
    for (std::size_t r = 0; r < outputs; ++r)
      for (std::size_t k = 0; k < x.size(); ++k) y[r] += w[(m * outputs + r) * x.size() + k] * x[k];
    return y;
  }
  static Row norm(Row x, const Row& weight) {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + kEps);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= scale * (weight.empty() ? 1 : weight[i]);
    return x;
  }
  Row norm(const Row& x, const std::string& name) { return norm(x, values(name + ".weight")); }

  /// Heads one after another: normed each, and turned.
  std::vector<Row> heads(const Row& all, const Attention& a, const Row& weight, bool turn, int position) {
    std::vector<Row> split;
    const Row factors = values("rope_freqs.weight");
    for (std::size_t at = 0; at < all.size(); at += static_cast<std::size_t>(a.head)) {
      Row head = norm(Row(all.begin() + static_cast<long>(at), all.begin() + static_cast<long>(at) + a.head), weight);
      const auto half = static_cast<std::size_t>(a.head) / 2;
      for (std::size_t i = 0; turn && i < half; ++i) {
        double angle = position * std::pow(a.windowed ? 100.0 : 1e4, -2.0 * static_cast<double>(i) / a.head);
        if (!a.windowed) angle /= factors[i];
        const double p = head[i], q = head[half + i];
        head[i] = p * std::cos(angle) - q * std::sin(angle);
        head[half + i] = p * std::sin(angle) + q * std::cos(angle);
      }
      split.push_back(head);
    }
    return split;
  }

  void layer(const std::string& blk, const Attention& a, std::vector<Row>& x) {
    std::vector<std::vector<Row>> keys, kept;
    for (std::size_t n = 0; n < x.size(); ++n) {
      const Row h = norm(x[n], blk + "attn_norm");
      const auto position = static_cast<int>(n);
      const Row k = product(blk + "attn_k", h), v = a.windowed ? product(blk + "attn_v", h) : k;
      keys.push_back(heads(k, a, values(blk + "attn_k_norm.weight"), true, position));
      kept.push_back(heads(v, a, {}, false, position));
      const auto q = heads(product(blk + "attn_q", h), a, values(blk + "attn_q_norm.weight"), true, position);
      const std::size_t first = a.windowed && n >= kWindow ? n - kWindow + 1 : 0;
      Row joined;
      for (std::size_t head = 0; head < q.size(); ++head) {
        const std::size_t g = head * static_cast<std::size_t>(a.kv_heads) / kHeads;
        Row sum(static_cast<std::size_t>(a.head), 0.0);
        double total = 0;
        for (std::size_t p = first; p <= n; ++p) {
          const double weight = std::exp(std::inner_product(q[head].begin(), q[head].end(), keys[p][g].begin(), 0.0));
          total += weight;
          for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * kept[p][g][i];
        }
        for (const double value : sum) joined.push_back(value / total);
      }
      add(x[n], norm(product(blk + "attn_output", joined), blk + "post_attention_norm"));
    }
    const double scale = values(blk + "layer_output_scale.weight")[0];
    for (Row& row : x) {
      add(row, norm(feed_forward(blk, row), blk + "post_ffw_norm"));
      for (double& value : row) value *= scale;
    }
  }

  Row block(const std::string& blk, const std::string& suffix, const Row& x, std::size_t m, std::size_t inner) {
    Row gate = product(blk + "ffn_gate" + suffix, x, m, inner), up = product(blk + "ffn_up" + suffix, x, m, inner);
    for (std::size_t i = 0; i < inner; ++i) {
      const double g = gate[i], cube = 0.044715 * g * g * g;
      up[i] *= 0.5 * g * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (g + cube)));
    }
    return product(blk + "ffn_down" + suffix, up, m, kDim);
  }
  Row feed_forward(const std::string& blk, const Row& x) {
    const Row dense = block(blk, "", norm(x, blk + "ffn_norm"), 0, kInner);
    if (!experts_) return dense;
    Row scored = norm(x, values(blk + "ffn_gate_inp.scale"));
    for (double& value : scored) value /= std::sqrt(kDim);
    Row p = product(blk + "ffn_gate_inp", scored);
    for (double& value : p) value = std::exp(value);
    std::vector<std::size_t> order(p.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return p[i] > p[j]; });
    const Row input = norm(x, blk + "pre_ffw_norm_2"), scales = values(blk + "ffn_down_exps.scale");
    Row sum(kDim, 0.0);
    for (std::size_t i = 0; i < kUsed; ++i) {
      Row out = block(blk, "_exps", input, order[i], kExpertInner);
      for (double& value : out) value *= scales[order[i]] * p[order[i]] / (p[order[0]] + p[order[1]]);
      add(sum, out);
    }
    Row both = norm(dense, blk + "post_ffw_norm_1");
    add(both, norm(sum, blk + "post_ffw_norm_2"));
    return both;
  }
  static void add(Row& to, const Row& x) {
    for (std::size_t i = 0; i < x.size(); ++i) to[i] += x[i];
  }

  test::GgufBuilder file_;
  bool experts_;
};

TEST(Gemma4, ExpertsAndKeysForValuesEqualDoublePrecision) {
  std::mt19937 random(30);
  std::vector<Token> tokens(30);
  for (Token& token : tokens) token = static_cast<Token>(random() % kVocab);
  for (const bool experts : {false, true}) {
    const test::GgufBuilder file = build(experts);
    const std::vector<double> want = Reference(file, experts).logits(tokens);
    for (const bool repack : {true, false}) {
      const test::BuiltModel built(file, {.repack = repack});
      const std::vector<float> whole = test::all_logits(built.model, tokens, tokens.size());
      EXPECT_LT(test::nmse(std::span(whole), std::span(want)), 1e-9) << experts;
      for (const auto& [chunk, threads] : {std::pair{1u, 1}, {1u, 3}, {4u, 2}, {7u, 8}, {30u, 2}})
        EXPECT_EQ(test::all_logits(built.model, tokens, chunk, {.threads = threads}), whole)
            << chunk << " x " << threads;
      if (!experts) continue;
      const test::BuiltModel together(fused(file), {.repack = repack});
      EXPECT_EQ(test::all_logits(together.model, tokens, tokens.size()), whole) << "gates and ups in one";
    }
  }
}

}  // namespace
}  // namespace plumb::gemma4_reference_test
