// Importance from calibration against the inputs of a forward pass in double precision, and the file it is kept in.

#include "plumb/model/calibrate.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "plumb/io/open_model.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/weights.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/reference_model.hpp"

namespace plumb::calibrate_test {
namespace {

using Sums = std::map<std::string, std::vector<double>>;

/// Sums of squared inputs over windows of `context` tokens, each begun by bos, by the reference.
Sums reference_sums(const ModelFile& file, std::span<const Token> text, std::size_t context, Token bos) {
  test::ReferenceModel reference(file);
  Sums sums;
  reference.observe = [&](const std::string& tensor, const std::vector<double>& input) {
    std::vector<double>& sum = sums[tensor];
    sum.resize(input.size());
    for (std::size_t k = 0; k < input.size(); ++k) sum[k] += input[k] * input[k];
  };
  for (std::size_t begin = 0; begin < text.size(); begin += context) {
    std::vector<Token> window(text.begin() + static_cast<std::ptrdiff_t>(begin),
                              text.begin() + static_cast<std::ptrdiff_t>(std::min(text.size(), begin + context)));
    window.front() = bos;
    reference.logits(window);
  }
  return sums;
}

void expect_equal(const ImportanceMatrix& got, const Sums& want, float tokens) {
  ASSERT_EQ(got.entries().size(), want.size());
  for (const auto& [name, entry] : got.entries()) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(want.contains(name));
    EXPECT_EQ(entry.counts, std::vector<float>{tokens});
    // An f32 pass has an NMSE of at most 1e-9, and so, twice that, have the squares.
    EXPECT_LT(test::nmse(std::span(entry.sums), std::span(want.at(name))), 1e-8);
  }
}

TEST(Calibrate, SumsAreThoseOfADoublePrecisionPass) {
  PLUMB_REQUIRE_FIXTURES();
  const ModelFile file = open_model_file(test::fixtures_dir() / "stories" / "stories260K-f32.gguf");
  const Model model = Model::from_file(file);
  const std::vector<Token> text = test::read_tokens(test::fixtures_dir() / "stories" / "greedy-200.tokens");
  ASSERT_EQ(text.size(), 200u);
  const ImportanceMatrix got = calibrate(model, text, {.context = 96, .session = {.threads = 2}});  // 96, 96 and 8
  EXPECT_EQ(got.chunk_size, 96u);
  EXPECT_EQ(got.chunk_count, 3u);
  expect_equal(got, reference_sums(file, text, 96, model.tokenizer().bos()), 200);
}

TEST(Calibrate, ATiedHeadIsNamedAfterTheEmbedding) {
  test::GgufBuilder builder = test::tiny_llama();
  builder.erase_tensor("output.weight");
  const test::BuiltModel built(builder);
  const std::vector<Token> text = {1, 260, 261, 262, 263, 264, 265};
  const ImportanceMatrix got = calibrate(built.model, text, {.context = 7});
  expect_equal(got, reference_sums(built.file, text, 7, 1), 7);
  EXPECT_TRUE(got.entries().contains("token_embd.weight"));
}

/// Several streams, values for every layer, branches beside mixers: the inputs of all products are seen by all tokens.
TEST(Calibrate, EveryProductOfGemma3nIsSeen) {
  PLUMB_REQUIRE_FIXTURES();
  const Model model = Model::load(test::architecture_fixture("gemma3n.gguf"));
  const std::vector<Token> text = test::read_tokens(test::architecture_fixture("gemma3n.tokens"));
  const ImportanceMatrix got = calibrate(model, text, {.context = static_cast<int>(text.size())});
  std::size_t products = 0;
  for_each_tensor(model.spec(), [&](const TensorSpec& tensor) {
    if (!tensor.is_matrix() || tensor.id.role == TensorRole::per_layer_table) return;
    const auto entry = got.entries().find(tensor_name(model.spec(), tensor.id));
    ASSERT_NE(entry, got.entries().end()) << tensor_name(model.spec(), tensor.id);
    ++products;
    const std::size_t matrices = tensor.shape.rank() > 2 ? static_cast<std::size_t>(tensor.shape[0]) : 1;
    EXPECT_EQ(entry->second.counts, std::vector<float>(matrices, static_cast<float>(text.size()))) << entry->first;
    EXPECT_EQ(entry->second.sums.size(), matrices * static_cast<std::size_t>(tensor.shape.cols())) << entry->first;
  });
  EXPECT_EQ(got.entries().size(), products);
  for (const InputRows& rows : sample_inputs(model, text, {.context = 36}, 10))
    EXPECT_EQ(rows.values.size(), 10 * static_cast<std::size_t>(rows.columns)) << rows.names.front();
}

TEST(Calibrate, TheFileComesBackAsItWas) {
  const test::BuiltModel built(test::tiny_llama());
  ImportanceMatrix written = calibrate(built.model, std::vector<Token>(40, 260), {.context = 16});
  written.datasets() = {"a text"};
  const test::TempDir dir;
  written.write(dir / "imatrix.gguf");
  const ImportanceMatrix read = ImportanceMatrix::read(dir / "imatrix.gguf");
  EXPECT_EQ(read.datasets(), written.datasets());
  EXPECT_EQ(read.chunk_size, 16u);
  EXPECT_EQ(read.chunk_count, 3u);
  ASSERT_EQ(read.entries().size(), 2u * 7 + 1);
  for (const auto& [name, entry] : written.entries()) {
    const auto found = read.entries().find(name);
    ASSERT_NE(found, read.entries().end()) << name;
    EXPECT_EQ(found->second.sums, entry.sums);
    EXPECT_EQ(found->second.counts, entry.counts);
  }
}

TEST(Calibrate, BadTextsAndActivationsAreErrors) {
  const test::BuiltModel built(test::tiny_llama());
  test::expect_error(ErrorCode::invalid_argument, [&] { calibrate(built.model, {}); });
  const Token outside = 100000;
  test::expect_error(ErrorCode::out_of_range, [&] { calibrate(built.model, std::vector<Token>{1, outside}); });
  test::GgufBuilder huge = test::tiny_llama();
  std::string& norm = huge.tensor("output_norm.weight").data;
  norm.replace(0, 4, test::encoded(1e30f));
  const test::BuiltModel broken(huge);
  const std::string message = test::expect_error(ErrorCode::bad_value, [&] {
    calibrate(broken.model, std::vector<Token>{1, 260});
  });
  EXPECT_NE(message.find("output.weight"), std::string::npos) << message;
}

}  // namespace
}  // namespace plumb::calibrate_test
