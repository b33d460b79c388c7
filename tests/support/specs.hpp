#pragma once
/// Specs that tests make by hand: short ways to ask a layer and to change all of them.

#include <optional>

#include "plumb/model/llama_spec.hpp"

namespace plumb::test {

/// The attention of a layer.
inline const AttentionSpec& attention_of(const ModelSpec& spec, int layer = 0) {
  return std::get<AttentionSpec>(spec.layers.at(static_cast<std::size_t>(layer)).mixer);
}
inline AttentionSpec& attention_of(ModelSpec& spec, int layer = 0) {
  return std::get<AttentionSpec>(spec.layers.at(static_cast<std::size_t>(layer)).mixer);
}
/// The dense block of a layer.
inline const DenseSpec& dense_of(const ModelSpec& spec, int layer = 0) {
  return std::get<DenseSpec>(spec.layers.at(static_cast<std::size_t>(layer)).ffn);
}
inline DenseSpec& dense_of(ModelSpec& spec, int layer = 0) {
  return std::get<DenseSpec>(spec.layers.at(static_cast<std::size_t>(layer)).ffn);
}
/// The experts of a layer.
inline const ExpertsSpec& experts_of(const ModelSpec& spec, int layer = 0) {
  return std::get<ExpertsSpec>(spec.layers.at(static_cast<std::size_t>(layer)).ffn);
}

/// Calls visit(DenseSpec&) for the dense block of every layer that has one.
template <class Visit>
void for_each_dense(ModelSpec& spec, const Visit& visit) {
  for (LayerSpec& layer : spec.layers)
    if (auto* dense = std::get_if<DenseSpec>(&layer.ffn)) visit(*dense);
}

/// Calls visit(NormSpec&) for every norm of the stream: those before parts, those after them, the last one.
template <class Visit>
void for_each_norm(ModelSpec& spec, const Visit& visit) {
  for (LayerSpec& layer : spec.layers)
    for (BranchSpec* branch : {&layer.mixer_branch, &layer.ffn_branch})
      for (std::optional<NormSpec>* norm : {&branch->norm, &branch->post_norm})
        if (*norm) visit(**norm);
  if (spec.output.norm) visit(*spec.output.norm);
}

/// The same spec with so many layers: the first ones, and copies of the last.
inline ModelSpec with_layers(ModelSpec spec, int layers) {
  const LayerSpec last = spec.layers.back();
  spec.layers.resize(static_cast<std::size_t>(layers), last);
  return spec;
}

/// Gated experts of `ffn` wide, `used` of `count`, and a shared one of `shared_ffn`, if that is above 0.
inline ExpertsSpec experts(int count, int used, int ffn, int shared_ffn = 0) {
  ExpertsSpec experts;
  experts.count = count;
  experts.used = used;
  experts.expert.inner = ffn;
  experts.shared.inner = shared_ffn;
  return experts;
}

/// Every layer gets these experts in place of what it has.
inline void set_experts(ModelSpec& spec, const ExpertsSpec& experts) {
  for (LayerSpec& layer : spec.layers) layer.ffn = experts;
}

/// Every n-th layer sees all positions, the others the last `window` ones; n = 0: all see these.
inline void set_windows(ModelSpec& spec, int window, int every_nth_global) {
  for (int l = 0; l < spec.n_layers(); ++l)
    if (every_nth_global <= 0 || (l + 1) % every_nth_global != 0) attention_of(spec, l).window = window;
}

}  // namespace plumb::test
