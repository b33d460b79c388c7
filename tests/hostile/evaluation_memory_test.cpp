/// The memory of an evaluation is that of the sessions, however long the text.

#include <gtest/gtest.h>

#include <vector>

#include "plumb/model/calibrate.hpp"
#include "plumb/model/evaluate.hpp"
#include "tests/support/allocation_meter.hpp"
#include "tests/support/models.hpp"

namespace plumb::evaluation_memory_test {
namespace {

std::vector<Token> text_of(std::size_t tokens) {
  std::vector<Token> text;
  for (std::size_t i = 0; i < tokens; ++i) text.push_back(static_cast<Token>(259 + i % 12));
  return text;
}

template <class Evaluate>
std::size_t peak_of(const Evaluate& evaluate, std::size_t tokens) {
  const std::vector<Token> text = text_of(tokens);
  const test::AllocationMeter meter;
  evaluate(text);
  return meter.peak();
}

TEST(EvaluationMemory, DoesNotGrowWithTheText) {
  test::GgufBuilder longer = test::tiny_llama();
  longer.set_f32("llama.attention.layer_norm_rms_epsilon", 1e-4f);
  const test::BuiltModel base(test::tiny_llama()), other(longer);
  const WindowOptions windows{.context = 32, .stride = 32};
  const SessionOptions session{.threads = 1};
  constexpr std::size_t kFew = 320, kMany = 6400;  // tokens
  const auto perplexity = [&](std::span<const Token> text) { measure_perplexity(base.model, text, windows, session); };
  const auto comparison = [&](std::span<const Token> text) {
    compare_logits(base.model, other.model, text, windows, session);
  };
  const auto calibration = [&](std::span<const Token> text) { calibrate(base.model, text, {.session = session}); };
  // A window's place in the text takes 24 bytes in a vector that doubles, a divergence 8 bytes a token, doubled
  // likewise. Logits would take a kilobyte a token.
  constexpr std::size_t kWindows = 2 * 24 * kMany / 32, kDivergences = 3 * 8 * kMany;
  EXPECT_LE(peak_of(perplexity, kMany), peak_of(perplexity, kFew) + 2 * kWindows);
  EXPECT_LE(peak_of(comparison, kMany), peak_of(comparison, kFew) + 2 * kWindows + kDivergences);
  EXPECT_LE(peak_of(calibration, kMany), peak_of(calibration, kFew) + 2 * kWindows);
}

}  // namespace
}  // namespace plumb::evaluation_memory_test
