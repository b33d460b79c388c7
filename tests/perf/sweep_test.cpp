// Sweeps: what is varied and what holds, what is refused, and that running one measures, predicts and fits.

#include "plumb/perf/sweep.hpp"

#include <gtest/gtest.h>

#include <set>

#include "plumb/core/error.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/perf/report.hpp"
#include "tests/support/round_machine.hpp"
#include "tests/support/specs.hpp"

namespace plumb::sweep_test {
namespace {

SweepOptions tiny(Dimension dimension) {
  SweepOptions options;
  options.dimension = dimension;
  options.base = preset_spec("stories-260k");
  options.measure.prompt = 4;
  options.measure.tokens = 2;
  options.measure.repetitions = 2;
  options.measure.session.threads = 1;
  options.machine = test::round_machine();
  return options;
}

TEST(Sweep, VariesOneDimensionAndHoldsTheRest) {
  const ModelSpec base = preset_spec("llama-3.2-1b");
  for (const Dimension dimension : kDimensions) {
    SweepOptions options = tiny(dimension);
    if (dimension != Dimension::size) options.base = base;
    if (dimension == Dimension::experts) options.to = 6;  // more would need more memory than there may be
    const std::vector<SweepCase> cases = plan_sweep(options);
    ASSERT_FALSE(cases.empty()) << dimension_name(dimension);
    if (dimension == Dimension::size) continue;
    std::set<double> values;
    for (const SweepCase& c : cases) {
      values.insert(c.value);
      EXPECT_EQ(test::attention_of(c.spec).head_dim, test::attention_of(base).head_dim);
      if (dimension != Dimension::width) {
        EXPECT_EQ(c.spec.width, base.width);
      }
      if (dimension == Dimension::width) {
        EXPECT_EQ(test::attention_of(c.spec).group_size(), test::attention_of(base).group_size());
      }
      if (dimension != Dimension::depth) {
        EXPECT_EQ(c.spec.n_layers(), base.n_layers());
      }
      if (dimension != Dimension::vocab) {
        EXPECT_EQ(c.spec.vocab_size, base.vocab_size);
      }
      if (dimension == Dimension::gqa) {
        EXPECT_EQ(test::attention_of(c.spec).group_size(), c.value);
      }
      if (dimension == Dimension::context) {
        EXPECT_EQ(c.measure.depth, c.value);
      }
      if (dimension == Dimension::batch) {
        EXPECT_EQ(c.measure.session.sequences, c.value);
      }
    }
    if (dimension != Dimension::threads) {
      EXPECT_GE(values.size(), 4u) << dimension_name(dimension);
    }
  }
}

TEST(Sweep, TheFamilyGoesFrom1MTo1BInThreeTypes) {
  const std::vector<SweepCase> cases = plan_sweep({});
  EXPECT_EQ(cases.size(), 3 * measurement_family().size());
  EXPECT_LT(cases.front().value, 2e6);
  EXPECT_GT(cases.back().value, 0.9e9);
  EXPECT_EQ(cases[0].type, "F16");
  EXPECT_EQ(cases[1].type, "Q8_0");
  EXPECT_EQ(cases[2].type, "Q4_0");
}

TEST(Sweep, EndsOfTheRangeAreIncluded) {
  SweepOptions options = tiny(Dimension::depth);
  options.from = 3;
  options.to = 40;
  options.steps = 4;
  const std::vector<SweepCase> cases = plan_sweep(options);
  ASSERT_EQ(cases.size(), 4u);
  EXPECT_EQ(cases.front().value, 3);
  EXPECT_EQ(cases.back().value, 40);
}

TEST(Sweep, RefusesWhatMakesNoSenseInOneSentence) {
  const auto refused = [](Dimension dimension, double from, double to, ErrorCode code) {
    SweepOptions options = tiny(dimension);
    if (from != 0) options.from = from;
    options.to = to;
    try {
      plan_sweep(options);
      ADD_FAILURE() << dimension_name(dimension) << ' ' << from << ' ' << to;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      const std::string what = e.what();
      EXPECT_NE(what.find(dimension_name(dimension)), std::string::npos) << what;
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    }
  };
  refused(Dimension::width, 0, 0, ErrorCode::invalid_argument);
  refused(Dimension::width, 16, 17, ErrorCode::invalid_argument);  // does not divide into heads
  refused(Dimension::width, 64, 32, ErrorCode::invalid_argument);
  refused(Dimension::depth, -4, 4, ErrorCode::invalid_argument);
  refused(Dimension::depth, 1.5, 4, ErrorCode::invalid_argument);
  refused(Dimension::vocab, 0, 1e30, ErrorCode::invalid_argument);
  refused(Dimension::batch, 0, 1e6, ErrorCode::invalid_argument);
  refused(Dimension::threads, 0, 1e9, ErrorCode::invalid_argument);
  refused(Dimension::width, 1 << 20, 1 << 20, ErrorCode::bad_value);  // more heads than a model may have
  refused(Dimension::width, 1 << 17, 1 << 17, ErrorCode::out_of_memory);
  EXPECT_THROW(dimension_from_name("hight"), Error);
}

TEST(Sweep, MeasuresPredictsAndFits) {
  SweepOptions options = tiny(Dimension::depth);
  options.to = 8;
  options.memory = 1;  // one model at a time
  const Sweep sweep = run_sweep(options);
  ASSERT_GE(sweep.points.size(), 4u);
  for (const SweepPoint& point : sweep.points) {
    ASSERT_TRUE(point.measured);
    EXPECT_GE(point.measured->decode.seconds.size(), 2u);
    EXPECT_GT(point.decode_seconds(), 0);
    EXPECT_GT(point.decode_predicted(), 0);
    const TracedRun& trace = point.measured->decode.trace.value();
    double sum = trace.meeting;
    for (const double busy : trace.busy) sum += busy;
    EXPECT_NEAR(sum / trace.seconds, 1, 1e-9);
    EXPECT_GT(trace.busy[static_cast<std::size_t>(Op::down)], 0);
    EXPECT_EQ(point.measured->spec.n_layers(), point.setting.value);
    Operations counted;
    for (const Ledger& pass : point.passes.decode) counted += pass.operations();
    EXPECT_EQ(counted, point.measured->decode.work.operations()) << "what is predicted is what was timed";
  }
  EXPECT_EQ(sweep.laws.size(), 2u);
  for (const SeriesLaw& law : sweep.laws) EXPECT_FALSE(describe_law(sweep, law).empty());
}

TEST(Sweep, SequencesSideBySideMakeOnePassEach) {
  SweepOptions options = tiny(Dimension::batch);
  options.to = 4;
  const Sweep sweep = run_sweep(options);
  const Measurement& last = *sweep.points.back().measured;
  EXPECT_EQ(last.sequences, 4);
  EXPECT_EQ(last.decode.tokens, 8);
  EXPECT_EQ(last.decode.passes, 2);
}

TEST(Sweep, ExpertsAreMeasuredWithTheirShareOfTheWork) {
  const Sweep sweep = run_sweep(tiny(Dimension::experts));
  for (const SweepPoint& point : sweep.points) {
    ASSERT_TRUE(point.measured);
    EXPECT_EQ(test::experts_of(point.measured->spec).count, point.setting.value);
    EXPECT_GT(point.measured->decode.trace.value().busy[static_cast<std::size_t>(Op::router)], 0);
    EXPECT_GT(point.decode_predicted(), 0);
  }
  // Experts that are not used cost memory, not time: parameters grow 32 times as fast.
  EXPECT_GT(sweep.points.back().parameters, 10 * sweep.points.front().parameters);
  EXPECT_LT(sweep.points.back().decode_predicted(), 2 * sweep.points.front().decode_predicted());
}

/// Points with made-up times.
std::vector<SweepPoint> timed(const std::vector<std::pair<DType, std::vector<double>>>& types) {
  std::vector<SweepPoint> points;
  for (const auto& [type, seconds] : types) {
    SweepPoint p;
    p.setting.label = "one";
    p.setting.type = dtype_name(type);
    p.measured = Measurement{};
    p.measured->weights = type;
    p.measured->decode.passes = 1;
    p.measured->decode.seconds = seconds;
    p.measured->decode.work = pass_work(preset_spec("stories-260k"), {.weights = type});
    points.push_back(std::move(p));
  }
  return points;
}

TEST(SlowBits, AreFoundBeyondTheScatter) {
  const auto found = find_slow_bits(timed({{DType::q4_0, {1.00, 1.01, 1, 1.01}},
                                           {DType::q2_k, {1.5, 1.6, 1.5, 1.6}},
                                           {DType::q8_0, {0.99, 1.4, 0.99, 1}}}),
                                    std::nullopt);
  ASSERT_EQ(found.size(), 2u) << "Q2_K against both; Q4_0 against Q8_0 is not slower";
  EXPECT_EQ(found[0].fewer, 1u);
  EXPECT_EQ(found[0].more, 2u);
  EXPECT_NEAR(found[0].ratio, 1.55 / 0.995, 1e-9);
  EXPECT_NE(found[0].why.find("Q2_K moves"), std::string::npos) << found[0].why;
  EXPECT_TRUE(
      find_slow_bits(timed({{DType::q4_0, {1, 1.2, 1, 1.2}}, {DType::q8_0, {1.1, 1.1, 1.1, 1.1}}}), std::nullopt)
          .empty());
}

/// Points that fell back to another type.
Sweep fallen_back(std::vector<SweepPoint> points, std::size_t first) {
  Sweep sweep;
  sweep.dimension = Dimension::type;
  sweep.points = std::move(points);
  for (std::size_t i = first; i < sweep.points.size(); ++i) {
    sweep.points[i].fallbacks.matrices = 40;
    sweep.points[i].fallbacks.instead[DType::q5_0] = 12;
  }
  return sweep;
}

TEST(SlowBits, AreNotDeniedOfTypesThatFellBack) {
  const auto points = timed({{DType::q8_0, {1, 1}}, {DType::q4_0, {1, 1}}, {DType::q4_k, {1, 1}}});
  EXPECT_EQ(describe_no_slow_bits(fallen_back(points, 3)), "No such case among these points.");
  const std::string one = describe_no_slow_bits(fallen_back(points, 2));
  EXPECT_EQ(one.rfind("No such case among the points that have the type they are called after.", 0), 0u) << one;
  EXPECT_NE(one.find("Q4_K (12 of 40 tensors Q5_0)"), std::string::npos) << one;
  EXPECT_EQ(describe_no_slow_bits(fallen_back(points, 1)).rfind("This cannot be answered here", 0), 0u);
}

TEST(FallbacksOfATypeInAModel, AreCounted) {
  const ModelSpec narrow = preset_spec("stories-260k"), wide = preset_spec("llama-3.2-1b");
  EXPECT_FALSE(fallbacks_of("q4_k_m", wide).any());
  EXPECT_FALSE(fallbacks_of("f16", narrow).any());
  const Fallbacks found = fallbacks_of("q4_k", narrow);  // rows of 64 and 172
  EXPECT_EQ(found.count(), found.matrices - 1) << "no row holds a block of 256; a head of such rows is Q8_0 as asked";
  EXPECT_GT(found.instead.at(DType::f16), 0) << "nor do 172 divide into blocks of 32";
  EXPECT_NE(found.beside("Q4_K").find("tensors not: "), std::string::npos) << found.beside("Q4_K");
  Fallbacks one;
  one.add(DType::q4_k, DType::q5_0, 64);
  one.add(DType::q6_k, DType::q6_k, 256);
  one.add(DType::q4_k, DType::f32, 256);  // kept for another reason than its rows
  EXPECT_EQ(one.beside("q4_k_m"), "q4_k_m (1 of 3 tensors Q5_0)");
}

TEST(Report, IsOnePageThatAnswersFirstAndEscapesNames) {
  SweepOptions options = tiny(Dimension::type);
  options.types = {"f16", "q8_0", "q4_0", "q4_k"};
  options.base->name = "<script>alert('x')</script>";
  const Sweep sweep = run_sweep(options);
  const auto [html, svg] = report_page({sweep, options.machine, 0, nullptr, "{\"a\": 1}"});
  EXPECT_EQ(html.find("<script>"), std::string::npos);
  EXPECT_NE(html.find("&lt;script"), std::string::npos);
  EXPECT_LT(html.find("Of 4 types "), html.find("<svg"));
  for (const char* part : {"<!DOCTYPE html>", "viewport", "Fewer bits", "Q4_0", "1970-01-01", "tensors not: ",
                           "times.csv", "latency-token", "latency-prompt", "roof-token", "share-prompt", "</html>"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  for (const char* outside : {"http-equiv", "src=", "<link", "@import", ">nan<", ">inf<"})
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  EXPECT_EQ(svg.rfind("<svg", 0), 0u);
  EXPECT_NE(svg.find("prefers-color-scheme"), std::string::npos) << "a picture of its own follows the reader too";
}

TEST(Report, OfEveryDimensionHasPictures) {
  const std::optional<Machine> machine = test::round_machine();
  for (const Dimension dimension : {Dimension::batch, Dimension::context, Dimension::threads}) {
    SweepOptions options = tiny(dimension);
    options.to = 4;
    const Sweep sweep = run_sweep(options);
    const auto [html, svg] = report_page({sweep, machine, 0});
    EXPECT_NE(html.find("<svg"), std::string::npos);
    EXPECT_EQ(html.find(">nan"), std::string::npos);
  }
}

}  // namespace
}  // namespace plumb::sweep_test
