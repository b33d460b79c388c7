// Attention through the cache against a plain double-precision evaluation: groups, odd head sizes, windows, caps, every
// KV type, several sequences, prompts and single rows; the same bits for every number of threads and every split.

#include "plumb/ops/attention.hpp"

#include <gtest/gtest.h>

#include "tests/ops/attention_case.hpp"

namespace plumb::attention_test {
namespace {

using test::AttentionCase;
using test::heads;
using test::prompt;

const std::vector<ops::AttentionRow>& kRows = test::kScatteredRows;

void check(const AttentionCase& c, const std::vector<ops::AttentionRow>& rows, bool every_row = true) {
  test::check_attention(c, rows, every_row);
}

TEST(Attention, GroupsAndHeadSizes) {
  check(heads(4, 4, 16), kRows);
  check(heads(8, 2, 64), kRows);
  check(heads(16, 1, 32), kRows);
  check(heads(6, 2, 80), kRows);
  check(heads(3, 3, 7), kRows);
  check(heads(5, 1, 96), kRows);
}

TEST(Attention, OneRowOfOneSequence) {
  for (const int position : {0, 15, 16, 255, 256, 699}) {
    check(heads(8, 1, 48), {{position, 0}});
    check(heads(12, 3, 32, DType::f16), {{position, 1}});
  }
}

TEST(Attention, Prompts) {
  check(heads(8, 2, 32), prompt(0, 300), false);
  check(heads(8, 2, 32, DType::f16), prompt(231, 260), false);
  check(heads(16, 1, 16, DType::i8), prompt(400, 300), false);
  check(heads(3, 3, 40, DType::f16), prompt(17, 555), false);
}

TEST(Attention, MixedBatches) {
  std::vector<ops::AttentionRow> rows = prompt(100, 40);
  for (const ops::AttentionRow& row : kRows) rows.push_back(row);
  for (int p = 300; p < 330; ++p) rows.push_back({p, 1});
  for (int p = 500; p < 520; ++p) rows.push_back({p, p % 2});  // alternating sequences
  check(heads(8, 2, 32, DType::f16), rows, false);
}

TEST(Attention, WindowsAndCaps) {
  for (const int window : {1, 3, 256, 300, 5000}) {
    check(heads(4, 2, 16, DType::f32, window), kRows);
    check(heads(4, 2, 16, DType::f16, window), prompt(200, 320), false);
  }
  check(heads(4, 2, 16, DType::f32, 0, 1.5f), kRows);
  check(heads(4, 2, 16, DType::i8, 30, 20.0f), kRows);
}

TEST(Attention, NarrowCaches) {
  for (const DType type : {DType::f16, DType::i8})
    for (const int dim : {5, 48, 128}) check(heads(4, 2, dim, type), kRows);
}

TEST(Attention, Bf16Dots) {
  for (const DType type : {DType::f32, DType::f16, DType::i8}) {
    check(heads(8, 2, 64, type, 0, 0, true), kRows);
    check(heads(8, 2, 48, type, 300, 0, true), prompt(231, 260), false);
    check(heads(3, 3, 7, type, 0, 0, true), kRows);  // an odd size keeps f32
    check(heads(4, 2, 16, type, 30, 20.0f, true), kRows);
    check(heads(16, 1, 32, type, 0, 0, true), prompt(17, 301), false);
  }
}

/// Int8 keys and values cost accuracy; this much, for normally distributed ones.
TEST(Attention, Int8CachesStayClose) {
  AttentionCase c = heads(8, 2, 64);
  const KernelTable& kernels = active_kernels();
  const std::vector<float> q = test::normal_numbers(kRows.size() * c.q_width(), 5);
  const test::FilledLayer exact(kernels, c, test::KeysAndValues(c));
  const std::vector<float> want = test::attention_of(kernels, c, exact.layer(), kRows, q.data(), 1);
  c.kv = DType::i8;
  const test::FilledLayer narrow(kernels, c, test::KeysAndValues(c));
  const std::vector<float> got = test::attention_of(kernels, c, narrow.layer(), kRows, q.data(), 1);
  // Codes err by up to half a step of max|x| / 127, uniformly: with max|x| near 2.6 sigma the relative power is
  // (2.6 / 127)^2 / 12 = 3.5e-5 for values; score errors of the same relative power act on weights near e^score.
  EXPECT_LT((test::nmse<float, float>(got, want)), 4 * 3.5e-5);
}

}  // namespace
}  // namespace plumb::attention_test
