/// Truncation at every byte and every header byte changed: the reader's answer is an error or a file, never a crash.

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "plumb/io/gguf.hpp"
#include "tests/support/hostile.hpp"

namespace plumb {
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

TEST(Mutation, TruncatedAtEveryByteIsTruncated) {
  const std::string whole = test::tiny_llama(false).bytes();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto outcome = test::read_bounded(std::string_view(whole).substr(0, n), open_and_walk);
    ASSERT_TRUE(outcome.code) << "accepted at " << n << " of " << whole.size() << " bytes";
    ASSERT_EQ(*outcome.code, ErrorCode::truncated) << "at " << n << " bytes: " << outcome.message;
  }
  EXPECT_FALSE(test::read_bounded(whole, open_and_walk).code);
}

TEST(Mutation, EveryHeaderByteChanged) {
  const test::GgufBuilder file = test::tiny_llama(false);
  const std::string whole = file.bytes();
  const std::size_t header = file.header().size();
  int refused = 0;
  for (std::size_t i = 0; i < header; ++i)
    for (const int flip : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      refused += test::read_bounded(changed, open_and_walk).code.has_value();
      ASSERT_FALSE(testing::Test::HasFailure()) << "byte " << i << " xor " << flip;
    }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace plumb
