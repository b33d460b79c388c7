// Tracing a session: every operation that the model has takes time, others take none, and nothing about the answer
// changes.

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "plumb/model/session.hpp"
#include "tests/support/models.hpp"

namespace plumb::trace_test {
namespace {

TEST(SessionTrace, BooksEveryOperationAndChangesNothing) {
  test::GgufBuilder builder;
  test::add_tiny_llama(builder, 61,
                       {.dim = 64, .heads = 4, .kv_heads = 2, .head_dim = 16, .ffn = 96, .layers = 2, .context = 64});
  const test::BuiltModel built(builder);
  const std::vector<Token> prompt{1, 5, 9, 2, 40, 33, 7, 7, 12, 60};
  const std::set<Op> never{Op::router, Op::laurel,      Op::per_layer,  Op::altup, Op::sampling,
                           Op::mix_in, Op::convolution, Op::recurrence, Op::index};
  for (const int threads : {1, 2, 3}) {
    Session plain(built.model, {.threads = threads}), traced(built.model, {.threads = threads});
    Trace trace;
    traced.set_trace(&trace);
    const TraceLane* const lanes = trace.lanes().data();
    for (Session* session : {&plain, &traced}) {
      session->prefill(prompt);
      for (Token token = 0; token < 8; ++token) session->decode(token);
    }
    EXPECT_EQ(trace.passes(), 9);
    EXPECT_EQ(trace.lanes().data(), lanes) << "no memory is made while decoding";
    double sum = trace.outside();
    for (const Op op : kAllOps) {
      const int phase = static_cast<int>(op);
      EXPECT_EQ(trace.busy(phase) > 0, !never.contains(op)) << op_name(op);
      sum += trace.busy(phase) + trace.waiting(phase);
    }
    EXPECT_NEAR(sum, trace.seconds(), 1e-9) << "all time belongs to an operation or to the region";
    const auto a = plain.logits(), b = traced.logits();
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));

    traced.set_trace(nullptr);
    traced.decode(3);
    EXPECT_EQ(trace.passes(), 9);
  }
}

}  // namespace
}  // namespace plumb::trace_test
