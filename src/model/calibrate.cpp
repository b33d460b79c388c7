#include "plumb/model/calibrate.hpp"

#include <algorithm>
#include <utility>

#include "plumb/core/checked.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/model/pack_weights.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr int kRowsAtOnce = 64;  // every row runs the head: 64 rows of logits of a large vocabulary are 40 MB

/// Windows side by side until the text ends.
std::vector<TextWindow> all_windows(std::size_t tokens, int context) {
  std::vector<TextWindow> windows;
  for (std::size_t begin = 0; begin < tokens; begin += static_cast<std::size_t>(context))
    windows.push_back({begin, std::min(tokens, begin + static_cast<std::size_t>(context)), begin});
  return windows;
}

/// The role whose matrix stands for all that multiply the same rows.
constexpr TensorRole input_of(TensorRole role) {
  switch (role) {
    case TensorRole::attn_k:
    case TensorRole::attn_v: return TensorRole::attn_q;
    case TensorRole::ffn_up: return TensorRole::ffn_gate;
    case TensorRole::expert_up: return TensorRole::expert_gate;
    case TensorRole::shared_up: return TensorRole::shared_gate;
    default: return role;
  }
}

std::int64_t visits_of(const ModelSpec& spec, const TensorId& id) {
  const Mixer& mixer = spec.layers[static_cast<std::size_t>(std::max(id.layer, 0))].mixer;
  if (id.role == TensorRole::mla_k_up || id.role == TensorRole::mla_v_up)
    return std::get<LatentAttentionSpec>(mixer).n_heads;
  const bool expert =
      id.role == TensorRole::expert_gate || id.role == TensorRole::expert_up || id.role == TensorRole::expert_down;
  if (expert) return std::get<ExpertsSpec>(spec.layers[static_cast<std::size_t>(id.layer)].ffn).used;
  const bool of_streams = id.role == TensorRole::altup_spread || id.role == TensorRole::altup_merge;
  return of_streams ? spec.altup->streams - 1 : 1;
}

}  // namespace

std::vector<ProductInput> product_inputs(const Model& model) {
  const ModelSpec& spec = model.spec();
  const Weights& weights = model.transformer().weights;
  std::vector<ProductInput> inputs;
  TensorId shared{TensorRole::token_embedding};  // whose rows the last of `inputs` are
  const auto add = [&](const TensorId& id, const ops::WeightMatrix& w) {
    const TensorId own{input_of(id.role), id.layer};
    if (inputs.empty() || shared != own) inputs.push_back({{}, {}, w.cols, visits_of(spec, id)});
    shared = own;
    inputs.back().names.push_back(tensor_name(spec, id));
    inputs.back().consumers.push_back(&w);
  };
  for_each_matrix(spec, weights, [&](const TensorSpec& tensor, const ops::WeightMatrix& w) {
    if (tensor.is_matrix() && !is_table(tensor.id.role)) add(tensor.id, w);
  });
  if (spec.output.tied) add({TensorRole::token_embedding}, weights.head.w);
  return inputs;
}

void observe_inputs(const Model& model, std::span<const ProductInput> inputs, std::span<const Token> text,
                    const CalibrationOptions& options, const InputVisitor& visit, const std::function<void()>& passed) {
  if (text.empty()) throw Error(ErrorCode::invalid_argument, "no tokens to calibrate with: the text is empty");
  const WindowOptions window_options{.context = options.context, .stride = 0, .bos = options.bos};
  SessionOptions session_options = options.session;
  session_options.context = window_context(window_options, model.spec());
  session_options.sequences = 1;
  session_options.batch = std::min(session_options.context, kRowsAtOnce);
  session_options.observer = [&](const ops::WeightMatrix& weights, std::int64_t matrix, const ops::Activations& rows) {
    // One of the matrices stands for all that share the rows.
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].consumers.front() == &weights) return visit(i, matrix, rows);
  };
  Session session(model, session_options);
  const std::vector<TextWindow> windows = all_windows(text.size(), session_options.context);
  std::vector<BatchRow> rows;
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const std::vector<Token> tokens = window_tokens(text, windows[w], window_options, model);
    session.clear();
    for (std::size_t done = 0; done < tokens.size(); done += rows.size()) {
      rows.clear();
      const std::size_t end = std::min(tokens.size(), done + static_cast<std::size_t>(session.batch()));
      for (std::size_t i = done; i < end; ++i) rows.push_back({tokens[i], static_cast<int>(i), 0, true});
      session.forward(rows);
      if (passed) passed();
    }
    if (options.progress) options.progress(static_cast<double>(w + 1) / static_cast<double>(windows.size()));
  }
}

ImportanceMatrix calibrate(const Model& model, std::span<const Token> text, const CalibrationOptions& options) {
  const std::vector<ProductInput> inputs = product_inputs(model);
  struct Sum {
    std::vector<double> squares;  // [columns]
    double rows = 0;
  };
  std::vector<std::vector<Sum>> sums;  // [input][matrix]
  sums.reserve(inputs.size());
  for (const ProductInput& input : inputs)
    sums.emplace_back(static_cast<std::size_t>(input.consumers.front()->count),
                      Sum{std::vector<double>(static_cast<std::size_t>(input.columns)), 0});
  observe_inputs(model, inputs, text, options, [&](std::size_t index, std::int64_t m, const ops::Activations& x) {
    auto& [sum, rows] = sums[index][static_cast<std::size_t>(m)];
    rows += static_cast<double>(x.rows);
    for (std::int64_t n = 0; n < x.rows; ++n)
      for (std::int64_t k = 0; k < x.cols; ++k) {
        const double value = static_cast<double>(x.values[n * x.stride + k]);
        sum[static_cast<std::size_t>(k)] += value * value;
      }
  });

  ImportanceMatrix matrix;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    for (std::size_t m = 0; m < sums[i].size(); ++m)
      for (const std::string& name : inputs[i].names)
        matrix.add_sums(name, sums[i][m].squares, sums[i][m].rows, static_cast<std::int64_t>(m),
                        static_cast<std::int64_t>(sums[i].size()));
  const int context = window_context({.context = options.context}, model.spec());
  matrix.chunk_size = static_cast<std::uint32_t>(context);
  matrix.chunk_count = static_cast<std::uint32_t>(all_windows(text.size(), context).size());
  return matrix;
}

std::vector<InputRows> sample_inputs(const Model& model, std::span<const Token> text, const CalibrationOptions& options,
                                     std::int64_t most) {
  if (most < 1) throw Error(ErrorCode::invalid_argument, std::to_string(most) + " rows of inputs, expected at least 1");
  const std::vector<ProductInput> inputs = product_inputs(model);
  const auto tokens = static_cast<std::int64_t>(text.size());
  const std::int64_t kept = std::min(most, tokens);
  std::vector<InputRows> samples;
  std::vector<std::int64_t> seen(inputs.size(), 0);
  for (const ProductInput& input : inputs) {
    samples.push_back({input.names, input.columns, {}});
    samples.back().values.reserve(static_cast<std::size_t>(checked_mul(kept, input.columns, "sampled inputs")));
  }
  observe_inputs(model, inputs, text, options, [&](std::size_t index, std::int64_t, const ops::Activations& x) {
    std::vector<float>& values = samples[index].values;
    const std::int64_t visits = tokens * inputs[index].visits;
    for (std::int64_t n = 0; n < x.rows; ++n) {
      const std::int64_t i = seen[index]++;
      // Token (or visit) i is the first of one of `kept` equal parts of the text.
      if (i * kept / visits != (i - 1) * kept / visits || i == 0)
        values.insert(values.end(), x.values + n * x.stride, x.values + n * x.stride + x.cols);
    }
  });
  return samples;
}

}  // namespace plumb
