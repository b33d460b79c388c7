// How a text is cut into windows, and which of its tokens are scored.

#include "plumb/model/text_windows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"

namespace plumb::text_windows_test {
namespace {

/// How often each token of the text is scored.
std::vector<int> times_scored(std::size_t tokens, int context, int stride) {
  std::vector<int> times(tokens, 0);
  for (const TextWindow& w : text_windows(tokens, context, stride)) {
    EXPECT_EQ(w.end - w.begin, static_cast<std::size_t>(context));
    EXPECT_GT(w.scored, w.begin);
    EXPECT_LE(w.end, tokens);
    for (std::size_t i = w.scored; i < w.end; ++i) ++times[i];
  }
  return times;
}

TEST(TextWindows, SideBySideScoreTheSecondHalf) {
  const std::vector<int> times = times_scored(35, 8, 0);
  for (std::size_t i = 0; i < 35; ++i) EXPECT_EQ(times[i], i < 32 && i % 8 > 4 ? 1 : 0) << i;
  EXPECT_EQ(text_windows(2304 + 100, 256, 0).size(), 9u);
  EXPECT_EQ(std::count(times.begin(), times.end(), 1), 4 * (8 - 1 - 8 / 2));
}

TEST(TextWindows, AStrideScoresEachTokenOnceWithEnoughBeforeIt) {
  for (const int context : {4, 7, 16})
    for (int stride = 1; stride < context; ++stride)
      for (std::size_t tokens = static_cast<std::size_t>(context); tokens < 60; ++tokens) {
        const std::vector<TextWindow> windows = text_windows(tokens, context, stride);
        const std::vector<int> times = times_scored(tokens, context, stride);
        EXPECT_LT(tokens - windows.back().end, static_cast<std::size_t>(stride)) << "one more window would have fit";
        for (std::size_t i = 0; i < tokens; ++i) EXPECT_EQ(times[i], i > 0 && i < windows.back().end ? 1 : 0);
        for (std::size_t w = 1; w < windows.size(); ++w)
          EXPECT_EQ(windows[w].scored - windows[w].begin, static_cast<std::size_t>(context - stride));
      }
}

TEST(TextWindows, AStrideOfAWholeWindowLeavesItsFirstTokenOut) {
  const std::vector<int> times = times_scored(24, 8, 8);
  for (std::size_t i = 0; i < 24; ++i) EXPECT_EQ(times[i], i % 8 == 0 ? 0 : 1);
}

TEST(TextWindows, BadOptionsAndShortTextsAreErrors) {
  const test::BuiltModel built(test::tiny_llama());  // context 32
  const ModelSpec& spec = built.model.spec();
  EXPECT_EQ(window_context({}, spec), 32);
  EXPECT_EQ(window_context({.context = 16, .stride = 16}, spec), 16);
  test::expect_error(ErrorCode::context_overflow, [&] { window_context({.context = 33}, spec); });
  for (const WindowOptions bad : {WindowOptions{.context = -1}, WindowOptions{.context = 3},
                                  WindowOptions{.context = 8, .stride = 9}, WindowOptions{.context = 8, .stride = -1}})
    test::expect_error(ErrorCode::invalid_argument, [&] { window_context(bad, spec); });
  test::expect_error(ErrorCode::invalid_argument, [] { text_windows(7, 8, 0); });
  const auto ignore = [](Token, std::span<const std::span<const float>>) {};
  const std::vector<Token> text(32, 3), outside(32, 100000);
  test::expect_error(ErrorCode::invalid_argument, [&] { for_each_scored_token({}, text, {}, {}, ignore); });
  test::expect_error(ErrorCode::out_of_range, [&] {
    for_each_scored_token({&built.model, 1}, outside, {}, {}, ignore);
  });
  const test::BuiltModel other(test::tiny_llama(false));
  const Model models[] = {built.model, other.model};
  const std::string message =
      test::expect_error(ErrorCode::invalid_argument, [&] { for_each_scored_token(models, text, {}, {}, ignore); });
  EXPECT_NE(message.find("vocabulary"), std::string::npos) << message;
}

TEST(TextWindows, BosStandsInFrontOfEveryWindowUnlessUnwanted) {
  const test::BuiltModel built(test::tiny_llama());
  const std::vector<Token> text = {5, 6, 7, 8, 9, 10, 11, 12};
  const TextWindow second{4, 8, 6};
  EXPECT_EQ(window_tokens(text, second, {}, built.model), (std::vector<Token>{1, 10, 11, 12}));
  EXPECT_EQ(window_tokens(text, second, {.bos = false}, built.model), (std::vector<Token>{9, 10, 11, 12}));
}

}  // namespace
}  // namespace plumb::text_windows_test
