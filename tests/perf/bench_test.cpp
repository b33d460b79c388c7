/// run_bench: the right work, named and counted right. No speeds.

#include "plumb/perf/bench.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "plumb/model/named_types.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/specs.hpp"

namespace plumb::bench_test {
namespace {

ModelSpec small_model() {
  // shorter than the tests: a cache is as long as a test needs
  ModelSpec spec = llama_spec(
      {.vocab = 300, .width = 256, .layers = 8, .heads = 4, .kv_heads = 2, .head_dim = 64, .ffn = 512, .context = 8});
  return spec;
}

TEST(Bench, NamesAreThoseOfLlamaBench) {
  EXPECT_EQ((BenchTest{512, 0}.name()), "pp512");
  EXPECT_EQ((BenchTest{0, 128}.name()), "tg128");
  EXPECT_EQ((BenchTest{512, 128}.name()), "pp512+tg128");
  EXPECT_EQ((BenchTest{512, 0, 3584}.name()), "pp512 @ d3584");
  EXPECT_EQ((BenchTest{0, 128, 3500}.name()), "tg128 @ d3500");
  EXPECT_EQ((BenchTest{0, 32, 0, 4}.name()), "tg32 x4");
  EXPECT_EQ((BenchTest{10, 32, 0, 4}.tokens()), 168);
}

TEST(Bench, RunsEveryKindOfTest) {
  const Model model = Model::random(small_model(), DType::q4_0);
  const BenchSettings settings{.threads = 2, .batch = 16, .kv = DType::f16, .repetitions = 3};
  for (const BenchTest& test : {BenchTest{40, 0}, BenchTest{0, 5}, BenchTest{20, 3}, BenchTest{17, 0, 33},
                                BenchTest{0, 4, 33}, BenchTest{0, 3, 21, 4}, BenchTest{5, 2, 3, 3}}) {
    const BenchResult result = run_bench(model, test, settings);
    EXPECT_EQ(result.seconds.size(), 3u) << test.name();
    EXPECT_EQ(result.settings.threads, 2);
    const std::vector<double> rates = result.rates();
    for (std::size_t i = 0; i < rates.size(); ++i)
      EXPECT_DOUBLE_EQ(rates[i] * result.seconds[i], static_cast<double>(test.tokens()));
  }
}

TEST(Bench, MeanAndDeviationAreThoseOfTheRates) {
  BenchResult result{{0, 12}, {}, {1.0, 2.0, 3.0}};  // 12, 6, 4 tokens/s
  EXPECT_DOUBLE_EQ(result.mean_rate(), 22.0 / 3);
  EXPECT_NEAR(result.rate_deviation(), std::sqrt((14.0 * 14 + 4 * 4 + 10 * 10) / 9 / 2), 1e-12);
  result.seconds.resize(1);
  EXPECT_EQ(result.rate_deviation(), 0);
}

TEST(Bench, RefusesWhatCannotBeTimed) {
  const Model model = Model::random(small_model(), DType::q8_0);
  const auto refuse = [&](const BenchTest& test, const BenchSettings& settings) {
    test::expect_error(ErrorCode::invalid_argument, [&] { run_bench(model, test, settings); });
  };
  refuse({0, 0}, {});
  refuse({-1, 5}, {});
  refuse({5, 0, -1}, {});
  refuse({5, 0, 0, 0}, {});
  refuse({5, 0}, {.repetitions = 0});
  refuse({5, 0}, {.batch = 0});
  test::expect_error(ErrorCode::overflow, [&] { run_bench(model, {2147483647, 2147483647}, {}); });
}

TEST(Bench, TensorClassesListTypesByRole) {
  const ModelSpec spec = small_model();
  const Model model = Model::random(spec, weight_types_by_name("q4_k_m", spec));
  std::size_t bytes = 0;
  int output = 0, values = 0;
  for (const TensorClass& c : tensor_classes(model)) {
    bytes += c.bytes;
    EXPECT_TRUE(c.fast) << c.role;
    if (c.role == "output") output += c.type == DType::q6_k ? c.count : 100;
    if (c.role == "attn_v") values += c.type == DType::q6_k ? c.count : 10 * c.count;
  }
  EXPECT_EQ(output, 1);
  EXPECT_EQ(values, 4 + 10 * 4) << "layers 0, 3, 6, 7 have more bits";  // 8 layers: first, last, every third between
  EXPECT_LE(bytes, model.weight_bytes());
  EXPECT_NE(describe_types(tensor_classes(model)).find("Q6_K:"), std::string::npos);
  EXPECT_EQ(describe_types(tensor_classes(Model::random(spec, DType::q4_0))), "Q4_0: all");
  for (const TensorClass& c : tensor_classes(Model::random(spec, DType::q4_0, 0, {.repack = false})))
    EXPECT_EQ(c.fast, c.role == "token_embd") << c.role << ": products pack on the way";
}

}  // namespace
}  // namespace plumb::bench_test
