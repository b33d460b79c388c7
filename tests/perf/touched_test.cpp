// The ledger against a forward pass that counts: every kernel of the table is wrapped by one that notes which bytes it
// was given and how much arithmetic that means. The counts come from the calls that were really made, with the operands
// that were really passed; none of the ledger's formulas is used. Plain loops beside the kernels (biases, clips,
// scales, the choice of experts) are counted from the list of tensors and the spec.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "plumb/core/parallel.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/model/model.hpp"
#include "plumb/perf/ledger.hpp"
#include "tests/perf/counting_kernels.hpp"
#include "tests/support/specs.hpp"

namespace plumb {
namespace {

using test::counting::Counts;

/// A pass that can be run and stated in the ledger's terms.
struct TestPass {
  int position, tokens, sequences;
  bool all_logits;

  double rows() const { return static_cast<double>(tokens) * sequences; }
  double asked() const { return all_logits ? rows() : sequences; }
};

constexpr int kVocab = 320, kWidth = 256;
/// Longer than any pass, so that layers with windows keep rings, and read in parts as short as a ring allows.
constexpr int kContext = 1024, kBatch = 80;

/// Every dimension is a multiple of 16 and those that are summed over of 256, so that nothing is padded.
ModelSpec shape(int heads, int kv_heads) {
  return llama_spec({.vocab = kVocab,
                     .width = kWidth,
                     .layers = 3,
                     .heads = heads,
                     .kv_heads = kv_heads,
                     .head_dim = 256 / heads,
                     .ffn = 512,
                     .context = kContext});
}

/// Runs `pass` after its positions have been read, and counts.
Counts run(const Model& model, const TestPass& pass, DType kv, int threads) {
  static const KernelTable table = test::counting::counting_table();
  // The model is immutable to its users; the object behind the handle is not const, and gets its own table back.
  Transformer& counting = const_cast<Transformer&>(model.transformer());
  const KernelTable* const own = counting.kernels;
  SessionState state(layer_states(counting.spec),
                     {.context = kContext, .sequences = pass.sequences, .batch = kBatch, .kv = kv});
  Scratch scratch(scratch_sizes(counting.spec), kBatch * pass.sequences, kContext, threads);
  scratch.reserve_logits(std::int64_t{kBatch} * pass.sequences, kVocab);
  const std::vector<ops::RopeTable> ropes = make_rope_tables(counting, kContext);
  const auto forward = [&](int first, int count, bool all) {
    std::vector<BatchRow> rows;
    for (int s = 0; s < pass.sequences; ++s)
      for (int i = 0; i < count; ++i) rows.push_back({(first + i) % kVocab, first + i, s, all || i + 1 == count});
    ForwardPass work(counting, ropes, state, scratch, rows);
    run_parallel(threads, [&](const Worker& worker) { work.run(worker); });
    for (int s = 0; s < pass.sequences; ++s) state.extend(s, first + count);
  };
  counting.kernels = &test::counting::real;
  for (int at = 0; at < pass.position; at += kBatch) forward(at, std::min(kBatch, pass.position - at), false);
  counting.kernels = &table;
  test::counting::counts = {};
  forward(pass.position, pass.tokens, pass.all_logits);
  counting.kernels = own;
  return std::exchange(test::counting::counts, {});
}

bool is_norm(TensorRole role) {
  switch (role) {
    case TensorRole::embedding_norm:
    case TensorRole::attn_norm:
    case TensorRole::attn_q_norm:
    case TensorRole::attn_k_norm:
    case TensorRole::attn_post_norm:
    case TensorRole::ffn_norm:
    case TensorRole::ffn_post_norm:
    case TensorRole::output_norm: return true;
    default: return false;
  }
}

/// What a pass does in plain loops.
struct Beside {
  double bias_bytes = 0, bias_adds = 0;            ///< of products
  double choice_bytes = 0, choice = 0;             ///< choice of experts, and the sum of their outputs
  double logits = 0;                               ///< scales of logits, a cap's tanh aside
  double clipped = 0;                              ///< elements of q, k and v
  double scaled = 0;                               ///< elements of branches that are scaled before they are added
  double embedding_bytes = 0, embedding_adds = 0;  ///< looked up, scaled, added
  double shared_norm_bytes = 0;                    ///< a norm that both parts of a layer read
};

double params(const std::optional<NormSpec>& norm) {
  return norm ? kWidth * 4.0 * ((norm->weight ? 1 : 0) + (norm->bias ? 1 : 0)) : 0;
}

void add_layer(const LayerSpec& layer, double rows, Beside& sum) {
  if (const auto* a = std::get_if<AttentionSpec>(&layer.mixer)) {
    if (a->clip > 0) sum.clipped += rows * (a->q_rows() + a->k_rows() + a->v_rows());
    if (layer.residual_scale != 1.0f) sum.scaled += rows * kWidth;
  }
  if (!std::holds_alternative<Nothing>(layer.ffn) && layer.residual_scale != 1.0f) sum.scaled += rows * kWidth;
  if (layer.shared_norm) sum.shared_norm_bytes += params(layer.mixer_branch.norm);
  const auto* e = std::get_if<ExpertsSpec>(&layer.ffn);
  if (e == nullptr) return;
  const double outputs = e->used + (e->has_shared() ? 1 : 0);
  sum.choice += rows * (e->count * ElementCost::kSoftmax + 2 * outputs * kWidth);
  if (e->has_shared() && e->shared_gate) sum.choice += rows * ElementCost::kPlain;
  if (!e->choice_bias) return;
  sum.choice += rows * e->count;
  sum.choice_bytes += e->count * 4;
}

Beside beside(const ModelSpec& spec, const Model& model, const TestPass& pass) {
  Beside sum;
  const double rows = pass.rows(), asked = pass.asked();
  for (const LayerSpec& layer : spec.layers) add_layer(layer, rows, sum);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    if (!tensor.id.bias || is_norm(tensor.id.role)) return;
    // Of a stack those of the experts that are visited, each by all rows: see expect_all_passes.
    const double matrices = tensor.shape.rank() > 1 ? test::experts_of(spec, tensor.id.layer).used : 1;
    const double values = matrices * static_cast<double>(tensor.shape.cols());
    sum.bias_bytes += values * 4;
    sum.bias_adds += values * (tensor.id.role == TensorRole::head ? asked : rows);
  });
  const ops::WeightMatrix& table = model.transformer().weights.embedding.w;
  sum.embedding_bytes = rows * static_cast<double>(row_bytes(table.type, kWidth));
  if (spec.embedding.positions) sum.embedding_bytes += rows * kWidth * 4;
  sum.embedding_adds = rows * kWidth * ((spec.embedding.scale != 1.0f ? 1 : 0) + (spec.embedding.positions ? 1 : 0));
  if (spec.output.scale != 1.0f || spec.output.softcap > 0) sum.logits += asked * kVocab;
  if (spec.output.softcap > 0) sum.logits += asked * kVocab;
  return sum;
}

void expect_equal(const ModelSpec& spec, const Model& model, const WeightTypes& types, const TestPass& pass, DType kv,
                  int threads) {
  const Ledger ledger = pass_work(spec, {.weights = types,
                                         .kv = kv,
                                         .position = pass.position,
                                         .tokens = pass.tokens,
                                         .sequences = pass.sequences,
                                         .logits = pass.all_logits ? pass.tokens * pass.sequences : -1});
  Counts seen = run(model, pass, kv, threads);
  const Beside loops = beside(spec, model, pass);
  const auto sum = [&](std::initializer_list<Op> ops) {
    OpWork total{Op::embedding, -1, {}, {}, {}};
    for (const Op op : ops) {
      total.operations += ledger.sum_of(op).operations;
      total.bytes += ledger.sum_of(op).bytes;
    }
    return total;
  };
  const OpWork products = sum({Op::q, Op::k, Op::v, Op::attn_out, Op::router, Op::gate, Op::up, Op::down, Op::head});
  EXPECT_EQ(seen.weights.bytes() + loops.bias_bytes + loops.choice_bytes, products.bytes.weights());
  EXPECT_EQ(2 * seen.macs_int8, products.operations.int8);
  EXPECT_EQ(2 * seen.macs_float + loops.bias_adds + loops.choice + loops.logits + seen.capped,
            products.operations.f32 + products.operations.bf16);
  EXPECT_EQ(seen.unpacked, products.operations.unpack);

  const OpWork attention = ledger.sum_of(Op::attention), rope = ledger.sum_of(Op::rope);
  EXPECT_EQ(seen.keys_read(), attention.bytes.kv_read);
  EXPECT_EQ(2 * seen.score_macs + ElementCost::kSoftmax * seen.scores + ElementCost::kSoftcap * seen.capped_scores +
                ElementCost::kAlibi * seen.sloped_scores,
            attention.operations.f32);
  EXPECT_EQ(4 * seen.sinks / pass.rows(), attention.bytes.weights());
  EXPECT_EQ(seen.stored, rope.bytes.kv_write);

  const OpWork rest = sum({Op::embedding, Op::attn_norm, Op::rope, Op::ffn_norm, Op::head_norm});
  EXPECT_EQ(seen.norms.bytes() + loops.embedding_bytes + loops.shared_norm_bytes, rest.bytes.weights());
  if (threads > 1) return;  // a worker may repeat a small step rather than wait for another's result
  EXPECT_EQ(ElementCost::kRmsNorm * seen.rms_normed + ElementCost::kLayerNorm * seen.layer_normed +
                ElementCost::kRope * seen.rotated + ElementCost::kClip * loops.clipped + 2 * loops.scaled +
                loops.embedding_adds,
            rest.operations.f32);
  EXPECT_EQ(ElementCost::kGated * seen.gated + ElementCost::kPlain * seen.plain,
            ledger.sum_of(Op::activation).operations.f32);
  EXPECT_EQ(ElementCost::kQuantize * seen.quantized, ledger.sum_of(Op::quantize).operations.f32);
}

/// Decoding at the start and deep in the cache, a batch of sequences, prompts by direct and by tiled kernels.
constexpr TestPass kPasses[] = {{0, 1, 1, false},  {300, 1, 1, false}, {40, 1, 3, false}, {0, 5, 1, true},
                                {0, 77, 1, false}, {270, 33, 1, true}, {12, 20, 2, false}};

void expect_all_passes(const std::string& name, const ModelSpec& spec, const WeightTypes& types) {
  const Model model = Model::random(spec, types);
  bool some_visited = false;
  for (const LayerSpec& layer : spec.layers)
    if (const auto* experts = std::get_if<ExpertsSpec>(&layer.ffn)) some_visited |= experts->used < experts->count;
  for (const TestPass& pass : kPasses) {
    // Which experts several rows visit is known to the pass alone, unless each visits all.
    if (some_visited && pass.tokens * pass.sequences > 1) continue;
    for (const int threads : {1, 2})
      // Narrow keys and values are unpacked for many query rows, and then read from scratch: those passes take f32.
      for (const DType kv : {DType::f32, DType::f16, DType::i8}) {
        if (kv != DType::f32 && pass.tokens > 1) continue;
        SCOPED_TRACE(name + ' ' + std::string(dtype_name(types.matrices())) + " position " +
                     std::to_string(pass.position) + " tokens " + std::to_string(pass.tokens) + " sequences " +
                     std::to_string(pass.sequences) + " threads " + std::to_string(threads) + " kv " +
                     std::string(dtype_name(kv)));
        expect_equal(spec, model, types, pass, kv, threads);
      }
  }
}

TEST(TouchedBytes, EqualTheLedgerForEveryWeightType) {
  for (const DType type :
       {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q5_1, DType::q4_k, DType::q6_k})
    expect_all_passes("llama", shape(8, 4), type);
}

TEST(TouchedBytes, EqualTheLedgerForEveryKindOfAttention) {
  for (const auto& [heads, kv_heads] : {std::pair{4, 4}, {8, 2}, {16, 1}})
    expect_all_passes(std::to_string(heads) + '/' + std::to_string(kv_heads), shape(heads, kv_heads), DType::q4_0);
}

TEST(TouchedBytes, EqualTheLedgerForTiedHeadsAndMixedTypes) {
  ModelSpec spec = shape(8, 4);
  spec.output.tied = true;
  WeightTypes types(DType::q4_k);
  types.set(TensorRole::token_embedding, DType::q6_k).set(TensorRole::ffn_down, 1, DType::q8_0);
  expect_all_passes("mixed", spec, types);
}

/// A spec that differs from a llama in one thing, or in several.
struct Feature {
  const char* name;
  void (*change)(ModelSpec&);
};

void expect_features(std::initializer_list<Feature> features) {
  for (const Feature& feature : features) {
    ModelSpec spec = shape(8, 4);
    feature.change(spec);
    expect_all_passes(feature.name, spec, DType::q8_0);
  }
}
/// Changes the attention of every layer.
template <class Change>
void attention(ModelSpec& spec, const Change& change) {
  for_each_attention(spec, change);
}
template <class Change>
void layers(ModelSpec& spec, const Change& change) {
  for (LayerSpec& layer : spec.layers) change(layer);
}

TEST(TouchedBytes, EqualTheLedgerForEveryNorm) {
  static constexpr NormSpec kLayerNorm{.kind = NormKind::layer, .bias = true};
  expect_features({
      {"layer norms", [](ModelSpec& s) { test::for_each_norm(s, [](NormSpec& norm) { norm = kLayerNorm; }); }},
      {"layer norms without parameters",
       [](ModelSpec& s) { test::for_each_norm(s, [](NormSpec& n) { n.kind = NormKind::layer, n.weight = false; }); }},
      {"norms after both parts too",
       [](ModelSpec& s) {
         layers(s, [](LayerSpec& l) { l.mixer_branch.post_norm = l.ffn_branch.post_norm = NormSpec{}; });
       }},
      {"norms after both parts alone",
       [](ModelSpec& s) {
         layers(s,
                [](LayerSpec& l) { l.mixer_branch = l.ffn_branch = {.norm = std::nullopt, .post_norm = NormSpec{}}; });
       }},
      {"no last norm", [](ModelSpec& s) { s.output.norm.reset(); }},
      {"norm of each head", [](ModelSpec& s) { attention(s, [](auto& a) { a.qk_norm_over = QkNormOver::head; }); }},
      {"norms of all heads",
       [](ModelSpec& s) { attention(s, [](auto& a) { a.qk_norm_over = QkNormOver::all_heads; }); }},
      {"layer norms of each head after the rotation",
       [](ModelSpec& s) {
         attention(s, [](auto& a) {
           a.qk_norm_over = QkNormOver::each_head;
           a.qk_norm = kLayerNorm;
           a.qk_norm_after_rope = true;
         });
       }},
      {"norm of the embedding", [](ModelSpec& s) { s.embedding.norm = kLayerNorm; }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForEveryFeedForwardBlock) {
  expect_features({
      {"gelu", [](ModelSpec& s) { test::for_each_dense(s, [](auto& d) { d.activation = Activation::gelu; }); }},
      {"gelu_tanh",
       [](ModelSpec& s) { test::for_each_dense(s, [](auto& d) { d.activation = Activation::gelu_tanh; }); }},
      {"relu without a gate",
       [](ModelSpec& s) {
         test::for_each_dense(s, [](auto& d) { d.activation = Activation::relu, d.gated = false; });
       }},
      {"relu2 without a gate, with biases",
       [](ModelSpec& s) {
         test::for_each_dense(s, [](auto& d) { d.activation = Activation::relu2, d.gated = false, d.bias = true; });
       }},
      {"biases", [](ModelSpec& s) { test::for_each_dense(s, [](auto& d) { d.bias = true; }); }},
      {"clipped swiglu",
       [](ModelSpec& s) { test::for_each_dense(s, [](auto& d) { d.activation = Activation::clipped_swiglu; }); }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForEveryFeatureOfAttention) {
  expect_features({
      {"biases", [](ModelSpec& s) { attention(s, [](auto& a) { a.qkv_bias = a.out_bias = true; }); }},
      {"softcap", [](ModelSpec& s) { attention(s, [](auto& a) { a.softcap = 50; }); }},
      {"clip", [](ModelSpec& s) { attention(s, [](auto& a) { a.clip = 0.5f; }); }},
      {"sinks", [](ModelSpec& s) { attention(s, [](auto& a) { a.sinks = true; }); }},
      {"ALiBi",
       [](ModelSpec& s) {
         s.ropes.clear();
         attention(s, [](auto& a) { a.rope = -1, a.alibi_max_bias = 8; });
       }},
      {"windows", [](ModelSpec& s) { test::set_windows(s, 50, 0); }},
      {"windows but in every third layer", [](ModelSpec& s) { test::set_windows(s, 50, 3); }},
      {"wider and narrower values",
       [](ModelSpec& s) {
         test::attention_of(s, 0).value_dim = 16;
         test::attention_of(s, 2).value_dim = 64;
       }},
      {"fewer rotated dimensions", [](ModelSpec& s) { s.ropes[0].dims = 16; }},
      {"two tables, of halves too, and a layer without",
       [](ModelSpec& s) {
         s.ropes.push_back({.pairs = RopePairs::halves, .dims = 8, .base = 1e6f});
         test::attention_of(s, 1).rope = 1;
         test::attention_of(s, 2).rope = -1;
       }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForEveryWayInAndOut) {
  expect_features({
      {"positions", [](ModelSpec& s) { s.embedding.positions = true; }},
      {"scaled embeddings", [](ModelSpec& s) { s.embedding.scale = 16; }},
      {"bias of the head", [](ModelSpec& s) { s.output.bias = true; }},
      {"bias of a tied head", [](ModelSpec& s) { s.output.bias = s.output.tied = true; }},
      {"scaled logits", [](ModelSpec& s) { s.output.scale = 0.25f; }},
      {"capped logits", [](ModelSpec& s) { s.output.softcap = 30; }},
      {"scaled and capped logits", [](ModelSpec& s) { s.output.scale = 0.25f, s.output.softcap = 30; }},
      {"scaled branches", [](ModelSpec& s) { layers(s, [](auto& l) { l.residual_scale = 0.22f; }); }},
      {"parallel parts", [](ModelSpec& s) { layers(s, [](auto& l) { l.parallel = true; }); }},
      {"parallel parts, one norm",
       [](ModelSpec& s) {
         layers(s, [](auto& l) {
           l.parallel = l.shared_norm = true;
           l.ffn_branch.norm.reset();
         });
       }},
      {"parallel parts, normed and scaled",
       [](ModelSpec& s) {
         layers(s, [](auto& l) {
           l.parallel = true;
           l.residual_scale = 0.5f;
           l.mixer_branch.post_norm = l.ffn_branch.post_norm = NormSpec{};
         });
       }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForExperts) {
  ModelSpec spec = shape(8, 4);
  test::set_experts(spec, test::experts(16, 3, 256));
  for (const DType type : {DType::f32, DType::q8_0, DType::q4_k}) expect_all_passes("3 of 16", spec, type);
  ExpertsSpec all = test::experts(16, 16, 256, 512);
  all.routing.renormalise = false;
  test::set_experts(spec, all);
  expect_all_passes("all and a shared one", spec, DType::q4_0);
  expect_features({
      {"gated share",
       [](ModelSpec& s) {
         ExpertsSpec e = test::experts(4, 4, 256, 512);
         e.shared_gate = true;
         test::set_experts(s, e);
       }},
      {"biases and no gates",
       [](ModelSpec& s) {
         ExpertsSpec e = test::experts(4, 4, 256, 256);
         e.expert.bias = e.shared.bias = e.router_bias = true;
         e.expert.gated = e.shared.gated = false;
         e.expert.activation = Activation::gelu;
         test::set_experts(s, e);
       }},
      {"groups of sigmoids and a bias of the choice",
       [](ModelSpec& s) {
         ExpertsSpec e = test::experts(16, 4, 256, 256);
         e.choice_bias = true;
         e.routing = {.sigmoid = true, .weight_scale = 2.5f, .groups = 4, .groups_used = 2};
         test::set_experts(s, e);
       }},
  });
}

/// What real families put together.
TEST(TouchedBytes, EqualTheLedgerForMixedSpecs) {
  expect_features({
      {"gpt2",
       [](ModelSpec& s) {
         s.ropes.clear();
         s.embedding.positions = s.output.tied = true;
         test::for_each_norm(s, [](NormSpec& n) { n = {.kind = NormKind::layer, .bias = true}; });
         attention(s, [](auto& a) { a.rope = -1, a.qkv_bias = a.out_bias = true; });
         test::for_each_dense(
             s, [](auto& d) { d = {.inner = 512, .gated = false, .activation = Activation::gelu, .bias = true}; });
       }},
      {"gemma",
       [](ModelSpec& s) {
         s.embedding.scale = 16;
         s.output.tied = true;
         s.output.softcap = 30;
         s.ropes.push_back({.pairs = RopePairs::halves, .dims = 32, .base = 1e6f});
         test::set_windows(s, 40, 2);
         attention(s,
                   [](auto& a) { a.softcap = 50, a.qk_norm_over = QkNormOver::head, a.rope = a.window > 0 ? 0 : 1; });
         layers(s, [](auto& l) { l.mixer_branch.post_norm = l.ffn_branch.post_norm = NormSpec{}; });
         test::for_each_dense(s, [](auto& d) { d.activation = Activation::gelu_tanh; });
       }},
      {"gpt-oss",
       [](ModelSpec& s) {
         test::set_windows(s, 60, 2);
         attention(s, [](auto& a) { a.sinks = a.qkv_bias = a.out_bias = true; });
         ExpertsSpec e = test::experts(8, 2, 256);
         e.expert.bias = e.router_bias = true;
         e.expert.activation = Activation::clipped_swiglu;
         test::set_experts(s, e);
       }},
      {"bloom",
       [](ModelSpec& s) {
         s.ropes.clear();
         s.embedding.norm = NormSpec{.kind = NormKind::layer, .bias = true};
         attention(s, [](auto& a) { a.rope = -1, a.alibi_max_bias = 8, a.qkv_bias = a.out_bias = true; });
       }},
      {"layers that differ",
       [](ModelSpec& s) {
         s.layers[0].parallel = true;
         test::attention_of(s, 0) = {.n_heads = 4, .n_kv_heads = 1, .head_dim = 64, .window = 30};
         s.layers[1].mixer = Nothing{};
         s.layers[1].ffn = test::experts(4, 4, 256);
         s.layers[1].mixer_branch.norm.reset();
         test::dense_of(s, 2).inner = 768;
         s.layers.push_back(s.layers[2]);
         s.layers[3].ffn = Nothing{};
         s.layers[3].ffn_branch.norm.reset();
       }},
  });
}

}  // namespace
}  // namespace plumb
