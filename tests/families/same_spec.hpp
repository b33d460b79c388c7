#pragma once
/// Compares specs, with a hint where they differ.

#include <gtest/gtest.h>

#include "plumb/model/spec.hpp"

namespace plumb::test {

/// Equal but for the name, with a hint where not.
inline void expect_same(ModelSpec got, const ModelSpec& want) {
  got.name = want.name;
  EXPECT_EQ(got.family, want.family);
  EXPECT_EQ(got.vocab_size, want.vocab_size);
  EXPECT_EQ(got.width, want.width);
  EXPECT_EQ(got.context, want.context);
  EXPECT_TRUE(got.embedding == want.embedding) << got.embedding.scale << " " << want.embedding.scale;
  ASSERT_EQ(got.ropes.size(), want.ropes.size());
  for (std::size_t t = 0; t < got.ropes.size(); ++t) {
    EXPECT_EQ(got.ropes[t].base, want.ropes[t].base);
    EXPECT_EQ(got.ropes[t].dims, want.ropes[t].dims);
    EXPECT_EQ(got.ropes[t].attn_factor, want.ropes[t].attn_factor);
    EXPECT_TRUE(got.ropes[t] == want.ropes[t]) << "rope table " << t;
  }
  ASSERT_EQ(got.n_layers(), want.n_layers());
  for (std::size_t l = 0; l < got.layers.size(); ++l) {
    EXPECT_TRUE(got.layers[l].mixer == want.layers[l].mixer) << "mixer of layer " << l;
    EXPECT_TRUE(got.layers[l].ffn == want.layers[l].ffn) << "feed-forward block of layer " << l;
    EXPECT_TRUE(got.layers[l] == want.layers[l]) << "layer " << l;
  }
  EXPECT_TRUE(got.output == want.output) << "output";
  EXPECT_TRUE(got == want);
}

}  // namespace plumb::test
