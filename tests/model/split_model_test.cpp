/// Models whose files are split: the same logits as the whole, and one file when quantized.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "plumb/io/open_model.hpp"
#include "plumb/quantize/quantize_model.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"
#include "tests/support/split_files.hpp"

namespace plumb {
namespace {

const std::vector<Token> kSplitTokens = {1, 5, 9, 2, 7, 3};

TEST(SplitModel, HasTheLogitsOfTheWhole) {
  const test::GgufBuilder builder = test::tiny_llama();
  const test::TempDir dir;
  const auto whole = dir.file("whole.gguf", builder.bytes());
  for (const std::size_t count : {2u, 3u, 5u})
    for (const bool repack : {false, true}) {
      const auto first = test::write_parts(dir, test::split(builder, count));
      const LoadOptions options{.repack = repack};
      const Model split = Model::load(first, options);
      EXPECT_EQ(test::all_logits(split, kSplitTokens), test::all_logits(Model::load(whole, options), kSplitTokens));
      EXPECT_EQ(split.has_tokenizer(), Model::load(whole).has_tokenizer());
      EXPECT_EQ(split.spec(), Model::load(whole).spec());
    }
}

TEST(SplitModel, IsQuantizedIntoOneFile) {
  const test::GgufBuilder builder = test::tiny_llama();
  const test::TempDir dir;
  const auto whole = dir.file("whole.gguf", builder.bytes());
  const auto first = test::write_parts(dir, test::split(builder, 3));
  QuantizeOptions options;
  options.recipe = Recipe::parse("q8_0");
  const QuantizeResult result = quantize_model(first, dir / "split-q8.gguf", options);
  quantize_model(whole, dir / "whole-q8.gguf", options);
  EXPECT_EQ(result.tensors.size(), builder.tensors.size());
  const ModelFile one = open_model_file(dir / "split-q8.gguf"), other = open_model_file(dir / "whole-q8.gguf");
  const auto a = one.files().front()->bytes(), b = other.files().front()->bytes();
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
}

TEST(SplitModel, NoPartIsOverwrittenByItsQuantizedModel) {
  const test::TempDir dir;
  const auto first = test::write_parts(dir, test::split(test::tiny_llama(), 3));
  for (std::size_t part = 0; part < 3; ++part)
    test::expect_error(ErrorCode::invalid_argument, [&] { quantize_model(first, dir / test::part_name(part, 3), {}); });
}

}  // namespace
}  // namespace plumb
