/// Speed is not paid for with accuracy: on every quantized file the fast path (int8 activations) is no further from the
/// exact logits than the other engine's recorded ones, in every tier this machine has.

#include <gtest/gtest.h>

#include <cstdlib>

#include "plumb/model/session.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/numeric.hpp"

namespace plumb::quantized_logits_test {
namespace {

class QuantizedLogits : public testing::TestWithParam<const char*> {
 protected:
  void TearDown() override { ::unsetenv("PLUMB_ISA"); }
};

TEST_P(QuantizedLogits, AreNoFurtherFromExactThanTheOtherEngines) {
  PLUMB_REQUIRE_FIXTURES();
  const std::filesystem::path base = test::fixtures_dir() / "quant-models" / GetParam();
  const auto file = [&](const char* suffix) { return std::filesystem::path(base.string() + suffix); };
  const std::vector<float> exact = test::read_array<float>(file(".logits64"));
  const std::vector<float> other = test::read_array<float>(file(".logits"));
  // 1e-9 where the other engine's are the exact ones (F32).
  const double bound = std::max(test::nmse<float, float>(other, exact), 1e-9);
  const std::vector<Token> tokens = test::read_tokens(file(".tokens"));
  SessionOptions options;
  options.context = 256;
  for (Isa isa : kAllIsas) {
    if (!isa_usable(isa)) continue;
    SCOPED_TRACE(isa_name(isa));
    ::setenv("PLUMB_ISA", std::string(isa_name(isa)).c_str(), 1);
    Session session(Model::load(file(".gguf")), options);
    std::vector<BatchRow> rows;
    for (const Token token : tokens) rows.push_back({token, static_cast<std::int32_t>(rows.size()), 0, true});
    session.forward(rows);
    std::vector<float> logits;
    for (int i = 0; i < session.logit_rows(); ++i)
      logits.insert(logits.end(), session.logits(i).begin(), session.logits(i).end());
    const double error = test::nmse<float, float>(logits, exact);
    RecordProperty("nmse_" + std::string(isa_name(isa)), std::to_string(error));
    EXPECT_LE(error, bound);
    if (error > 0.5 * bound)
      std::printf("%s %s: NMSE %.3g, the other engine %.3g\n", GetParam(), isa_name(isa).data(), error, bound);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, QuantizedLogits,
                         testing::Values("BF16", "F16", "F32", "IQ4_NL", "IQ4_XS", "Q2_K", "Q3_K_M", "Q3_K_S", "Q4_0",
                                         "Q4_1", "Q4_K_M", "Q4_K_S", "Q5_0", "Q5_1", "Q5_K_M", "Q6_K", "Q8_0",
                                         "tied-Q2_K", "tied-Q4_0", "tied-Q4_K_M", "tied-Q8_0"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace plumb::quantized_logits_test
