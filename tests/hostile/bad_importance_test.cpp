/// Bad importance files of both forms, each with its exact code; truncation at every byte and every byte changed.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "plumb/quantize/importance.hpp"
#include "tests/support/hostile.hpp"
#include "tests/support/imatrix_builder.hpp"

namespace plumb::bad_importance_test {
namespace {

using test::BadFile;
using test::encoded;
using test::GgufBuilder;
using test::legacy_entry;
namespace vt = test::value_type;

/// Reads the file and asks for everything in it, as quantization does.
void read_importance(std::span<const std::byte> bytes) {
  const ImportanceMatrix matrix = ImportanceMatrix::from_memory(bytes, "bad.imatrix");
  for (const auto& [name, entry] : matrix.entries())
    for (std::int64_t m = 0; m < entry.matrices(); ++m)
      for (const float mean : matrix.mean_squares(name, entry.columns, m, entry.matrices())) EXPECT_GE(mean, 0);
}

std::vector<BadFile> cases() {
  std::vector<BadFile> all;
  const auto gguf = [&](const char* name, ErrorCode code, const char* mention, auto change) {
    all.push_back({std::string("gguf_") + name, code, mention, [change] {
                     GgufBuilder file = test::small_imatrix();
                     change(file);
                     return file.bytes();
                   }});
  };
  const auto legacy = [&](const char* name, ErrorCode code, const char* mention, std::string bytes) {
    all.push_back({std::string("legacy_") + name, code, mention, [bytes = std::move(bytes)] { return bytes; }});
  };
  const std::string sums = "blk.0.attn_q.weight.in_sum2", counts = "blk.0.attn_q.weight.counts";
  const auto set_value = [](const std::string& tensor, float value) {
    return [=](GgufBuilder& f) { f.tensor(tensor).data.replace(0, 4, encoded(value)); };
  };
  gguf("another_type", ErrorCode::bad_value, "general.type", [](auto& f) { f.set_string("general.type", "model"); });
  gguf("type_is_no_text", ErrorCode::wrong_type, "general.type", [](auto& f) { f.set_u32("general.type", 1); });
  gguf("datasets_are_no_texts", ErrorCode::wrong_type, "imatrix.datasets",
       [](auto& f) { f.set_u32("imatrix.datasets", 1); });
  gguf("chunk_count_is_text", ErrorCode::wrong_type, "imatrix.chunk_count",
       [](auto& f) { f.set_string("imatrix.chunk_count", "many"); });
  gguf("negative_chunk_size", ErrorCode::bad_value, "imatrix.chunk_size",
       [](auto& f) { f.set("imatrix.chunk_size", vt::i32, encoded(std::int32_t{-1})); });
  gguf("chunk_count_beyond_32_bits", ErrorCode::bad_value, "imatrix.chunk_count",
       [](auto& f) { f.set("imatrix.chunk_count", vt::u64, encoded(std::uint64_t{1} << 32)); });
  gguf("no_sums", ErrorCode::missing_key, ".in_sum2", [](auto& f) { f.tensors.clear(); });
  gguf("sums_without_counts", ErrorCode::missing_key, "attn_q.weight.counts", [=](auto& f) { f.erase_tensor(counts); });
  gguf("sums_are_halves", ErrorCode::wrong_type, "in_sum2", [=](auto& f) {
    f.tensor(sums).type = 1;
    f.tensor(sums).data.resize(12);
  });
  gguf("counts_are_integers", ErrorCode::wrong_type, "counts", [=](auto& f) { f.tensor(counts).type = 26; });
  gguf("more_counts_than_matrices", ErrorCode::bad_shape, "in_sum2", [=](auto& f) {
    f.tensor(counts).dims = {1, 2};
    f.tensor(counts).data += encoded(1.0f);
  });
  gguf("fewer_counts_than_matrices", ErrorCode::bad_shape, "ffn_up_exps", [](auto& f) {
    f.tensor("blk.0.ffn_up_exps.weight.counts").dims = {1, 1};
    f.tensor("blk.0.ffn_up_exps.weight.counts").data.resize(4);
  });
  gguf("nan_sum", ErrorCode::bad_value, "in_sum2", set_value(sums, NAN));
  gguf("infinite_sum", ErrorCode::bad_value, "in_sum2", set_value(sums, INFINITY));
  gguf("negative_sum", ErrorCode::bad_value, "in_sum2", set_value(sums, -1));
  gguf("nan_count", ErrorCode::bad_value, "counts", set_value(counts, NAN));
  gguf("negative_count", ErrorCode::bad_value, "counts", set_value(counts, -1));
  gguf("sums_twice", ErrorCode::duplicate, "in_sum2", [=](auto& f) { f.tensors.push_back(f.tensor(sums)); });

  constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();
  const auto one = [](const std::string& entry) { return encoded(std::int32_t{1}) + entry; };
  const std::string header = encoded(std::int32_t{4}) + "name" + encoded(std::int32_t{1});
  legacy("empty", ErrorCode::truncated, "number of entries", "");
  legacy("no_entries", ErrorCode::bad_magic, "neither", encoded(std::int32_t{0}) + std::string(60, '\0'));
  legacy("negative_entries", ErrorCode::bad_magic, "neither", encoded(std::int32_t{-5}) + std::string(60, '\0'));
  legacy("another_format", ErrorCode::bad_magic, "neither", "lmgg" + std::string(60, '\0'));
  legacy("more_entries_than_bytes", ErrorCode::truncated, "number of entries",
         encoded(std::int32_t{1000}) + legacy_entry("a", 1, {1}));
  legacy("name_without_length", ErrorCode::bad_value, "name", one(encoded(std::int32_t{0}) + std::string(60, '\0')));
  legacy("negative_name", ErrorCode::bad_value, "name", one(encoded(std::int32_t{-1}) + std::string(60, '\0')));
  legacy("endless_name", ErrorCode::bad_value, "name", one(encoded(kMost) + std::string(60, '\0')));
  legacy("no_values", ErrorCode::bad_value, "values", one(legacy_entry("name", 1, {})));
  legacy("negative_values", ErrorCode::bad_value, "values", one(header + encoded(std::int32_t{-1})));
  legacy("more_values_than_bytes", ErrorCode::truncated, "values", one(header + encoded(kMost)));
  legacy("negative_calls", ErrorCode::bad_value, "calls", one(legacy_entry("name", -1, {1})));
  legacy("nan_value", ErrorCode::bad_value, "name", one(legacy_entry("name", 1, {1, NAN})));
  legacy("negative_value", ErrorCode::bad_value, "name", one(legacy_entry("name", 1, {1, -2})));
  legacy("entry_twice", ErrorCode::duplicate, "name",
         encoded(std::int32_t{2}) + legacy_entry("name", 1, {1}) + legacy_entry("name", 1, {2}));
  legacy("negative_chunks", ErrorCode::bad_value, "chunks",
         one(legacy_entry("name", 1, {1})) + encoded(std::int32_t{-1}));
  legacy("endless_dataset", ErrorCode::bad_value, "name of the text",
         one(legacy_entry("name", 1, {1})) + encoded(std::int32_t{1}) + encoded(kMost));
  return all;
}

class BadImportance : public testing::TestWithParam<BadFile> {};
TEST_P(BadImportance, IsRefused) { test::expect_refused(GetParam(), read_importance); }
INSTANTIATE_TEST_SUITE_P(Files, BadImportance, testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

TEST(GoodImportance, BothFormsAreRead) {
  const test::AlignedCopy gguf(test::small_imatrix().bytes()), legacy(test::small_legacy_imatrix());
  const ImportanceMatrix a = ImportanceMatrix::from_memory(gguf.bytes());
  EXPECT_EQ(a.chunk_count, 3u);
  EXPECT_EQ(a.chunk_size, 16u);
  EXPECT_EQ(a.datasets(), std::vector<std::string>{"calib.txt"});
  EXPECT_EQ(a.mean_squares("blk.0.attn_q.weight", 6)[1], 2.0f / 48);
  EXPECT_EQ(a.mean_squares("blk.0.ffn_up_exps.weight", 4, 1, 2), (std::vector<float>{9.f / 8, 1, 7.f / 8, 6.f / 8}));
  const ImportanceMatrix b = ImportanceMatrix::from_memory(legacy.bytes());
  EXPECT_EQ(b.chunk_count, 3u);
  EXPECT_EQ(b.datasets(), std::vector<std::string>{"calib.txt"});
  EXPECT_EQ(b.mean_squares("output.weight", 3), (std::vector<float>{4.f / 3, 4.f / 3, 2.f / 3}));
}

TEST(TruncatedImportance, IsRefusedAtEveryByteOfTheGgufForm) {
  const std::string whole = test::small_imatrix().bytes();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto outcome = test::read_bounded(std::string_view(whole).substr(0, n), read_importance);
    ASSERT_TRUE(outcome.code) << "accepted at " << n << " of " << whole.size() << " bytes";
    ASSERT_EQ(*outcome.code, ErrorCode::truncated) << "at " << n << " bytes: " << outcome.message;
  }
}

/// The older form may end after its entries, or after the number of chunks: as old as that are files in use.
TEST(TruncatedImportance, IsRefusedAtEveryOtherByteOfTheOlderForm) {
  const std::string whole = test::small_legacy_imatrix();
  const std::size_t chunks = whole.size() - 9 - 4, entries = chunks - 4;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto outcome = test::read_bounded(std::string_view(whole).substr(0, n), read_importance);
    if (n == entries || n == chunks) {
      EXPECT_FALSE(outcome.code) << outcome.message;
      continue;
    }
    ASSERT_TRUE(outcome.code) << "accepted at " << n << " of " << whole.size() << " bytes";
    ASSERT_EQ(*outcome.code, ErrorCode::truncated) << "at " << n << " bytes: " << outcome.message;
  }
}

TEST(ChangedImportance, EveryByteOfEitherFormMayBeWrong) {
  for (const std::string& whole : {test::small_imatrix().bytes(), test::small_legacy_imatrix()}) {
    std::size_t refused = 0, accepted = 0;
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (const int flip : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
        std::string changed = whole;
        changed[i] = static_cast<char>(changed[i] ^ flip);
        ++(test::read_bounded(changed, read_importance).code ? refused : accepted);
        ASSERT_FALSE(testing::Test::HasFailure()) << "byte " << i << " xor " << flip;
      }
    EXPECT_GT(refused, 0u);   // lengths, counts, signs
    EXPECT_GT(accepted, 0u);  // spellings, magnitudes
  }
}

}  // namespace
}  // namespace plumb::bad_importance_test
