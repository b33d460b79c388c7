#pragma once
/// Compares specs, with a hint where they differ, and sends them through files.

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/io/gguf.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/weights.hpp"
#include "tests/support/temp_dir.hpp"

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

/// Writes the spec and its tensors, without any data: a file with holes.
inline ModelSpec through_a_file(const ModelSpec& spec) {
  const TempDir dir;
  GgufWriter writer;
  write_spec(writer, spec);
  const WeightTypes types(DType::q4_0);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    writer.add_tensor(tensor_name(spec, tensor.id), types.of(tensor), tensor.shape);
  });
  const std::vector<std::byte> header = writer.header();
  const auto path = dir.file("m.gguf", {reinterpret_cast<const char*>(header.data()), header.size()});
  const GgufTensorPlan& last = writer.tensors().back();
  std::filesystem::resize_file(path, header.size() + last.offset + last.bytes + kGgufDefaultAlignment);
  const GgufFile file = GgufFile::open(path);
  ModelSpec read = spec_from_file(file);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    const auto view = find_tensor(file, read, tensor);
    ASSERT_TRUE(view) << tensor_name(spec, tensor.id);
    EXPECT_EQ(view->view.shape(), tensor.shape) << tensor_name(spec, tensor.id);
  });
  return read;
}

}  // namespace plumb::test
