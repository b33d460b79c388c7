// Quantized models of the shared fixtures against their recorded logits. (families_test.cpp: one model per family.)

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"

namespace plumb::recorded_logits_test {
namespace {

void expect_logits(const std::filesystem::path& folder, const std::string& name, const std::string& answer,
                   double bound) {
  SCOPED_TRACE(name);
  const Model model = Model::load(folder / (name + ".gguf"), {.exact = true});
  const std::vector<Token> tokens = test::read_tokens(folder / (name + ".tokens"));
  const std::vector<float> want = test::read_array<float>(folder / (name + answer));
  const std::vector<float> got = test::all_logits(model, tokens, 7, {.context = 256, .threads = 2});
  EXPECT_LT(test::nmse(std::span(got), std::span(want)), bound);
}

TEST(RecordedLogits, EveryQuantizedTypeEqualsItsExactAnswer) {
  PLUMB_REQUIRE_FIXTURES();
  for (const std::string name : {"F32",  "F16",    "BF16",   "Q8_0",      "Q4_0",      "Q4_1",        "Q5_0",
                                 "Q5_1", "Q2_K",   "Q3_K_S", "Q3_K_M",    "Q4_K_S",    "Q4_K_M",      "Q5_K_M",
                                 "Q6_K", "IQ4_NL", "IQ4_XS", "tied-Q2_K", "tied-Q4_0", "tied-Q4_K_M", "tied-Q8_0"})
    expect_logits(test::fixtures_dir() / "quant-models", name, ".logits64", 1e-9);
}

TEST(RecordedLogits, TypesThatAreNotComputedAreNamed) {
  PLUMB_REQUIRE_FIXTURES();
  for (const std::string name : {"IQ3_S", "TQ1_0", "TQ2_0"}) {
    const std::string message = test::expect_error(
        ErrorCode::unsupported_type, [&] { Model::load(test::fixtures_dir() / "quant-models" / (name + ".gguf")); });
    EXPECT_NE(message.find(name), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace plumb::recorded_logits_test
