// Weight types by name: by the description of a model and by the tensors of a file of it.
#include "plumb/model/named_types.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/llama_spec.hpp"
#include "plumb/model/weights.hpp"
#include "plumb/quantize/quantize_model.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::named_types_test {
namespace {

LlamaShape shape_of(int layers, int width, int heads, int kv_heads, bool tied) {
  return {.name = "a model",
          .vocab = 128,
          .width = width,
          .layers = layers,
          .heads = heads,
          .kv_heads = kv_heads,
          .head_dim = 32,
          .ffn = 96,
          .context = 64,
          .tied = tied};
}

/// Every feed-forward block becomes `count` experts, with a shared one on request.
ModelSpec with_experts(ModelSpec spec, int count, bool shared) {
  for (LayerSpec& layer : spec.layers) {
    ExpertsSpec experts;
    experts.count = count;
    experts.used = 2;
    experts.expert = std::get<DenseSpec>(layer.ffn);
    if (shared) experts.shared = experts.expert;
    layer.ffn = experts;
  }
  return spec;
}

/// One of each kind that recipes treat apart; widths that 256 divides and that it does not.
std::vector<std::pair<std::string, ModelSpec>> models() {
  return {{"dense", llama_spec(shape_of(18, 256, 8, 8, false))},
          {"narrow", llama_spec(shape_of(18, 160, 4, 2, false))},
          {"tied", llama_spec(shape_of(9, 256, 8, 4, true))},
          {"80 layers, groups of 8", llama_spec(shape_of(80, 256, 8, 1, false))},
          {"groups of 4", llama_spec(shape_of(16, 256, 8, 2, true))},
          {"eight experts", with_experts(llama_spec(shape_of(10, 256, 8, 2, false)), 8, false)},
          {"five experts and one for all", with_experts(llama_spec(shape_of(10, 256, 8, 2, false)), 5, true)}};
}

/// A file of that description, all zeros, with the names and keys that GGUF tools write. Matrices are F16.
std::filesystem::path write_zeros(const std::filesystem::path& path, const ModelSpec& spec) {
  const AttentionSpec& attention = *first_attention(spec);
  GgufWriter writer;
  writer.set("general.architecture", spec.family);
  writer.set("llama.block_count", static_cast<std::uint32_t>(spec.n_layers()));
  writer.set("llama.attention.head_count", static_cast<std::uint32_t>(attention.n_heads));
  writer.set("llama.attention.head_count_kv", static_cast<std::uint32_t>(attention.n_kv_heads));
  if (const ExpertsSpec* experts = first_experts(spec))
    writer.set("llama.expert_count", static_cast<std::uint32_t>(experts->count));
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    writer.add_tensor(gguf_tensor_name(tensor.id), tensor.is_matrix() ? DType::f16 : DType::f32, tensor.shape);
  });
  writer.write(
      path, [](const GgufTensorPlan& plan, const GgufAppend& append) { append(std::vector<std::byte>(plan.bytes)); });
  return path;
}

std::vector<std::string> names_and_rules() {
  std::vector<std::string> all;
  for (const std::string_view name : Recipe::names()) all.emplace_back(name);
  for (const char* rules : {"*=q4_k", "ffn_down*=q6_k,output=q8_0,*=q4_0", "blk.1.*=f16,attn_?=q5_0,*=q3_k_m"})
    all.emplace_back(rules);
  return all;
}

TEST(NamedTypes, OfADescriptionAreThoseOfAQuantizedFile) {
  const test::TempDir dir;
  for (const auto& [kind, spec] : models()) {
    const ModelFile file = open_model_file(write_zeros(dir / "model.gguf", spec));
    for (const std::string& name : names_and_rules()) {
      SCOPED_TRACE(kind + ", " + name);
      const WeightTypes types = weight_types_by_name(name, spec);
      QuantizeOptions options;
      options.recipe = Recipe::parse(name);
      std::map<std::string, DType> planned;
      for (const QuantizedTensor& tensor : plan_quantization(file, options)) planned[tensor.name] = tensor.to;
      std::size_t compared = 0;
      for_each_tensor(spec, [&](const TensorSpec& tensor) {
        const std::string tensor_name = gguf_tensor_name(tensor.id);
        EXPECT_EQ(dtype_name(types.of(tensor)), dtype_name(planned.at(tensor_name))) << tensor_name;
        ++compared;
      });
      EXPECT_EQ(compared, planned.size());
    }
  }
}

TEST(NamedTypes, FactsOfADescriptionAreThoseOfItsFile) {
  const test::TempDir dir;
  for (const auto& [kind, spec] : models()) {
    const RecipeFacts own = recipe_facts(spec);
    const RecipeFacts read = recipe_facts(open_model_file(write_zeros(dir / "model.gguf", spec)));
    EXPECT_EQ(own.architecture, read.architecture) << kind;
    EXPECT_EQ(own.n_layers, read.n_layers) << kind;
    EXPECT_EQ(own.group_size, read.group_size) << kind;
    EXPECT_EQ(own.n_experts, read.n_experts) << kind;
    EXPECT_EQ(own.tied_head, read.tied_head) << kind;
    EXPECT_EQ(own.value_layers, read.value_layers) << kind;
    EXPECT_EQ(own.down_layers, read.down_layers) << kind;
  }
}

TEST(NamedTypes, TensorsThatNoRuleNamesKeepTheirType) {
  const ModelSpec spec = llama_spec(shape_of(4, 256, 8, 8, false));
  const auto of = [&](const WeightTypes& types, TensorRole role) {
    DType type = DType::i64;
    for_each_tensor(spec, [&](const TensorSpec& tensor) {
      if (tensor.id.role == role) type = types.of(tensor);
    });
    return type;
  };
  const WeightTypes kept = WeightTypes(DType::bf16).set(TensorRole::head, DType::q8_0);
  const WeightTypes types = weight_types_by_name("ffn_up=q4_0", spec, kept);
  EXPECT_EQ(of(types, TensorRole::ffn_up), DType::q4_0);
  EXPECT_EQ(of(types, TensorRole::ffn_gate), DType::bf16);
  EXPECT_EQ(of(types, TensorRole::head), DType::q8_0);
  EXPECT_EQ(of(types, TensorRole::attn_norm), DType::f32);
  EXPECT_EQ(types.matrices(), DType::bf16);
  EXPECT_EQ(of(weight_types_by_name("ffn_up=q4_0", spec), TensorRole::ffn_gate), DType::f32);
}

TEST(NamedTypes, OfBoundWeightsAreTheirOwn) {
  for (const auto& [kind, spec] : models()) {
    const WeightTypes types = weight_types_by_name("q3_k_m", spec);
    Weights weights;
    weights.layers.resize(spec.layers.size());
    for_each_matrix(spec, weights, [&](const TensorSpec& tensor, ops::WeightMatrix& w) { w.type = types.of(tensor); });
    const WeightTypes stored = stored_types(spec, weights);
    SCOPED_TRACE(kind);
    for_each_tensor(spec, [&](const TensorSpec& tensor) {
      EXPECT_EQ(stored.of(tensor), types.of(tensor)) << gguf_tensor_name(tensor.id);
    });
  }
}

TEST(NamedTypes, OneTypeThroughoutIsSaidToBe) {
  const ModelSpec spec = llama_spec(shape_of(16, 256, 8, 8, false));
  for (const DTypeInfo& info : kDTypes) {
    if (!info.computed) continue;
    const WeightTypes everywhere = weight_types_by_name("*=" + std::string(info.name), spec);
    EXPECT_TRUE(everywhere.uniform()) << info.name;
    EXPECT_EQ(everywhere.matrices(), info.type);
    EXPECT_EQ(weight_types_by_name(info.name, spec).matrices(), info.type);
    // Mixes beside it: the head of every quantized GGUF type but Q8_0 and Q6_K has other bits than the rest.
    const bool plain = !info.quantized() || info.in_memory() || info.type == DType::q8_0 || info.type == DType::q6_k;
    EXPECT_EQ(weight_types_by_name(info.name, spec).uniform(), plain) << info.name;
  }
  EXPECT_FALSE(weight_types_by_name("q4_k", spec).uniform());
  EXPECT_EQ(weight_types_by_name("Q3_K_M", spec).matrices(), DType::q3_k);
}

/// Tensors by type of a 22-layer and a 32-layer model as the loaders of published Q4_K_M files list them:
/// TinyLlama 1.1B has 135 Q4_K and 21 Q6_K, Mistral 7B 193 and 33.
TEST(NamedTypes, Q4KMHasThePublishedNumberOfTensors) {
  const auto count = [](int layers) {
    LlamaShape shape = shape_of(layers, 2048, 32, 8, false);
    shape.ffn = 5632;
    const ModelSpec spec = llama_spec(shape);
    const WeightTypes types = weight_types_by_name("q4_k_m", spec);
    std::map<DType, int> counts;
    for_each_tensor(spec, [&](const TensorSpec& tensor) { ++counts[types.of(tensor)]; });
    return counts;
  };
  const auto tiny = count(22), mistral = count(32);
  EXPECT_EQ(tiny.at(DType::q4_k), 135);
  EXPECT_EQ(tiny.at(DType::q6_k), 21);
  EXPECT_EQ(mistral.at(DType::q4_k), 193);
  EXPECT_EQ(mistral.at(DType::q6_k), 33);
}

TEST(NamedTypes, UnknownNamesAreRefusedWithTheList) {
  const ModelSpec spec = llama_spec(shape_of(1, 256, 8, 8, false));
  const std::string message =
      test::expect_error(ErrorCode::invalid_argument, [&] { (void)weight_types_by_name("int5", spec); });
  for (const char* part : {"int5", "q4_k_m", "int4g64"}) EXPECT_NE(message.find(part), std::string::npos) << message;
}

}  // namespace
}  // namespace plumb::named_types_test
