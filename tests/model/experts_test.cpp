// Mixtures of experts against an independent double-precision evaluation, against themselves in other batches and
// teams, and through the files that hold them.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/model/calibrate.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/synth.hpp"
#include "plumb/quantize/quantize_model.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/reference_model.hpp"
#include "tests/support/specs.hpp"

namespace plumb::experts_test {
namespace {

using test::GgufBuilder;
using test::TempDir;

constexpr int kVocab = 64;

ModelSpec small_model(const std::string& family, ExpertsSpec experts) {
  ModelSpec spec = llama_spec({.vocab = kVocab,
                               .width = 64,
                               .layers = 3,
                               .heads = 4,
                               .kv_heads = 2,
                               .head_dim = 16,
                               .ffn = 160,
                               .context = 64});
  spec.family = family;
  if (family != "llama") spec.ropes[0].pairs = RopePairs::halves;
  for_each_attention(spec, [&](AttentionSpec& attention) {
    attention.qkv_bias = family == "qwen2moe";
    if (family == "qwen3moe") attention.qk_norm_over = QkNormOver::head;
  });
  if (family == "qwen2moe") {
    experts.shared_gate = true;
    experts.shared.inner = 96;
    experts.routing.renormalise = false;
  }
  test::set_experts(spec, experts);
  return spec;
}

/// Few and many experts, one that is visited, all that are visited, panels that are not full.
std::vector<ModelSpec> small_models() {
  return {small_model("llama", test::experts(5, 2, 96)),    small_model("llama", test::experts(3, 1, 32)),
          small_model("llama", test::experts(4, 4, 64)),    small_model("llama", test::experts(1, 1, 96)),
          small_model("qwen2moe", test::experts(7, 3, 32)), small_model("qwen3moe", test::experts(17, 5, 64))};
}

std::string name_of(const ModelSpec& spec) {
  const ExpertsSpec& experts = test::experts_of(spec);
  return spec.family + ' ' + std::to_string(experts.used) + " of " + std::to_string(experts.count);
}

std::vector<Token> some_tokens(std::size_t count) {
  std::mt19937 random(31);
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % kVocab);
  return tokens;
}

TEST(Experts, EqualDoublePrecisionForFloatsAndBlocks) {
  const TempDir dir;
  const std::vector<Token> tokens = some_tokens(40);
  for (const ModelSpec& spec : small_models())
    for (const char* type : {"f32", "q8_0"}) {
      SCOPED_TRACE(name_of(spec) + ' ' + type);
      write_random_model(dir / "m.gguf", spec, {.type = type, .seed = 5});
      const GgufFile file = GgufFile::open(dir / "m.gguf");
      const std::vector<double> want = test::ReferenceModel(file).logits(tokens);
      for (const bool exact : {true, false}) {
        const std::vector<float> got = test::all_logits(Model::from_file(file, {.exact = exact}), tokens, 7);
        // f32 throughout, or int8 activations: steps of 1/127 of the largest of 32 err by about 2e-5 of the power of
        // an input, twenty products deep; and where two experts are nearly tied, that may choose the other one.
        const bool int8 = !exact && std::string(type) == "q8_0",
                   choice = test::experts_of(spec).used < test::experts_of(spec).count;
        EXPECT_LT(test::nmse(std::span(got), std::span(want)), !int8    ? 1e-9
                                                               : choice ? 2e-2
                                                                        : 4e-4)
            << "exact " << exact;
      }
    }
}

/// Widths that fill no panel, no vector and no step, from a file made by hand.
TEST(Experts, OddWidthsEqualDoublePrecision) {
  for (const std::uint32_t ffn : {1u, 17u, 33u}) {
    GgufBuilder builder;
    test::add_tiny_llama(builder, kVocab, {.dim = 24, .heads = 6, .kv_heads = 1, .head_dim = 4, .ffn = ffn});
    builder.set_u32("llama.expert_count", 3);
    builder.set_u32("llama.expert_used_count", 2);
    std::mt19937 random(8);
    for (const std::string blk : {"blk.0.", "blk.1."}) {
      for (const char* part : {"ffn_gate", "ffn_up", "ffn_down"}) builder.erase_tensor(blk + part + ".weight");
      builder.add_random(blk + "ffn_gate_inp.weight", {24, 3}, random);
      builder.add_random(blk + "ffn_gate_exps.weight", {24, ffn, 3}, random);
      builder.add_random(blk + "ffn_up_exps.weight", {24, ffn, 3}, random);
      builder.add_random(blk + "ffn_down_exps.weight", {ffn, 24, 3}, random);
    }
    const std::vector<Token> tokens = some_tokens(30);
    for (const bool repack : {true, false}) {
      const test::BuiltModel built(builder, {.repack = repack});
      const std::vector<double> want = test::ReferenceModel(built.file).logits(tokens);
      const std::vector<float> got = test::all_logits(built.model, tokens, 11);
      EXPECT_LT(test::nmse(std::span(got), std::span(want)), 1e-9) << ffn;
    }
  }
}

TEST(Experts, BatchesTeamsAndLayoutsGiveTheSameBits) {
  const std::vector<Token> tokens = some_tokens(45);
  for (ModelSpec spec : small_models())
    for (const DType type : {DType::f32, DType::q8_0}) {
      SCOPED_TRACE(name_of(spec) + ' ' + std::string(dtype_name(type)));
      spec.layers.resize(1);
      const Model model = Model::random(spec, type, 3);
      const std::vector<float> alone = test::all_logits(model, tokens, 1);
      for (const auto& [chunk, threads] : {std::pair{3u, 1}, {8u, 2}, {45u, 1}, {45u, 3}})
        EXPECT_EQ(test::all_logits(model, tokens, chunk, {.threads = threads}), alone) << chunk << " x " << threads;
      EXPECT_EQ(test::all_logits(Model::random(spec, type, 3, {.repack = false}), tokens, 45), alone) << "in rows";
    }
}

TEST(Experts, FilesAreTheModelsThatRandomMakes) {
  const TempDir dir;
  const std::vector<Token> tokens = some_tokens(20);
  for (const ModelSpec& spec : small_models())
    for (const char* type : {"q8_0", "q4_k_m"}) {
      SCOPED_TRACE(name_of(spec) + ' ' + type);
      write_random_model(dir / "m.gguf", spec, {.type = type, .seed = 3});
      const Model loaded = Model::load(dir / "m.gguf");
      EXPECT_EQ(test::all_logits(loaded, tokens),
                test::all_logits(Model::random(spec, weight_types_by_name(type, spec), 3), tokens));
      EXPECT_TRUE(test::experts_of(loaded.spec()) == test::experts_of(spec));
    }
}

TEST(Experts, QuantizedByImportanceOfTheirOwnTokens) {
  const TempDir dir;
  const std::vector<Token> text = some_tokens(60);
  const ModelSpec spec = small_models().front();
  write_random_model(dir / "f32.gguf", spec, {.type = "f32", .seed = 5});
  const GgufFile file = GgufFile::open(dir / "f32.gguf");
  const ImportanceMatrix importance = calibrate(Model::from_file(file), text, {.context = 30, .bos = false});
  std::map<std::string, std::pair<std::vector<double>, double>> want;
  test::ReferenceModel reference(file);
  reference.observe = [&](const std::string& tensor, const std::vector<double>& input) {
    auto& [sums, count] = want[tensor];
    sums.resize(input.size());
    for (std::size_t k = 0; k < input.size(); ++k) sums[k] += input[k] * input[k];
    count += 1;
  };
  for (const std::size_t begin : {0u, 30u}) reference.logits(std::span(text).subspan(begin, 30));
  const ImportanceEntry& down = importance.entries().at("blk.1.ffn_down_exps.weight");
  ASSERT_EQ(down.matrices(), 5);
  double visits = 0;
  for (std::int64_t e = 0; e < 5; ++e) {
    const auto& [sums, count] = want["blk.1.ffn_down_exps.weight#" + std::to_string(e)];
    EXPECT_EQ(static_cast<double>(down.counts[static_cast<std::size_t>(e)]), count);
    visits += count;
    if (count == 0) continue;
    const auto got = std::span(down.sums).subspan(static_cast<std::size_t>(e * 96), 96);
    EXPECT_LT(test::nmse(got, std::span<const double>(sums)), 1e-8);
  }
  EXPECT_EQ(visits, 60 * 2);

  QuantizeOptions options;
  options.recipe = Recipe::parse("q4_0");
  options.importance = &importance;
  quantize_model(dir / "f32.gguf", dir / "q4_0.gguf", options);
  const GgufFile smaller = GgufFile::open(dir / "q4_0.gguf");
  EXPECT_EQ(smaller.get_tensor("blk.1.ffn_up_exps.weight").view.dtype(), DType::q4_0);
  EXPECT_EQ(smaller.get_tensor("blk.1.ffn_gate_inp.weight").view.dtype(), DType::f32);
  const std::vector<double> exactly = test::ReferenceModel(smaller).logits(text);
  const std::vector<float> got = test::all_logits(Model::from_file(smaller, {.exact = true}), text);
  EXPECT_LT(test::nmse(std::span(got), std::span(exactly)), 1e-9);
}

TEST(Experts, BadShapesAndCountsAreRefused) {
  const TempDir dir;
  write_random_model(dir / "m.gguf", small_models().front(), {.type = "f32"});
  const GgufFile good = GgufFile::open(dir / "m.gguf");
  const auto refused = [&](ErrorCode code, const std::string& mention, const std::function<void(GgufWriter&)>& change,
                           const std::string& tensor = {}, const Shape& shape = {}) {
    SCOPED_TRACE(mention);
    GgufWriter writer;
    writer.copy_metadata(good);
    change(writer);
    for (const GgufTensor& t : good.tensors())
      writer.add_tensor(t.name, t.view.dtype(), t.name == tensor ? shape : t.view.shape());
    writer.write(dir / "bad.gguf", [&](const GgufTensorPlan& plan, const GgufAppend& append) {
      append(std::vector<std::byte>(plan.bytes));
    });
    const std::string message = test::expect_error(code, [&] { Model::load(dir / "bad.gguf"); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  const auto number = [&](ErrorCode code, const std::string& key, std::uint32_t value) {
    refused(code, key, [&](GgufWriter& writer) { writer.set("llama." + key, value); });
  };
  number(ErrorCode::bad_value, "expert_used_count", 0);
  number(ErrorCode::bad_value, "expert_used_count", 6);
  number(ErrorCode::bad_value, "expert_feed_forward_length", 0);
  number(ErrorCode::bad_value, "expert_count", 1u << 31);
  refused(ErrorCode::bad_shape, "blk.0.ffn_gate_inp.weight", [](GgufWriter& w) { w.set("llama.expert_count", 4u); });
  const auto keep = [](GgufWriter&) {};
  for (const char* part : {"ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"}) {
    const std::string name = std::string("blk.1.") + part + ".weight";
    refused(ErrorCode::bad_shape, name, keep, name, Shape{4, 96, 64});
    refused(ErrorCode::bad_shape, name, keep, name, Shape{5, 96, 96});
    refused(ErrorCode::bad_shape, name, keep, name, Shape{5 * 96, 64});
  }
}

}  // namespace
}  // namespace plumb::experts_test
