/// Nothing is allocated per token.

#include <gtest/gtest.h>

#include <random>

#include "plumb/model/presets.hpp"
#include "plumb/model/session.hpp"
#include "plumb/text/sampler.hpp"
#include "plumb/text/tokenizer.hpp"
#include "tests/support/allocation_meter.hpp"
#include "tests/support/specs.hpp"
#include "tests/text/small_vocabularies.hpp"

namespace plumb::per_token_allocation_test {
namespace {

TEST(PerToken, SamplingNeedsNoneAfterTheFirstToken) {
  constexpr std::size_t kVocab = 20'000;
  const SamplerOptions options[] = {
      {},
      {.temperature = 0},
      {.top_k = 40},
      {.top_p = 0.95f},
      {.min_p = 0.05f},
      {.typical_p = 0.9f},
      {.temperature = 0.7f,
       .top_k = 100,
       .typical_p = 0.95f,
       .top_p = 0.9f,
       .min_p = 0.01f,
       .repetition_penalty = 1.1f,
       .logit_bias = {{1, 2.0f}},
       .logprobs = 10},
      {.frequency_penalty = 0.1f, .penalty_last_n = -1},
  };
  std::mt19937 random(1);
  std::vector<std::vector<float>> rows(8, std::vector<float>(kVocab));
  for (std::size_t i = 0; i < rows.size(); ++i) {  // flat and peaked ones in turn
    std::normal_distribution<float> normal(0.0f, i % 2 ? 4.0f : 0.1f);
    for (float& x : rows[i]) x = normal(random);
  }
  for (const SamplerOptions& option : options) {
    Sampler sampler(option, kVocab);
    sampler.sample(rows[1]);
    const test::AllocationMeter meter;
    for (int i = 0; i < 50; ++i) sampler.sample(rows[static_cast<std::size_t>(i) % rows.size()]);
    EXPECT_EQ(meter.peak(), 0u) << "option set " << &option - options;
  }
}

TEST(PerToken, AStreamOfTextNeedsNoneOnceTheBufferHasGrown) {
  const Tokenizer tokenizer(test::small_spm());
  StreamDecoder stream(tokenizer);
  for (Token token = 0; token < tokenizer.size(); ++token) stream.push(token);
  const test::AllocationMeter meter;
  for (int round = 0; round < 3; ++round)
    for (Token token = 0; token < tokenizer.size(); ++token) stream.push(token);
  EXPECT_EQ(meter.peak(), 0u);
}

TEST(PerToken, DecodingNeedsNoneWithOrWithoutExperts) {
  for (const int experts : {0, 6}) {
    ModelSpec spec = preset_spec("stories-260k");
    if (experts > 0) test::set_experts(spec, test::experts(experts, 2, 96));
    Session session(Model::random(spec, DType::q8_0), {.threads = 1});
    const std::vector<Token> prompt(40, 7);
    session.prefill(prompt);  // its list of tokens grows now and then, by doubling: room for 64 is there
    const test::AllocationMeter meter;
    for (Token token = 0; token < 20; ++token) session.decode(token);
    EXPECT_EQ(meter.peak(), 0u) << experts << " experts";
  }
}

}  // namespace
}  // namespace plumb::per_token_allocation_test
