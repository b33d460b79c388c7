// Attention over latent vectors, whose values are the first elements of their keys, against a plain double-precision
// evaluation over what the cache keeps: odd ranks, every KV type, prompts and single rows, rows that attend to chosen
// positions; the same bits for every number of threads and every batch.

#include <gtest/gtest.h>

#include <numeric>

#include "tests/ops/attention_case.hpp"

namespace plumb::latent_attention_test {
namespace {

using test::prompt;

struct LatentCase {
  int n_heads = 4, groups = 1, rank = 32, rest = 16;
  DType kv = DType::f32;
  int chosen = 0;
  int sequences = 2, context = 600;

  int k_dim() const { return rank + rest; }
  std::size_t q_width() const { return static_cast<std::size_t>(n_heads * k_dim()); }
  std::size_t out_width() const { return static_cast<std::size_t>(n_heads * rank); }
  ops::AttentionShape shape() const {
    ops::AttentionShape shape{n_heads, groups, k_dim(), rank, 1.0f / std::sqrt(static_cast<float>(k_dim()))};
    shape.latent = true;
    shape.chosen = chosen;
    return shape;
  }
  /// As a case of other attention with one head of so many dimensions, for its numbers.
  test::AttentionCase numbers(int dim) const {
    test::AttentionCase c;
    c.n_kv_heads = 1;
    c.k_dim = c.v_dim = dim;
    c.kv = kv;
    c.sequences = sequences;
    c.context = context;
    return c;
  }
};

/// Latent vectors of every position: their values and the rest of their keys.
struct Latents {
  explicit Latents(const LatentCase& c) : values(c.numbers(c.rank), c.rank, 31), rest(c.numbers(c.rest), c.rest, 32) {}
  test::Numbers values, rest;
};

/// A layer that holds all of them and ends at a forbidden page. What was never stored is NaN.
class LatentLayer {
 public:
  LatentLayer(const KernelTable& kernels, const LatentCase& c, const Latents& data) {
    const int padded = padded_value_dim(c.rest);
    const std::int64_t tiles = ceil_div(c.context, kKeyTile);
    layer_.value_offset = tiles * kv_tile_bytes(c.kv, padded);
    layer_.sequence_stride = layer_.value_offset + tiles * kv_tile_bytes(c.kv, padded_value_dim(c.rank));
    memory_.emplace(static_cast<std::size_t>(layer_.sequence_stride * c.sequences));
    std::fill(memory_->begin(), memory_->end(), std::byte{0xFF});
    layer_.base = memory_->data();
    layer_.k_dim = padded;
    layer_.v_dim = c.rank;
    layer_.type = c.kv;
    layer_.latent = true;
    for (int s = 0; s < c.sequences; ++s)
      for (int p = 0; p < c.context; ++p)
        ops::store_latent(kernels, layer_, s, p, data.values.given(s, 0, p),
                          c.rest > 0 ? data.rest.given(s, 0, p) : nullptr, c.rest);
  }
  const ops::KvLayer& layer() const { return layer_; }

 private:
  std::optional<test::Guarded<std::byte>> memory_;
  ops::KvLayer layer_;
};

using Choice = std::vector<std::vector<std::int32_t>>;  // of every row: positions, rising

std::vector<float> run(const KernelTable& kernels, const LatentCase& c, const ops::KvLayer& layer,
                       std::span<const ops::AttentionRow> rows, const float* q, const Choice& choice, int threads) {
  const ops::AttentionShape shape = c.shape();
  std::vector<std::int32_t> positions(rows.size() * static_cast<std::size_t>(c.chosen), -1);
  for (std::size_t n = 0; n < choice.size() && c.chosen > 0; ++n)
    if (shape.chooses(rows[n].position))
      std::copy(choice[n].begin(), choice[n].end(), positions.begin() + static_cast<std::ptrdiff_t>(n) * c.chosen);
  const test::Guarded<float> asked(std::vector<float>(q, q + rows.size() * c.q_width()));
  test::Guarded<float> out(std::vector<float>(rows.size() * c.out_width(), -1.0f));
  ops::AttentionCall call{&kernels, &shape, &layer, rows, asked.data(), static_cast<std::int64_t>(c.q_width())};
  call.out = out.data();
  call.out_stride = static_cast<std::int64_t>(c.out_width());
  call.chosen = {positions.data(), c.chosen};
  ops::AttentionScratch scratch(shape, threads, c.context);
  run_parallel(threads, [&](const Worker& worker) { ops::attention(worker, call, scratch); });
  return {out.begin(), out.end()};
}

std::vector<double> plain(const LatentCase& c, const Latents& data, const ops::AttentionRow& row, const float* q,
                          const std::vector<std::int32_t>& positions) {
  std::vector<double> out(c.out_width(), 0.0);
  for (int h = 0; h < c.n_heads; ++h) {
    std::vector<double> score;
    for (const std::int32_t p : positions) {
      const double *value = data.values.kept(row.sequence, 0, p),
                   *rest = c.rest > 0 ? data.rest.kept(row.sequence, 0, p) : nullptr;
      double s = 0;
      for (int d = 0; d < c.k_dim(); ++d)
        s += static_cast<double>(q[h * c.k_dim() + d]) * (d < c.rank ? value[d] : rest[d - c.rank]);
      score.push_back(s / std::sqrt(static_cast<double>(c.k_dim())));
    }
    const double top = *std::max_element(score.begin(), score.end());
    double sum = 0;
    for (double& s : score) sum += s = std::exp(s - top);
    for (std::size_t i = 0; i < score.size(); ++i)
      for (int d = 0; d < c.rank; ++d)
        out[static_cast<std::size_t>(h * c.rank + d)] +=
            score[i] / sum * data.values.kept(row.sequence, 0, positions[i])[d];
  }
  return out;
}

std::vector<std::int32_t> all_up_to(std::int32_t position) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(position) + 1);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// Some `count` of the positions that a row sees.
std::vector<std::int32_t> some_of(const ops::AttentionRow& row, int count, unsigned seed) {
  std::vector<std::int32_t> all = all_up_to(row.position), some;
  std::mt19937 random(seed);
  std::sample(all.begin(), all.end(), std::back_inserter(some), count, random);
  return some;
}

void check(const LatentCase& c, const std::vector<ops::AttentionRow>& rows) {
  SCOPED_TRACE(testing::Message() << c.n_heads << " heads in " << c.groups << " rank " << c.rank << " rest " << c.rest
                                  << " " << dtype_name(c.kv) << " chosen " << c.chosen << ", " << rows.size()
                                  << " rows");
  const std::vector<float> q = test::normal_numbers(rows.size() * c.q_width(), 5);
  const Latents data(c);
  Choice choice;
  for (std::size_t n = 0; n < rows.size(); ++n)
    choice.push_back(c.shape().chooses(rows[n].position) ? some_of(rows[n], c.chosen, static_cast<unsigned>(n))
                                                         : all_up_to(rows[n].position));
  const std::size_t step = rows.size() > 50 ? 37 : 1, width = c.out_width();
  for (const Isa isa : test::tiers_here()) {
    SCOPED_TRACE(isa_name(isa));
    const KernelTable& kernels = kernels_for(isa);
    const LatentLayer filled(kernels, c, data);
    const std::vector<float> out = run(kernels, c, filled.layer(), rows, q.data(), choice, 2);
    for (std::size_t n = 0; n < rows.size(); n += step) {
      const float* const own = q.data() + n * c.q_width();
      const std::vector<float> row(out.begin() + static_cast<std::ptrdiff_t>(n * width),
                                   out.begin() + static_cast<std::ptrdiff_t>((n + 1) * width));
      EXPECT_LT((test::nmse<float, double>(row, plain(c, data, rows[n], own, choice[n]))), 1e-11)
          << "position " << rows[n].position;
      EXPECT_EQ(run(kernels, c, filled.layer(), {&rows[n], 1}, own, {choice[n]}, 3), row) << "row " << n;
    }
    for (const int threads : {1, 3, 8})
      EXPECT_EQ(out, run(kernels, c, filled.layer(), rows, q.data(), choice, threads)) << threads << " threads";
  }
}

const std::vector<ops::AttentionRow> kRows = {{0, 0}, {1, 1}, {254, 0}, {255, 0}, {256, 1}, {511, 0}, {599, 1}};

TEST(LatentAttention, RanksAndHeads) {
  check({.n_heads = 4, .rank = 32, .rest = 16}, kRows);
  check({.n_heads = 5, .rank = 24, .rest = 8}, kRows);  // neither is a multiple of 16
  check({.n_heads = 3, .rank = 7, .rest = 2}, kRows);
  check({.n_heads = 4, .rank = 40, .rest = 0}, kRows);  // values are whole keys
  check({.n_heads = 40, .groups = 2, .rank = 48, .rest = 16}, kRows);
}

TEST(LatentAttention, NarrowCaches) {
  for (const DType type : {DType::f16, DType::i8}) {
    check({.n_heads = 4, .rank = 32, .rest = 16, .kv = type}, kRows);
    check({.n_heads = 4, .rank = 20, .rest = 6, .kv = type}, kRows);
    check({.n_heads = 6, .groups = 2, .rank = 16, .rest = 0, .kv = type}, kRows);
  }
}

TEST(LatentAttention, Prompts) {
  check({.n_heads = 16, .rank = 32, .rest = 16}, prompt(0, 300));
  check({.n_heads = 16, .groups = 2, .rank = 24, .rest = 8, .kv = DType::f16}, prompt(231, 260));
  check({.n_heads = 20, .rank = 16, .rest = 16, .kv = DType::i8}, prompt(400, 200));
}

TEST(LatentAttention, ChosenPositions) {
  for (const DType type : {DType::f32, DType::f16, DType::i8}) {
    check({.n_heads = 4, .rank = 32, .rest = 16, .kv = type, .chosen = 8}, kRows);
    check({.n_heads = 4, .rank = 20, .rest = 6, .kv = type, .chosen = 300}, kRows);
    check({.n_heads = 16, .rank = 24, .rest = 8, .kv = type, .chosen = 40}, prompt(20, 300));
  }
}

/// Whether positions lie side by side or are gathered makes no difference.
TEST(LatentAttention, AChoiceOfAllPositionsIsTheWhole) {
  for (const DType type : {DType::f32, DType::f16, DType::i8}) {
    LatentCase c{.n_heads = 6, .rank = 24, .rest = 8, .kv = type};
    const KernelTable& kernels = active_kernels();
    const Latents data(c);
    const LatentLayer filled(kernels, c, data);
    const std::vector<float> q = test::normal_numbers(c.q_width(), 5);
    const ops::AttentionRow whole{420, 1}, choosing{421, 1};
    const std::vector<float> want = run(kernels, c, filled.layer(), {&whole, 1}, q.data(), {}, 1);
    c.chosen = 421;
    EXPECT_EQ(run(kernels, c, filled.layer(), {&choosing, 1}, q.data(), {all_up_to(420)}, 2), want);
  }
}

}  // namespace
}  // namespace plumb::latent_attention_test
