#pragma once
/// Small random models of every kind of state that a sequence may have, and sessions of them.

#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "plumb/model/session.hpp"
#include "tests/support/specs.hpp"

namespace plumb::test {

inline constexpr int kStateVocab = 61, kStateContext = 1200;

/// A model and what its state is.
struct StateModel {
  std::string name;
  Model model;
  bool recurrent = false;
  bool shifts = false;  ///< its keys can be rotated
};

inline ModelSpec state_spec(int layers = 3) {
  return llama_spec({.vocab = kStateVocab,
                     .width = 32,
                     .layers = layers,
                     .heads = 4,
                     .kv_heads = 2,
                     .head_dim = 8,
                     .ffn = 48,
                     .context = kStateContext});
}
inline ModelSpec state_spec_of(const Mixer& mixer) {
  ModelSpec spec = state_spec();
  for (LayerSpec& layer : spec.layers) layer.mixer = mixer;
  return spec;
}
inline DeltaNetSpec small_delta() {
  DeltaNetSpec delta;
  delta.k_heads = 2;
  delta.v_heads = 4;
  delta.k_dim = 8;
  delta.v_dim = 6;
  delta.kernel = 4;
  return delta;
}
inline ModelSpec rwkv_spec() {
  ModelSpec spec = state_spec();
  spec.ropes.clear();
  for (int l = 0; l < spec.n_layers(); ++l) {
    LayerSpec& layer = spec.layers[static_cast<std::size_t>(l)];
    layer.mixer = RwkvSpec{
        .heads = 4, .head_dim = 8, .decay_rank = 4, .rate_rank = 4, .first_rank = l == 0 ? 0 : 4, .gate_rank = 4};
    layer.ffn = DenseSpec{.inner = 48, .gated = false, .activation = Activation::relu2, .shift = true};
    layer.ffn_branch.norm->weight = false;
  }
  return spec;
}
inline ModelSpec latent_spec(bool indexer) {
  LatentAttentionSpec latent{.n_heads = 3, .q_rank = 12, .kv_rank = 20, .rope_dims = 6, .nope_dims = 10, .v_dims = 14};
  if (indexer) latent.indexer = {.heads = 2, .dims = 9, .top = 7, .rope = 0};
  ModelSpec spec = state_spec_of(latent);
  spec.ropes[0].dims = 6;
  return spec;
}
/// Windows in all layers but the last, which sees all; the third reads the keys of the second.
inline ModelSpec ring_spec() {
  ModelSpec spec = state_spec(4);
  for (int l = 0; l < 3; ++l) attention_of(spec, l).window = 40;
  attention_of(spec, 2).kv_from = 1;
  return spec;
}
/// A delta net, attention with a scan beside it, a short convolution, a window.
inline ModelSpec hybrid_spec() {
  ModelSpec spec = state_spec(4);
  spec.layers[0].mixer = small_delta();
  spec.layers[1].beside = StateSpaceSpec{.inner = 32, .size = 8, .heads = 4, .groups = 1, .kernel = 3};
  spec.layers[2].mixer = ShortConvSpec{32, 3};
  attention_of(spec, 3).window = 40;
  return spec;
}

inline const std::vector<StateModel>& state_models() {
  static const std::vector<StateModel> all = [] {
    std::vector<StateModel> made;
    const auto add = [&](const char* name, const ModelSpec& spec, bool recurrent, bool shifts) {
      made.push_back({name, Model::random(spec, DType::q8_0, 7), recurrent, shifts});
    };
    add("attention", state_spec(), false, true);
    add("rings", ring_spec(), false, false);
    add("latent", latent_spec(false), false, false);
    add("indexer", latent_spec(true), false, false);
    add("hybrid", hybrid_spec(), true, false);
    add("mamba", state_spec_of(StateSpaceSpec{.inner = 48, .size = 8, .rank = 3, .kernel = 4}), true, false);
    add("rwkv", rwkv_spec(), true, false);
    return made;
  }();
  return all;
}
/// The one of this name.
inline const StateModel& state_model(std::string_view name) {
  for (const StateModel& one : state_models())
    if (one.name == name) return one;
  throw std::logic_error("no such model");
}

inline std::vector<Token> state_text(std::size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % kStateVocab);
  return tokens;
}
/// The first logits of the last pass.
inline std::vector<float> last_logits(const Session& session) {
  return {session.logits().begin(), session.logits().end()};
}
/// Logits after these tokens, read afresh.
inline std::vector<float> logits_after(const Model& model, std::span<const Token> tokens, SessionOptions options = {}) {
  options.sequences = 1;
  options.threads = 2;
  Session session(model, options);
  session.prefill(tokens);
  return last_logits(session);
}
inline std::vector<Token> joined(std::vector<Token> first, std::span<const Token> second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}
/// The next tokens of sequence s, the most probable ones.
inline std::vector<Token> greedy(Session& session, int count, int s = 0) {
  std::vector<Token> tokens;
  for (const Token token : session.generate({.sampling = {.temperature = 0}, .max_tokens = count}, s))
    tokens.push_back(token);
  return tokens;
}

}  // namespace plumb::test
