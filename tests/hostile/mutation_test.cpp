/// Truncation at every byte and every header byte changed: the answer is an error or a model that works, never a crash.

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "tests/support/hostile_model.hpp"

namespace plumb::mutation_test {
namespace {

/// Opens the file and touches every value and tensor, as a program that trusts what it opened.
void open_and_walk(std::span<const std::byte> bytes) {
  const GgufFile file = GgufFile::from_memory(bytes);
  std::size_t sum = 0;
  for (const GgufEntry& entry : file.metadata()) sum += entry.value.to_string(1000000).size();
  for (const GgufTensor& tensor : file.tensors())
    for (std::int64_t r = 0; r < tensor.view.rows(); ++r) {
      const std::byte* row = tensor.view.row(r);
      sum += std::to_integer<std::size_t>(row[0]) + std::to_integer<std::size_t>(row[tensor.view.row_bytes() - 1]);
    }
  EXPECT_GT(sum, 0u);
}

void walk_load_and_run(std::span<const std::byte> bytes) {
  open_and_walk(bytes);
  test::load_and_run(bytes, {});
}

TEST(Mutation, TruncatedAtEveryByteIsTruncated) {
  const std::string whole = test::tiny_llama(false).bytes();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto outcome = test::read_bounded(std::string_view(whole).substr(0, n), walk_load_and_run);
    ASSERT_TRUE(outcome.code) << "accepted at " << n << " of " << whole.size() << " bytes";
    ASSERT_EQ(*outcome.code, ErrorCode::truncated) << "at " << n << " bytes: " << outcome.message;
  }
  EXPECT_FALSE(test::read_bounded(whole, walk_load_and_run).code);
}

/// Every byte in front of the tensor data changed, by each of `flips`.
void change_every_header_byte(const test::GgufBuilder& file, const std::vector<int>& flips) {
  const std::string whole = file.bytes();
  const std::size_t header = file.header().size();
  std::size_t refused = 0, accepted = 0;
  for (std::size_t i = 0; i < header; ++i)
    for (const int flip : flips) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      ++(test::read_bounded(changed, walk_load_and_run).code ? refused : accepted);
      ASSERT_FALSE(testing::Test::HasFailure()) << "byte " << i << " xor " << flip;
    }
  // Most changes hit a length, a type, a shape or a key that is needed; the others hit the spelling of a token.
  EXPECT_GT(refused, accepted);
  EXPECT_GT(accepted, 0u);
}

TEST(Mutation, EveryHeaderByteChanged) {
  change_every_header_byte(test::tiny_llama(false), {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff});
}

/// Fewer changes, since the header is four times as large and each load compiles patterns.
TEST(Mutation, EveryHeaderByteChangedOfByteLevelBpe) { change_every_header_byte(test::tiny_llama_bpe(), {0x04, 0xff}); }

}  // namespace
}  // namespace plumb::mutation_test
