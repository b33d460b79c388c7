#pragma once
/// Specs that differ from a llama in some feature, and the ledger of each against a pass that counts.

#include <initializer_list>

#include "tests/perf/counting_pass.hpp"

namespace plumb::test::counting {

/// A spec that differs from a llama in one thing, or in several.
struct Feature {
  const char* name;
  void (*change)(ModelSpec&);
};

inline void expect_features(std::initializer_list<Feature> features) {
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

}  // namespace plumb::test::counting
