// The writer of pages and pictures: scales and their ticks, escaping, names that keep off each other, documents that
// parsers accept.

#include "src/perf/page/page.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "src/perf/page/bars.hpp"
#include "src/perf/page/labels.hpp"
#include "src/perf/page/pareto.hpp"
#include "src/perf/page/quantities.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::page_test {
namespace {

using namespace page;
using Kind = Scale::Kind;

std::vector<std::string> labels_of(const Scale& scale, int most) {
  std::vector<std::string> labels;
  for (const Tick& tick : scale.ticks(most))
    if (!tick.label.empty()) labels.push_back(tick.label);
  return labels;
}
using Labels = std::vector<std::string>;

TEST(Scale, HasTicksAtDecades) {
  EXPECT_EQ(labels_of(Scale::exactly(Kind::logarithmic, 0.1, 1000), 6), (Labels{"0.1", "1", "10", "100", "1000"}));
  EXPECT_EQ(labels_of(Scale::exactly(Kind::logarithmic, 1e-6, 1e-4), 6).front(), "10⁻⁶");
  // One decade has names between, a factor of two is as good as linear.
  EXPECT_EQ(labels_of(Scale::exactly(Kind::logarithmic, 1, 10), 6), (Labels{"1", "2", "3", "5", "10"}));
  EXPECT_EQ(labels_of(Scale::exactly(Kind::logarithmic, 10, 20), 6), (Labels{"10", "12", "14", "16", "18", "20"}));
  // Many decades: fewer names, none crowded.
  EXPECT_LE(labels_of(Scale::exactly(Kind::logarithmic, 1, 1e12), 6).size(), 7u);
  EXPECT_EQ(labels_of(Scale::exactly(Kind::linear, 0, 10), 6), (Labels{"0", "2", "4", "6", "8", "10"}));
  EXPECT_EQ(labels_of(Scale::exactly(Kind::linear, -1, 1), 4), (Labels{"-1", "-0.5", "0", "0.5", "1"}));
}

TEST(Scale, PutsValuesWhereTheyBelong) {
  const Scale decades = Scale::exactly(Kind::logarithmic, 1, 100), line = Scale::exactly(Kind::linear, 10, 20);
  EXPECT_DOUBLE_EQ(decades.at(1), 0);
  EXPECT_DOUBLE_EQ(decades.at(10), 0.5);
  EXPECT_DOUBLE_EQ(decades.at(100), 1);
  EXPECT_DOUBLE_EQ(line.at(15), 0.5);
  EXPECT_EQ(Scale(Kind::linear, 3, 9).low(), 0) << "zero is near";
  EXPECT_GT(Scale(Kind::linear, 8, 9).low(), 7);
}

TEST(Scale, DrawsWhatHasNoRange) {
  const double none = std::nan("");
  for (const auto& [low, high] : {std::pair{5.0, 5.0},
                                  {0.0, 0.0},
                                  {none, none},
                                  {-3.0, -1.0},
                                  {1e300, 1e301},
                                  {1e-300, 1e300},
                                  {INFINITY, -INFINITY}})
    for (const Kind kind : {Kind::linear, Kind::logarithmic}) {
      const Scale scale(kind, low, high);
      EXPECT_LT(scale.low(), scale.high()) << low << ' ' << high;
      const std::vector<Tick> ticks = scale.ticks(6);
      EXPECT_LT(ticks.size(), 120u);
      for (const Tick& tick : ticks) {
        EXPECT_GE(scale.at(tick.value), -1e-6) << low << ' ' << high;
        EXPECT_LE(scale.at(tick.value), 1 + 1e-6) << low << ' ' << high;
      }
    }
}

TEST(Numbers, AreWrittenForPeople) {
  EXPECT_EQ(tick_text(20000), "20k");
  EXPECT_EQ(tick_text(1.5e6), "1.5M");
  EXPECT_EQ(tick_text(0.0002), "2·10⁻⁴");
  EXPECT_EQ(tick_text(0.02), "0.02");
  EXPECT_EQ(bytes_text(4.661e9), "4.66 GB");
  EXPECT_EQ(bytes_text(999.9e6), "1.00 GB");
  EXPECT_EQ(bytes_text(0), "-");
  EXPECT_EQ(seconds_text(0.0617), "61.7 ms");
  EXPECT_EQ(rate_text(12345), "12345 tokens/s");
  EXPECT_EQ(number_text(0.01234), "0.0123");
  EXPECT_EQ(number_text(std::nan("")), "-");
}

TEST(Escaping, LeavesNothingThatEndsAnElement) {
  EXPECT_EQ(escape("<b a=\"1\" c='2'>&"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
  EXPECT_EQ(escape(std::string("a\0b\x1b[0m", 7)).find('\0'), std::string::npos);
  EXPECT_EQ(escape("\xff"), "\xEF\xBF\xBD");
  EXPECT_EQ(escape("größe ± µ"), "größe ± µ");
}

TEST(Escaping, BreaksLinesAtSpacesAndHyphens) {
  EXPECT_EQ(wrapped("reading the prompt", 8), (Labels{"reading the", "prompt"}));
  EXPECT_EQ(wrapped("plumb-300m token", 4), (Labels{"plumb-", "300m", "token"}));
  EXPECT_EQ(wrapped("unbreakable", 1), (Labels{"unbreakable"}));
}

/// Dots as plots have them: some far from others, some on one spot.
std::vector<LabelWish> crowd(unsigned seed, std::size_t count) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> x(40, 400), y(40, 280);
  std::vector<LabelWish> wishes;
  for (std::size_t i = 0; i < count; ++i) {
    std::pair<double, double> point{x(random), y(random)};
    if (i % 3 == 1) point = {wishes.back().points[0].first + 3, wishes.back().points[0].second + 1};
    wishes.push_back({"Q" + std::to_string(i) + "_K_M", {point}, 6, 12.5});
  }
  return wishes;
}

TEST(LabelPlaces, NeverOverlapAndStayInside) {
  const Box room{30, 20, 430, 300};
  for (unsigned seed = 0; seed < 30; ++seed) {
    const std::vector<LabelWish> wishes = crowd(seed, 3 + seed);
    std::vector<Box> taken;
    for (const LabelWish& wish : wishes) {
      const auto [x, y] = wish.points[0];
      taken.push_back({x - 4, y - 4, x + 4, y + 4});
    }
    const auto places = place_labels(wishes, room, taken, {});
    std::size_t placed = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (!places[i]) continue;
      ++placed;
      const Box& box = places[i]->box;
      EXPECT_TRUE(box.inside(room));
      for (const Box& dot : taken) EXPECT_FALSE(box.meets(dot)) << seed;
      for (std::size_t j = 0; j < i; ++j) EXPECT_FALSE(places[j] && places[j]->box.meets(box)) << seed;
      const Box text = text_box(places[i]->x, places[i]->y, 12.5, wishes[i].text);
      EXPECT_NEAR(text.left, box.left, 0.01);
      EXPECT_NEAR(text.bottom, box.bottom, 0.01);
    }
    EXPECT_GE(placed, wishes.size() * 9 / 10) << seed;
  }
}

TEST(LabelPlaces, PreferTheSideWithoutALine) {
  std::vector<std::pair<double, double>> line;
  for (int x = 100; x < 200; x += 4) line.emplace_back(x, 100);
  const auto places = place_labels({{"name", {{100, 100}}, 5, 12}}, {0, 0, 300, 200}, {}, line);
  ASSERT_TRUE(places[0]);
  EXPECT_LT(places[0]->box.right, 100);
}

TEST(Pareto, FindsWhatNothingBeats) {
  const std::vector<Choice> choices = {{"base", 0, 50, 100e6},   {"big", 0.001, 80, 60e6}, {"worse", 0.002, 70, 61e6},
                                       {"small", 0.1, 90, 30e6}, {"twin", 0.1, 90, 30e6},  {"unknown", 0.2, 0, 20e6}};
  EXPECT_EQ(pareto_front(choices), (std::vector<std::size_t>{0, 1, 3, 5}));
  const std::vector<Picture> pictures = pareto_pictures("p", choices);
  ASSERT_EQ(pictures.size(), 2u);
  for (const char* name : {"big", "worse", "small", "twin", "base"})
    EXPECT_NE(pictures[0].svg.find(std::string(">") + name + "<"), std::string::npos) << name;
  EXPECT_EQ(pictures[0].svg.find(">unknown<"), std::string::npos) << "it has no speed";
  EXPECT_NE(pictures[1].svg.find(">unknown<"), std::string::npos);
  EXPECT_NE(pictures[0].caption.find("small and big"), std::string::npos) << pictures[0].caption;
}

/// A page with everything that pages have, and names that break what does not escape.
Page full_page() {
  const std::string bad = "<script>alert('x')</script> & \"q\" ]]>";
  Page page("Title " + bad, "Answer " + bad);
  page.paragraph(bad);
  page.note(bad);
  page.list({bad, "two"});
  Plot plot{.id = "plot", .title = bad, .description = bad, .x = {bad, Kind::logarithmic}, .y = {bad}};
  plot.curves.push_back({{{1, 1}, {100, 3}}, bad, 1, true});
  for (int i = 1; i < 8; ++i)
    plot.dots.push_back({.x = std::pow(2.0, i),
                         .y = i * 0.3,
                         .label = "t" + std::to_string(i),
                         .tip = bad,
                         .shape = static_cast<page::Shape>(i % 4),
                         .hollow = i % 2 == 0});
  plot.dots.push_back({.x = std::nan(""), .y = 1, .label = "nowhere"});
  page.picture(draw(plot, bad));
  page.picture(draw(Bars{.id = "bars",
                         .title = bad,
                         .description = bad,
                         .columns = {bad, "b"},
                         .rows = {{bad, {{1, "1", false}, {0, "-", true}}}, {"r", {{2, "2", true}, {3, bad, false}}}}},
                    bad));
  page.section(bad);
  page.table({bad, {{bad, "unit <"}, {"b", "", Column::Kind::prose}}, {{bad, "1"}, {"x", bad}}, {1}});
  page.folded(bad, {"", {{"a"}}, {{"1"}}});
  page.explain({{bad, bad}, {bad, "once"}});
  page.data({"a.csv", "text/csv", "a,\"b\"\r\n" + bad});
  page.data({"a.json", "application/json", "{\"a\": \"</script><b>\"}"});
  return page;
}

TEST(PageDocument, BeginsWithTheAnswerAndNeedsNothingElse) {
  const std::string html = full_page().html();
  EXPECT_LT(html.find("Answer "), html.find("<svg"));
  EXPECT_EQ(html.find("<script>"), std::string::npos);
  EXPECT_EQ(html.find("</script><b>"), std::string::npos);
  EXPECT_EQ(html.find("nan"), std::string::npos);
  for (const char* part : {"prefers-color-scheme:dark", "@media print", "role=\"img\" aria-labelledby=\"plot-title",
                           "<title id=\"bars-title\">", "type=\"application/json\"", "data:text/csv"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  for (const char* outside : {"src=", "<link", "@import", "url(", "http-equiv"})
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
}

TEST(PageDocument, IsAcceptedByParsers) {
  if (std::system("python3 -c 'import xml.etree, html.parser' 2>/dev/null") != 0)
    GTEST_SKIP() << "python3 with its parsers is not here";
  const test::TempDir dir;
  const std::filesystem::path page = dir / "page.html", picture = dir / "picture.svg";
  write_file(page, full_page().html());
  write_file(picture, draw(Plot{.id = "p",
                                .title = "a<b",
                                .description = "c&d",
                                .x = {"x"},
                                .y = {"y"},
                                .dots = {{.x = 1, .y = 2, .label = "<&>"}}},
                           "")
                          .file);
  const std::string check = std::string("python3 '" PLUMB_SOURCE_DIR "/tests/perf/check_page.py' '") + page.native() +
                            "' '" + picture.native() + "'";
  EXPECT_EQ(std::system(check.c_str()), 0);
}

TEST(PageDocument, TablesAreCsvToo) {
  EXPECT_EQ(csv_of({"", {{"type"}, {"size", "MB"}}, {{"a,b", "1"}, {"say \"x\"", "2"}}}),
            "type,size (MB)\r\n\"a,b\",1\r\n\"say \"\"x\"\"\",2\r\n");
}

}  // namespace
}  // namespace plumb::page_test
