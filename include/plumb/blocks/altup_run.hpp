#pragma once
/// @file
/// How several streams are run. Layers work on the residual stream as ever: before a layer it is set to the predicted
/// active stream, after it what it has become corrects all of them.

#include <algorithm>
#include <array>
#include <cmath>

#include "plumb/blocks/altup.hpp"
#include "plumb/blocks/pass.hpp"

namespace plumb::inline PLUMB_ABI {

class AltupRun {
 public:
  AltupRun(const Pass& pass, const AltupSpec& spec, std::int64_t width)
      : pass_(pass), spec_(spec), width_(width), s_(pass.scratch()) {}

  /// The streams from the embeddings in the residual stream. By every worker, after a barrier; ends with one.
  void spread(const Worker& worker, const AltupWeights& w) const {
    const Products& products = pass_.products();
    ops::Activations x = pass_.normed(worker, pass_.n(), width_);
    x.values = s_.residual.row(0);
    x.stride = s_.residual.stride();
    pass_.prepare(worker, x, w.spread, products.forms({&w.spread}), [](Range) {});
    for (int j = 1; j < spec_.streams; ++j) multiply(worker, x, w.spread, j, s_.streams[at(j)]);
    worker.barrier();
    worker.enter(Op::altup);
    const Range mine = worker.share(pass_.n());
    for (std::int64_t n = mine.begin; n < mine.end; ++n) {
      const float* const first = s_.residual.row(n);
      std::copy_n(first, width_, s_.streams[0].row(n));
      for (int j = 1; j < spec_.streams; ++j) {
        float* const stream = s_.streams[at(j)].row(n);
        const float scale = as_long_as(first, stream);
        for (std::int64_t i = 0; i < width_; ++i) stream[i] *= scale;
      }
    }
    worker.barrier();
  }

  /// predicted = the streams as a layer is going to find them; the residual stream is the active one of them. By every
  /// worker, after a barrier; ends with one.
  void predict(const Worker& worker, const AltupLayerWeights& w) const {
    each_row(worker, [&](std::int64_t n, Range columns) {
      std::array<float, kMaxStreams * kMaxStreams> c;
      coefficients(worker, s_.streams[at(spec_.active)].row(n), n, w, w.predict, c.data());
      worker.enter(Op::altup);
      for (int j = 0; j < spec_.streams; ++j) {
        float* const out = s_.predicted[at(j)].row(n);
        const float* const own = s_.streams[at(j)].row(n);
        std::copy(own + columns.begin, own + columns.end, out + columns.begin);
        for (int i = 0; i < spec_.streams; ++i)
          add_scaled(c[at(j * spec_.streams + i)], s_.streams[at(i)].row(n), columns, out);
      }
      const float* const active = s_.predicted[at(spec_.active)].row(n);
      std::copy(active + columns.begin, active + columns.end, s_.residual.row(n) + columns.begin);
    });
    worker.barrier();
  }

  /// The streams after a layer, from their prediction and what the layer has made of the residual stream. By every
  /// worker, after a barrier; ends with one.
  void correct(const Worker& worker, const AltupLayerWeights& w) const {
    each_row(worker, [&](std::int64_t n, Range columns) {
      std::array<float, kMaxStreams> c;
      const float* const made = s_.residual.row(n);
      coefficients(worker, made, n, w, w.correct, c.data());
      worker.enter(Op::altup);
      const float* const expected = s_.predicted[at(spec_.active)].row(n);
      for (int j = 0; j < spec_.streams; ++j) {
        const float* const predicted = s_.predicted[at(j)].row(n);
        float* const stream = s_.streams[at(j)].row(n);
        const float share = 1.0f + c[at(j)];
        for (std::int64_t i = columns.begin; i < columns.end; ++i)
          stream[i] = predicted[i] + share * (made[i] - expected[i]);
      }
    });
    worker.barrier();
  }

  /// out = scale * the active stream of row n: what the per-layer embedding's gate reads.
  void read_active(const AltupLayerWeights& w, std::int64_t n, float* out) const {
    const float* const active = s_.streams[at(spec_.active)].row(n);
    for (std::int64_t i = 0; i < width_; ++i) out[i] = active[i] * w.scale[static_cast<std::size_t>(i)];
  }
  /// Adds x [D] to all streams of row n but the first.
  void add_to_others(std::int64_t n, const float* x) const {
    for (int j = 1; j < spec_.streams; ++j) add_scaled(1.0f, x, {0, width_}, s_.streams[at(j)].row(n));
  }

  /// The residual stream of the rows that ask for logits = all streams joined. By every worker, after a barrier; ends
  /// with one.
  void merge(const Worker& worker, const AltupWeights& w, std::int64_t asked) const {
    const Products& products = pass_.products();
    const Range mine = worker.share(asked);
    const float part = 1.0f / static_cast<float>(spec_.streams);
    for (int j = 1; j < spec_.streams; ++j) {
      const ops::Activations x = pass_.normed(worker, asked, width_);
      Rows& copies = pass_.normed_rows(worker, asked);
      pass_.prepare(worker, x, w.merge, products.forms({&w.merge}), [&](Range rows) {
        each_asking([&](std::int64_t n, std::int64_t index) {
          if (index >= rows.begin && index < rows.end) std::copy_n(s_.streams[at(j)].row(n), width_, copies.row(index));
        });
      });
      multiply(worker, x, w.merge, j, s_.branch[0]);
      worker.barrier();
      worker.enter(Op::altup);
      each_asking([&](std::int64_t n, std::int64_t index) {
        if (index < mine.begin || index >= mine.end) return;
        float* const sum = s_.residual.row(n);
        const float *const first = s_.streams[0].row(n), *const other = s_.branch[0].row(index);
        if (j == 1) std::copy_n(first, width_, sum);
        add_scaled(as_long_as(first, other), other, {0, width_}, sum);
        if (j + 1 == spec_.streams)
          for (std::int64_t i = 0; i < width_; ++i) sum[i] *= part;
      });
      worker.barrier();
    }
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  /// work(n, columns): of a few rows every worker takes its columns, of more it takes its rows.
  template <class Work>
  void each_row(const Worker& worker, const Work& work) const {
    const bool own = Pass::own(pass_.n());
    const Range rows = own ? Range{0, pass_.n()} : worker.share(pass_.n());
    const Range columns = own ? worker.share(width_, 16) : Range{0, width_};
    for (std::int64_t n = rows.begin; n < rows.end; ++n) work(n, columns);
  }
  /// visit(n, index) for the rows that ask for logits.
  template <class Visit>
  void each_asking(const Visit& visit) const {
    std::int64_t index = 0;
    for (std::int64_t n = 0; n < pass_.n(); ++n)
      if (pass_.rows()[static_cast<std::size_t>(n)].logits) visit(n, index++);
  }

  /// out = the product of matrix j - 1 of a stack with x.
  void multiply(const Worker& worker, const ops::Activations& x, const Linear& stack, int j, Rows& out) const {
    const Products& products = pass_.products();
    products.observe(worker, stack.w, j - 1, x);
    const ops::WeightMatrix one = ops::matrix_of(stack.w, j - 1);
    const ops::MatmulTask task{&one, out.data(), out.stride()};
    products.multiply(worker, x, {Op::altup, task}, products.exact());
  }

  /// out = matrix tanh(router norm(x) / D), of row n.
  void coefficients(const Worker& worker, const float* x, std::int64_t n, const AltupLayerWeights& w,
                    const Vector& matrix, float* out) const {
    worker.enter(Op::attn_norm);
    float* const normed = pass_.normed_rows(worker, pass_.n()).row(n);
    norm_row(pass_.kernels(), spec_.norm, w.norm, x, normed, width_);
    worker.enter(Op::altup);
    std::array<float, kMaxStreams> m;
    const std::int64_t s = spec_.streams;
    for (std::int64_t j = 0; j < s; ++j)
      m[static_cast<std::size_t>(j)] =
          std::tanh(dot(w.router.data() + j * width_, normed, width_) / static_cast<float>(width_));
    for (std::int64_t c = 0; c < static_cast<std::int64_t>(matrix.size()) / s; ++c)
      out[c] = dot(matrix.data() + c * s, m.data(), s);
  }

  /// The factor that makes `x` as long as `model`; 0 where x has no length.
  float as_long_as(const float* model, const float* x) const {
    const float own = dot(x, x, width_);
    return own > 0 ? std::sqrt(dot(model, model, width_) / own) : 0.0f;
  }
  /// sum a[i] b[i], in sixteen sums that compilers keep in registers.
  static float dot(const float* a, const float* b, std::int64_t n) {
    constexpr std::int64_t kLanes = 16;
    std::array<float, kLanes> sums{};
    std::int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
      for (std::int64_t lane = 0; lane < kLanes; ++lane)
        sums[static_cast<std::size_t>(lane)] += a[i + lane] * b[i + lane];
    double sum = 0;
    for (const float lane : sums) sum += static_cast<double>(lane);
    for (; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return static_cast<float>(sum);
  }
  static void add_scaled(float weight, const float* from, Range columns, float* sum) {
    for (std::int64_t i = columns.begin; i < columns.end; ++i) sum[i] += weight * from[i];
  }

  const Pass& pass_;
  const AltupSpec& spec_;
  std::int64_t width_;
  Scratch& s_;
};

}  // namespace plumb
