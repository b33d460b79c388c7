/// GGUF reading: what an independent writer's files hold.

#include <gtest/gtest.h>

#include "plumb/io/gguf.hpp"
#include "tests/support/fixtures.hpp"

namespace plumb {
namespace {

TEST(GgufRead, StoriesFileHoldsWhatItsMakerWrote) {
  PLUMB_REQUIRE_FIXTURES();
  const GgufFile file = GgufFile::open(test::fixtures_dir() / "stories" / "stories260K-f32.gguf");
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.get_string("general.architecture"), "llama");
  EXPECT_EQ(file.get_int("llama.block_count"), 5);
  EXPECT_EQ(file.get_strings("tokenizer.ggml.tokens").size(), 512u);
  EXPECT_EQ(file.get_tensor("token_embd.weight").view.shape(), (Shape{512, 64}));
}

}  // namespace
}  // namespace plumb
