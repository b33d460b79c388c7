// The ledger against brute-force counts, against sizes of real tensors and against published figures.

#include "plumb/perf/ledger.hpp"

#include <gtest/gtest.h>

#include <random>

#include "plumb/model/presets.hpp"
#include "plumb/perf/parameters.hpp"
#include "tests/support/specs.hpp"

namespace plumb::ledger_test {
namespace {

/// A small model of the Llama shape with odd dimensions.
ModelSpec small_model() {
  ModelSpec spec = llama_spec(
      {.vocab = 321, .width = 96, .layers = 3, .heads = 6, .kv_heads = 2, .head_dim = 16, .ffn = 160, .context = 512});
  return spec;
}

double weight_bytes_of(const ModelSpec& spec, DType type, TensorRole role) {
  double bytes = 0;
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    if (tensor.id.role == role && !tensor.id.bias)
      bytes += static_cast<double>(tensor_bytes(WeightTypes(type).of(tensor), tensor.shape));
  });
  return bytes;
}

TEST(Ledger, WeightTrafficIsTheSizeOfTheTensor) {
  for (const DTypeInfo& info : kDTypes) {
    if (!info.computed) continue;
    const std::int64_t n = std::int64_t{info.block_elements} * 7;
    const Traffic bytes = weight_traffic(info.type, 3, static_cast<double>(n));
    EXPECT_EQ(bytes.weights(), static_cast<double>(tensor_bytes(info.type, Shape{3, n}))) << info.name;
    EXPECT_GE(bytes.weight_payload, 0) << info.name;
    EXPECT_EQ(bytes.weight_scales > 0, info.quantized()) << info.name;
  }
}

TEST(Ledger, DecodingReadsEveryMatrixOnceAndOneRowOfTheEmbedding) {
  for (DType type : {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q5_1}) {
    for (bool tied : {false, true}) {
      ModelSpec spec = small_model();
      spec.output.tied = tied;
      const PassOptions pass{.weights = type, .kv = DType::f16, .position = 10};
      const Ledger ledger = pass_work(spec, pass);
      double expected = 0;
      for_each_tensor(spec, [&](const TensorSpec& tensor) {
        if (tensor.id.role == TensorRole::token_embedding && !tied) return;
        expected += static_cast<double>(tensor_bytes(pass.weights.of(tensor), tensor.shape));
      });
      expected += static_cast<double>(row_bytes(type, spec.width));
      EXPECT_EQ(ledger.bytes().weights(), expected) << dtype_name(type) << tied;
    }
  }
}

TEST(Ledger, ProductsDoTwoOperationsPerActiveParameter) {
  const ModelSpec spec = preset_spec("llama-2-7b");
  const ParameterCount count = count_parameters(spec);
  const Ledger ledger = pass_work(spec, {.weights = DType::q4_0});
  EXPECT_EQ(ledger.operations().int8, 2.0 * static_cast<double>(count.attention + count.ffn + count.head));
  EXPECT_EQ(ledger.operations().bf16, 0);
  const Ledger floats = pass_work(spec, {.weights = DType::bf16, .kv = DType::f32, .bf16_dot = true});
  EXPECT_EQ(floats.operations().bf16, 2.0 * static_cast<double>(count.attention + count.ffn));  // the head takes f32
  const Ledger unpacked =
      pass_work(spec, {.weights = DType::bf16, .kv = DType::f32});  // a dot eats the panels as they are
  EXPECT_EQ(2 * (unpacked.operations().unpack - floats.operations().unpack), floats.operations().bf16);
  EXPECT_EQ(pass_work(spec, {.weights = DType::bf16, .exact = true, .bf16_dot = true}).operations().bf16, 0);
  const Ledger exact = pass_work(spec, {.weights = DType::q4_0, .exact = true});
  EXPECT_EQ(exact.operations().int8, 0);
  EXPECT_EQ(exact.operations().unpack, ledger.operations().unpack);
}

TEST(Ledger, AttentionUsesBf16DotsWhereItsProjectionsRoundAnyway) {
  const ModelSpec spec = preset_spec("llama-2-7b");
  const auto attention = [&](DType weights, DType kv, bool dots, bool exact = false) {
    const Ledger ledger =
        pass_work(spec, {.weights = weights, .kv = kv, .position = 99, .exact = exact, .bf16_dot = dots});
    return ledger.sum_of(Op::attention).operations;
  };
  // 100 positions, 32 layers of 32 heads, two dots of 128 dimensions each.
  const double dots = 100.0 * 32 * 32 * 2 * 2 * 128;
  EXPECT_EQ(attention(DType::q4_0, DType::f16, true).bf16, dots);
  EXPECT_EQ(attention(DType::bf16, DType::i8, true).bf16, dots);
  for (const Operations& plain :
       {attention(DType::q4_0, DType::f16, false), attention(DType::q4_0, DType::f32, true),
        attention(DType::f16, DType::f16, true), attention(DType::q4_0, DType::f16, true, true)}) {
    EXPECT_EQ(plain.bf16, 0);
    EXPECT_EQ(plain.f32, dots + attention(DType::q4_0, DType::f16, true).f32);
  }
}

TEST(Ledger, ScoredAndReadPositionsEqualABruteForceCount) {
  std::mt19937 random(2024);
  SCOPED_TRACE("seed 2024");
  for (int trial = 0; trial < 500; ++trial) {
    const int window = trial % 3 == 0 ? 0 : static_cast<int>(random() % 40 + 1);
    const PassOptions pass{.position = static_cast<std::int64_t>(random() % 60),
                           .tokens = static_cast<std::int64_t>(random() % 50 + 1)};
    double scored = 0;
    std::vector<bool> touched(static_cast<std::size_t>(pass.position + pass.tokens), false);
    for (std::int64_t row = pass.position; row < pass.position + pass.tokens; ++row)
      for (std::int64_t key = 0; key <= row; ++key) {
        if (window > 0 && key <= row - window) continue;
        scored += 1;
        touched[static_cast<std::size_t>(key)] = true;
      }
    EXPECT_EQ(positions_scored(window, pass), scored) << trial;
    EXPECT_EQ(positions_read(window, pass), static_cast<double>(std::count(touched.begin(), touched.end(), true)))
        << trial;
  }
}

TEST(Ledger, ScoredAndReadPositionsOfChunksEqualABruteForceCount) {
  for (const int chunk : {1, 2, 7, 16, 1000})
    for (const std::int64_t position : {0, 1, 6, 7, 31, 90})
      for (const std::int64_t tokens : {1, 3, 8, 50}) {
        double scored = 0;
        for (std::int64_t row = position; row < position + tokens; ++row)
          for (std::int64_t key = 0; key <= row; ++key) scored += key / chunk == row / chunk ? 1 : 0;
        double read = 0;
        for (std::int64_t key = 0; key < position + tokens; ++key) read += key / chunk >= position / chunk ? 1 : 0;
        const PassOptions pass{.position = position, .tokens = tokens};
        EXPECT_EQ(chunk_positions_scored(chunk, pass), scored) << chunk << " " << position << " " << tokens;
        EXPECT_EQ(chunk_positions_read(chunk, pass), read) << chunk << " " << position << " " << tokens;
      }
}

TEST(Ledger, ScoredAndReadPositionsOfAWholeTextEqualABruteForceCount) {
  for (int window = 0; window < 30; ++window)
    for (int tokens = 1; tokens < 25; ++tokens) {
      const PassOptions pass{.tokens = tokens};
      double scored = 0;
      for (int row = 0; row < tokens; ++row)
        for (int key = 0; key < tokens; ++key) scored += window == 0 || std::abs(row - key) <= window / 2 ? 1 : 0;
      EXPECT_EQ(positions_scored(window, pass, false), scored) << window << " of " << tokens;
      EXPECT_EQ(positions_read(window, pass, false), tokens);
    }
}

TEST(Ledger, KeysAndValuesPerTokenAsPublished) {
  // Llama 2 7B: 0.5 MiB a token in f16. The other three: Zhao et al. 2025, "Insights into DeepSeek-V3", table 1.
  const auto per_token = [](const ModelSpec& spec) { return state_bytes_per_position(spec, DType::bf16); };
  EXPECT_EQ(per_token(preset_spec("llama-2-7b")), 524'288);
  EXPECT_EQ(per_token(preset_spec("deepseek-v3")), 70'272);
  EXPECT_EQ(per_token(preset_spec("qwen2.5-72b")), 327'680);
  EXPECT_EQ(per_token(preset_spec("llama-3.1-405b")), 516'096);
  EXPECT_EQ(state_bytes_per_position(preset_spec("llama-2-7b"), DType::f32), 1'048'576);
  // int8 with a f32 scale for each of 32 heads' key and value.
  EXPECT_EQ(state_bytes_per_position(preset_spec("llama-2-7b"), DType::i8), 32 * 2 * (4096 + 32 * 4.0));
}

TEST(Ledger, DecodeReadsKeysOfTheContextAndWritesOnePosition) {
  const ModelSpec spec = small_model();
  const Ledger ledger = pass_work(spec, {.weights = DType::f32, .kv = DType::f32, .position = 99});
  EXPECT_EQ(ledger.bytes().kv_read, 3.0 * 100 * 2 * 2 * 16 * 4);
  EXPECT_EQ(ledger.bytes().kv_write, 3.0 * 2 * 2 * 16 * 4);
  const OpWork attention = ledger.sum_of(Op::attention);
  EXPECT_EQ(attention.operations.f32, 3.0 * 100 * 6 * (4 * 16 + ElementCost::kSoftmax));
}

TEST(Ledger, ABatchReadsWeightsOnceAndKeysPerSequence) {
  const ModelSpec spec = small_model();
  const Ledger one = pass_work(spec, {.weights = DType::q8_0, .position = 64});
  const Ledger four = pass_work(spec, {.weights = DType::q8_0, .position = 64, .sequences = 4});
  const double rows = static_cast<double>(row_bytes(DType::q8_0, spec.width));
  EXPECT_EQ(four.bytes().weights(), one.bytes().weights() + 3 * rows);
  EXPECT_EQ(four.bytes().kv_read, 4 * one.bytes().kv_read);
  EXPECT_EQ(four.operations().int8, 4 * one.operations().int8);
}

TEST(Ledger, PrefillAsksForOneRowOfLogitsUnlessTold) {
  const ModelSpec spec = small_model();
  const auto head = [&](std::int64_t logits) {
    return pass_work(spec, {.tokens = 40, .logits = logits}).sum_of(Op::head).operations.f32;
  };
  EXPECT_EQ(head(-1), 2.0 * spec.vocab_size * spec.width);
  EXPECT_EQ(head(40), 40 * head(-1));
  EXPECT_EQ(head(0), 0);
}

TEST(Ledger, PrefillEqualsTheSumOfItsTokens) {  // whatever does not depend on sharing bytes between rows
  ModelSpec spec = small_model();
  test::set_windows(spec, 13, 3);
  const Ledger prefill = pass_work(spec, {.weights = DType::q4_0, .position = 5, .tokens = 37, .logits = 37});
  Operations operations;
  double written = 0;
  for (std::int64_t i = 0; i < 37; ++i) {
    const Ledger token = pass_work(spec, {.weights = DType::q4_0, .position = 5 + i});
    operations += token.operations();
    written += token.bytes().kv_write;
  }
  EXPECT_EQ(prefill.operations().f32, operations.f32);
  EXPECT_EQ(prefill.operations().int8, operations.int8);
  EXPECT_EQ(prefill.bytes().kv_write, written);
}

TEST(Ledger, ExpertsThatATokenVisits) {
  ModelSpec spec = small_model();
  test::set_experts(spec, test::experts(8, 2, 64, 32));
  const Ledger one = pass_work(spec, {.weights = DType::f32});
  const double expert = 3.0 * 64 * spec.width;
  EXPECT_EQ(one.sum_of(Op::down).bytes.weights(), spec.n_layers() * 4 * spec.width * (2.0 * 64 + 32));
  EXPECT_EQ(one.sum_of(Op::down).operations.f32 * 3, 2 * spec.n_layers() * (2 * expert + 3.0 * 32 * spec.width));
  const Ledger many = pass_work(spec, {.weights = DType::f32, .sequences = 1000});
  EXPECT_NEAR(many.sum_of(Op::down).bytes.weights(),
              weight_bytes_of(spec, DType::f32, TensorRole::expert_down) +
                  weight_bytes_of(spec, DType::f32, TensorRole::shared_down),
              1);
  EXPECT_NEAR(many.operations().f32, 1000 * one.operations().f32, 1e-9 * many.operations().f32);
}

TEST(Ledger, ExpectedExpertsAgreeWithDrawingThem) {
  const ExpertsSpec experts = test::experts(16, 3, 1);
  std::mt19937 random(7);
  SCOPED_TRACE("seed 7");
  double touched = 0;
  const int trials = 20000, rows = 5;
  for (int t = 0; t < trials; ++t) {
    std::vector<int> order(16);
    std::vector<bool> hit(16, false);
    for (int r = 0; r < rows; ++r) {
      for (int e = 0; e < 16; ++e) order[static_cast<std::size_t>(e)] = e;
      std::shuffle(order.begin(), order.end(), random);
      for (std::size_t i = 0; i < 3; ++i) hit[static_cast<std::size_t>(order[i])] = true;
    }
    touched += static_cast<double>(std::count(hit.begin(), hit.end(), true));
  }
  // Standard deviation of one trial is below 2, so of the mean below 0.015.
  EXPECT_NEAR(experts_touched(experts, rows), touched / trials, 0.06);
}

TEST(Ledger, LatentAttentionReadsTheCompressedCache) {
  const ModelSpec spec = preset_spec("deepseek-v2-lite");
  const Ledger ledger = pass_work(spec, {.weights = DType::q8_0, .kv = DType::f16, .position = 999});
  EXPECT_EQ(ledger.bytes().kv_read, 27.0 * 1000 * (512 + 64) * 2);
  // Every attention matrix is read once, whatever the form in which it is multiplied.
  const ParameterCount count = count_parameters(spec);
  double read = 0;
  for (Op op : {Op::q, Op::k, Op::v, Op::attention, Op::attn_out}) read += ledger.sum_of(op).bytes.weights();
  EXPECT_EQ(read, static_cast<double>(count.attention) * 34 / 32);
}

TEST(Ledger, ATrillionParametersDoNotOverflow) {
  const ModelSpec spec = test::with_layers(preset_spec("llama-3.1-405b"), 320);
  ASSERT_GT(count_parameters(spec).total(), 1'000'000'000'000);
  const Ledger ledger = pass_work(spec, {.weights = DType::f16, .position = 1 << 20, .tokens = 1 << 20});
  const double weights = static_cast<double>(count_parameters(spec).total());
  EXPECT_GT(ledger.operations().f32, 2 * weights * (1 << 20));
  EXPECT_TRUE(std::isfinite(ledger.operations().total()));
  EXPECT_NEAR(memory_use(spec, DType::f16, DType::f16, 1 << 20).weights / (2 * weights), 1, 1e-3);
}

TEST(Ledger, TypesThatDoNotFillTheirBlocksHaveAStandIn) {
  ModelSpec spec = small_model();
  test::for_each_dense(spec, [](DenseSpec& dense) { dense.inner = 172; });
  const WeightTypes types(DType::q8_0);
  EXPECT_EQ(types.of({{TensorRole::ffn_down, 0, false}, Shape{96, 172}}), DType::f16);
  EXPECT_EQ(types.of({{TensorRole::ffn_up, 0, false}, Shape{172, 96}}), DType::q8_0);
  const Ledger ledger = pass_work(spec, {.weights = types});
  EXPECT_EQ(ledger.sum_of(Op::down).bytes.weights(), 3.0 * 96 * 172 * 2);
  WeightTypes mixed(DType::q4_0);
  mixed.set(TensorRole::head, DType::q8_0).set(TensorRole::attn_v, 1, DType::q8_0);
  EXPECT_EQ(mixed.of({{TensorRole::attn_v, 1, false}, Shape{32, 96}}), DType::q8_0);
  EXPECT_EQ(mixed.of({{TensorRole::attn_v, 0, false}, Shape{32, 96}}), DType::q4_0);
  EXPECT_EQ(WeightTypes(DType::q4_k).of({{TensorRole::ffn_up, 0, false}, Shape{172, 96}}), DType::q5_0);
  EXPECT_EQ(mixed.of({{TensorRole::head, -1, false}, Shape{320, 96}}), DType::q8_0);
}

TEST(Ledger, EveryPresetHasALedger) {
  for (const Preset& preset : all_presets()) {
    const ModelSpec spec = preset.spec();
    const Ledger ledger = pass_work(spec, {.weights = DType::q4_0, .position = reads_at_once(spec) ? 0 : 100});
    const double active = static_cast<double>(count_parameters(spec).active());
    EXPECT_LT(ledger.bytes().weights(), active * 4.0) << preset.name;
    if (spec.output.head) {  // without one, a row of the table of tokens is all that is read of it
      EXPECT_GT(ledger.bytes().weights(), active * 0.3) << preset.name;
    }
    for (const OpWork& work : ledger.ops) {
      EXPECT_GE(work.bytes.total(), 0) << op_name(work.op);
      EXPECT_GT(work.bytes.total() + work.operations.total(), 0) << op_name(work.op);
    }
  }
}

TEST(Ledger, PassesThatMakeNoSenseAreRefused) {
  const ModelSpec spec = small_model();
  const PassOptions bad[] = {{.position = -1},        {.tokens = 0},    {.tokens = -5},
                             {.tokens = INT64_MAX},   {.sequences = 0}, {.sequences = INT64_MAX},
                             {.position = INT64_MAX}, {.logits = -2},   {.tokens = 3, .logits = 4}};
  for (const PassOptions& pass : bad) {
    try {
      pass_work(spec, pass);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    }
  }
}

}  // namespace
}  // namespace plumb::ledger_test
