// Latent attention of older files, which have keys and values of all heads in one tensor: the same model as that of
// newer ones.

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quantize/quantize.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::keys_and_values_test {
namespace {

/// A file of the absorbed form, as one of the older form.
class OlderFile {
 public:
  /// `type`: of the tensors that are put together.
  OlderFile(const std::string& name, DType type)
      : file_(GgufFile::open(test::architecture_fixture(name + ".gguf"))), spec_(spec_from_file(file_)) {
    const auto& latent = std::get<LatentAttentionSpec>(spec_.layers[0].mixer);
    writer_.copy_metadata(file_);
    for (const char* key : {"key_length_mla", "value_length_mla"})
      writer_.remove("deepseek2.attention." + std::string(key));
    writer_.set("deepseek2.attention.key_length", static_cast<std::uint32_t>(latent.head_dim()));
    writer_.set("deepseek2.attention.value_length", static_cast<std::uint32_t>(latent.v_dims));
    writer_.set("deepseek2.attention.head_count_kv", static_cast<std::uint32_t>(latent.n_heads));
    for (const GgufTensor& tensor : file_.tensors()) {
      if (tensor.name.find("attn_v_b") != std::string::npos) continue;
      if (tensor.name.find("attn_k_b") == std::string::npos) {
        writer_.add_tensor(tensor.name, tensor.view.dtype(), tensor.view.shape());
        continue;
      }
      const int layer = split_gguf_name(tensor.name).layer;
      const std::string whole = "blk." + std::to_string(layer) + ".attn_kv_b.weight";
      made_[whole] = together(latent, layer, type);
      writer_.add_tensor(whole, type, Shape{latent.n_heads * (latent.nope_dims + latent.v_dims), latent.kv_rank});
    }
  }
  GgufWriter& writer() { return writer_; }
  std::filesystem::path write(const test::TempDir& dir) {
    const std::filesystem::path path = dir.path() / "older.gguf";
    writer_.write(path, [&](const GgufTensorPlan& plan, const GgufAppend& append) {
      const auto made = made_.find(plan.name);
      if (made != made_.end()) return append(made->second);
      const ConstTensorView& view = file_.get_tensor(plan.name).view;
      append({view.data(), view.bytes()});
    });
    return path;
  }

 private:
  std::vector<std::byte> together(const LatentAttentionSpec& latent, int layer, DType type) const {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    const auto values_of = [&](const std::string& base) {
      const ConstTensorView& view = file_.get_tensor(prefix + base + ".weight").view;
      std::vector<float> all(static_cast<std::size_t>(view.shape().elements()));
      for (std::int64_t r = 0; r < view.rows(); ++r)
        dequantize_row(view.dtype(), view.row(r), all.data() + r * view.cols(), view.cols());
      return all;
    };
    const std::vector<float> k = values_of("attn_k_b"), v = values_of("attn_v_b");
    std::vector<float> rows;
    const std::int64_t rank = latent.kv_rank, nope = latent.nope_dims, dims = latent.v_dims;
    for (std::int64_t h = 0; h < latent.n_heads; ++h) {
      for (std::int64_t i = 0; i < nope; ++i)
        for (std::int64_t r = 0; r < rank; ++r) rows.push_back(k[static_cast<std::size_t>((h * rank + r) * nope + i)]);
      const auto first = v.begin() + h * dims * rank;
      rows.insert(rows.end(), first, first + dims * rank);
    }
    const std::int64_t count = latent.n_heads * (nope + dims);
    std::vector<std::byte> bytes(tensor_bytes(type, Shape{count, rank}));
    if (type == DType::f32)
      std::memcpy(bytes.data(), rows.data(), bytes.size());
    else
      quantize_rows(type, rows.data(), bytes.data(), count, rank);
    return bytes;
  }

  GgufFile file_;
  ModelSpec spec_;
  GgufWriter writer_;
  std::map<std::string, std::vector<std::byte>> made_;
};

std::vector<float> logits_of(const Model& model, const std::string& name) {
  return test::all_logits(model, test::read_tokens(test::architecture_fixture(name + ".tokens")), 7);
}

TEST(KeysAndValues, InOneTensorMakeTheSameModel) {
  PLUMB_REQUIRE_FIXTURES();
  const test::TempDir dir;
  for (const std::string name : {"deepseek2", "deepseek3"}) {
    SCOPED_TRACE(name);
    const Model newer = Model::load(test::architecture_fixture(name + ".gguf"));
    const Model older = Model::load(OlderFile(name, DType::f32).write(dir));
    EXPECT_EQ(older.spec(), newer.spec());
    EXPECT_EQ(logits_of(older, name), logits_of(newer, name));
  }
}

/// Keys leave their blocks when they change rows for columns.
TEST(KeysAndValues, OfQuantizedTypesAreTurnedToo) {
  PLUMB_REQUIRE_FIXTURES();
  const test::TempDir dir;
  const std::filesystem::path path = OlderFile("deepseek2", DType::q8_0).write(dir);
  const Model older = Model::load(path), newer = Model::load(test::architecture_fixture("deepseek2.gguf"));
  const auto& w = std::get<LatentAttentionWeights>(older.transformer().weights.layers[0].mixer);
  EXPECT_EQ(w.k_up.w.type, DType::f16);
  EXPECT_EQ(w.v_up.w.type, DType::q8_0);
  const GgufFile file = GgufFile::open(path);
  EXPECT_EQ(found_type(file, older.spec(), {{TensorRole::mla_k_up, 0, false}, {}}), DType::f16);
  EXPECT_EQ(found_type(file, older.spec(), {{TensorRole::mla_v_up, 0, false}, {}}), DType::q8_0);
  EXPECT_TRUE(left_out(file, older.spec()).empty());
  const std::vector<float> got = logits_of(older, "deepseek2"), want = logits_of(newer, "deepseek2");
  // Rounded weights, and values that meet int8 activations: 2.4e-3. Rows for columns would be 1.
  EXPECT_LT(test::nmse(std::span(got), std::span(want)), 1e-2);
}

TEST(KeysAndValues, OfAnotherShapeAreRefusedByName) {
  PLUMB_REQUIRE_FIXTURES();
  const test::TempDir dir;
  OlderFile older("deepseek2", DType::f32);
  older.writer().set("deepseek2.attention.value_length", std::uint32_t{19});
  const std::filesystem::path path = older.write(dir);
  const std::string message = test::expect_error(ErrorCode::bad_shape, [&] { Model::load(path); });
  EXPECT_NE(message.find("blk.0.attn_kv_b.weight"), std::string::npos) << message;
}

}  // namespace
}  // namespace plumb::keys_and_values_test
