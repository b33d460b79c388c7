#include "plumb/perf/report.hpp"

#include <algorithm>
#include <cmath>
#include <system_error>
#include <vector>

#include "../core/format.hpp"
#include "condition.hpp"
#include "page/page.hpp"
#include "page/quantities.hpp"
#include "pass_pictures.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "sweep_pictures.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using page::number_text;
using page::seconds_text;
using Kind = page::Column::Kind;

std::string milliseconds(double seconds) { return number_text(seconds * 1e3, 4); }
std::string ratio(double a, double b) { return a > 0 && b > 0 ? formatted("{:.2f}", a / b) : "-"; }
std::string per_second(double tokens, double seconds) { return seconds > 0 ? number_text(tokens / seconds) : "-"; }

/// Sequences times steps: decoding makes that many tokens in the time of one step.
double tokens_of_step(const SweepPoint& p) { return p.measured ? p.measured->sequences : 1; }

/// Builds the page part by part.
class SweepPage {
 public:
  explicit SweepPage(const ReportInput& input) : in_(input), sweep_(input.sweep), passes_(breakdowns(input.sweep)) {}

  ReportPage write() {
    page::Page page("Speed by " + axis_title(sweep_.dimension), answer());
    page.paragraph(formatted("{}; {}", time_text(static_cast<double>(in_.when)),
                             machine_sentence(sweep_.system, sweep_.tier, threads_used())));
    if (const std::string note = load_note(sweep_.system); !note.empty()) page.note(note);
    std::string first;
    const auto picture = [&](const page::Picture& drawn) {
      if (first.empty()) first = drawn.file;
      page.picture(drawn);
    };
    if (any(false)) picture(latency_picture(sweep_, false));
    if (any(true)) picture(latency_picture(sweep_, true));
    if (both()) picture(ratio_picture(sweep_));
    times(page);
    slow_bits(page);
    laws(page);
    where_time_goes(page);
    page.explain(common_terms());
    page.explain({{"spread", "The middle half of the runs, over their median."},
                  {"predicted",
                   "Counted bytes and operations, divided by what the machine was measured to do; knows "
                   "nothing of the times it stands beside."}});
    page.data({"times.csv", "text/csv", csv_of(times_table(sweep_))});
    if (in_.types) page.data({"types.csv", "text/csv", csv_of(times_table(*in_.types))});
    if (!in_.json.empty()) page.data({"sweep.json", "application/json", in_.json});
    return {page.html(), first};
  }

 private:
  int threads_used() const {
    for (const SweepPoint& p : sweep_.points)
      if (p.measured) return p.measured->threads;
    return in_.machine ? in_.machine->max_threads() : 1;
  }

  bool any(bool prefill) const {
    return std::any_of(sweep_.points.begin(), sweep_.points.end(), [&](const SweepPoint& p) {
      return prefill ? p.prefill_seconds() + p.prefill_predicted() > 0 : p.decode_seconds() + p.decode_predicted() > 0;
    });
  }
  bool both() const {
    return std::any_of(sweep_.points.begin(), sweep_.points.end(), [&](const SweepPoint& p) {
      return p.decode_seconds() * p.decode_predicted() > 0 || p.prefill_seconds() * p.prefill_predicted() > 0;
    });
  }

  static double time_of(const SweepPoint& p, bool prefill) {
    const double measured = prefill ? p.prefill_seconds() : p.decode_seconds();
    return measured > 0 ? measured : prefill ? p.prefill_predicted() : p.decode_predicted();
  }

  /// The first sentence of the page.
  std::string answer() const {
    if (sweep_.points.empty()) return "Nothing was measured.";
    const bool prefill = !any(false);
    const char* what = prefill ? "prompt" : "token";
    std::vector<const SweepPoint*> points;
    for (const SweepPoint& p : sweep_.points)
      if (time_of(p, prefill) > 0) points.push_back(&p);
    if (points.empty()) return "Nothing was measured.";
    const auto faster = [&](const SweepPoint* a, const SweepPoint* b) {
      return time_of(*a, prefill) < time_of(*b, prefill);
    };
    const auto rate = [&](const SweepPoint& p) {
      const double tokens = !prefill ? tokens_of_step(p) : p.measured ? p.measured->prefill.tokens : 0;
      return tokens > 0 ? " (" + page::rate_text(tokens / time_of(p, prefill)) + ")" : std::string();
    };
    std::string text;
    if (sweep_.dimension == Dimension::type) {
      const SweepPoint &best = **std::min_element(points.begin(), points.end(), faster),
                       &worst = **std::max_element(points.begin(), points.end(), faster);
      text = formatted("Of {} types {} is the fastest for a {}: {}{}, {:.3g} times as fast as {}", points.size(),
                       type_text(best), what, seconds_text(time_of(best, prefill)), rate(best),
                       time_of(worst, prefill) / time_of(best, prefill), type_text(worst));
    } else {
      const SweepPoint& last = *points.back();
      const SweepPoint* first = points.front();
      for (const SweepPoint* p : points)
        if (p->setting.type == last.setting.type) {
          first = p;
          break;
        }
      text = formatted("A {} takes {} at {} and {}{} at {}, both in {}", what, seconds_text(time_of(*first, prefill)),
                       first->setting.label, seconds_text(time_of(last, prefill)), rate(last), last.setting.label,
                       last.setting.type);
    }
    if (const std::vector<double> errors = sorted_errors(); !errors.empty())
      text += formatted("; predictions were off by {:.0f}% in the median", 100 * errors[errors.size() / 2]);
    return text + '.';
  }

  std::vector<double> sorted_errors() const {
    std::vector<double> errors;
    for (const SweepPoint& p : sweep_.points)
      for (const auto& [predicted, measured] :
           {std::pair{p.decode_predicted(), p.decode_seconds()}, {p.prefill_predicted(), p.prefill_seconds()}})
        if (predicted > 0 && measured > 0) errors.push_back(std::abs(predicted / measured - 1));
    std::sort(errors.begin(), errors.end());
    return errors;
  }

  void times(page::Page& page) const {
    page.section("Times");
    page.paragraph(
        "Weights are random: speed does not depend on their values. Each time is the median of repetitions that took "
        "turns with those of the other points. A star at a time: " +
        std::string(kDisturbedMeans) + ".");
    page.table(times_table(sweep_));
  }

  static page::HtmlTable times_table(const Sweep& sweep) {
    page::HtmlTable table{"",
                          {{"point", "", Kind::name},
                           {"type", "", Kind::name},
                           {"parameters"},
                           {"weights", "MB"},
                           {"token", "ms"},
                           {"decode", "tokens/s"},
                           {"predicted", "ms"},
                           {"predicted / measured"},
                           {"spread", "%"},
                           {"memory traffic", "GB/s"},
                           {"prompt", "ms"},
                           {"prompt", "tokens/s"},
                           {"predicted", "ms"},
                           {"predicted / measured"},
                           {"arithmetic", "Gop/s"}},
                          {}};
    for (const SweepPoint& p : sweep.points) {
      const bool decodes = p.measured && p.measured->decode.passes > 0, reads = p.prefill_seconds() > 0;
      const auto star = [&](bool prefill) { return disturbed(p, prefill) ? "*" : ""; };
      table.rows.push_back({p.setting.label, type_text(p), page::count_text(p.parameters),
                            p.measured ? number_text(p.measured->weight_bytes * 1e-6) : "-",
                            milliseconds(p.decode_seconds()) + star(false),
                            per_second(tokens_of_step(p), p.decode_seconds()), milliseconds(p.decode_predicted()),
                            ratio(p.decode_predicted(), p.decode_seconds()),
                            decodes ? formatted("{:.1f}", 100 * p.measured->decode.spread()) : "-",
                            decodes ? number_text(p.measured->decode.gigabytes_per_second()) : "-",
                            milliseconds(p.prefill_seconds()) + star(true),
                            reads ? per_second(p.measured->prefill.tokens, p.prefill_seconds()) : "-",
                            milliseconds(p.prefill_predicted()), ratio(p.prefill_predicted(), p.prefill_seconds()),
                            reads ? number_text(p.measured->prefill.gigaops_per_second()) : "-"});
    }
    return table;
  }

  void slow_bits(page::Page& page) const {
    page.section("Fewer bits are not always faster");
    cases(page, sweep_);
    if (!in_.types) return;
    page.paragraph("The same small model in all types:");
    if (std::any_of(in_.types->points.begin(), in_.types->points.end(),
                    [](const SweepPoint& p) { return p.decode_seconds() > 0; })) {
      Sweep named = *in_.types;
      page::Picture picture = latency_picture(named, false);
      for (std::string* svg : {&picture.svg, &picture.file})  // the page has one of this id already
        for (std::size_t at = 0; (at = svg->find("latency-token", at)) != std::string::npos; at += 5)
          svg->replace(at, 13, "types-token");
      page.picture(picture);
    }
    cases(page, *in_.types);
    page.table(times_table(*in_.types));
  }

  static void cases(page::Page& page, const Sweep& sweep) {
    constexpr std::size_t kShown = 4;
    std::vector<std::string> items;
    for (const SlowBits& bits : sweep.slow_bits)
      if (items.size() < kShown) items.push_back(describe_slow_bits(sweep, bits));
    page.list(items);
    if (sweep.slow_bits.size() > kShown)
      page.paragraph(formatted("And {} more, with smaller ratios.", sweep.slow_bits.size() - kShown));
    const std::string verdict = describe_no_slow_bits(sweep);
    if (!verdict.empty()) page.paragraph(verdict);
  }

  void laws(page::Page& page) const {
    if (sweep_.laws.empty()) return;
    page.section("Fitted laws");
    page.paragraph(
        "time = overhead + bytes / bandwidth + operations / rate; 95% intervals in brackets. A term that moves "
        "together "
        "with another cannot be told apart from it. Where the standard error is large the law is wrong, not the clock: "
        "small models live in caches, whose bandwidth is another.");
    std::vector<std::string> items;
    for (const SeriesLaw& law : sweep_.laws) items.push_back(describe_law(sweep_, law));
    page.list(items);
    page.explain({{"fitted law", "Least squares of relative errors; costs are not below zero."}});
  }

  void where_time_goes(page::Page& page) const {
    if (passes_.empty()) return;
    page.section("Where the time goes");
    for (const page::Picture& picture : share_pictures(passes_)) page.picture(picture);
    page.table(share_table(passes_));
    if (!in_.machine) return;
    const auto last_of = [&](bool prefill) {
      const auto found =
          std::find_if(passes_.rbegin(), passes_.rend(), [&](const auto& p) { return p.prefill == prefill; });
      return found == passes_.rend() ? nullptr : &*found;
    };
    page.section("What limits each operation");
    for (const bool prefill : {false, true})
      if (const PassBreakdown* pass = last_of(prefill))
        page.picture(roofline_picture(*in_.machine, threads_used(), *pass));
    for (const bool prefill : {false, true})
      if (const PassBreakdown* pass = last_of(prefill)) page.table(roofline_table(*in_.machine, threads_used(), *pass));
    page.explain(roofline_terms());
  }

  const ReportInput& in_;
  const Sweep& sweep_;
  std::vector<PassBreakdown> passes_;
};

}  // namespace

ReportPage report_page(const ReportInput& input) { return SweepPage(input).write(); }

std::filesystem::path write_report(const std::filesystem::path& folder, const ReportInput& input) {
  const ReportPage written = report_page(input);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(ErrorCode::io, quote(folder.native()) + ": cannot make this folder: " + error.message());
  page::write_file(folder / "report.html", written.html);
  if (!written.latency_svg.empty()) page::write_file(folder / "latency.svg", written.latency_svg);
  return folder / "report.html";
}

}  // namespace plumb
