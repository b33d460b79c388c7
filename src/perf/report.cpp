#include "plumb/perf/report.hpp"

#include <algorithm>
#include <array>
#include <system_error>
#include <vector>

#include "../core/format.hpp"
#include "gnuplot.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/atomic_file.hpp"
#include "report_plots.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::string_view kStyle = R"(
body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:62rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #ccc}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}
figure{margin:0;break-inside:avoid}figure svg{width:100%;height:auto;display:block}
figcaption{font-size:.9rem;color:#444}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
th{border-bottom:2px solid #888}th:first-child,td:first-child{text-align:left}
.note{border-left:4px solid #e69f00;padding:.3rem .8rem;background:#fff8e8}
@media print{body{max-width:none;padding:0;font-size:10.5pt}.scroll{overflow:visible}table{font-size:7.5pt}
th,td{padding:.1rem .3rem}tr{break-inside:avoid}h2{break-after:avoid}.pictures{grid-template-columns:1fr 1fr}}
)";

using Row = std::vector<std::string>;

std::string table(const Row& titles, const std::vector<Row>& rows) {
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& title : titles) html += "<th>" + html_escape(title) + "</th>";
  html += "</tr></thead><tbody>\n";
  for (const Row& row : rows) {
    html += "<tr>";
    for (const std::string& cell : row) html += "<td>" + html_escape(cell) + "</td>";
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string milliseconds(double seconds) { return seconds > 0 ? formatted("{:.4g}", seconds * 1e3) : "-"; }
std::string ratio(double a, double b) { return a > 0 && b > 0 ? formatted("{:.2f}", a / b) : "-"; }
std::string count(double n) {
  return n >= 1e9 ? formatted("{:.3g}B", n * 1e-9) : n >= 1e6 ? formatted("{:.3g}M", n * 1e-6) : formatted("{:.0f}", n);
}

/// Builds the page part by part and remembers why a picture is missing.
class Page {
 public:
  explicit Page(const ReportInput& input) : in_(input), sweep_(input.sweep), passes_(breakdowns(input.sweep)) {}

  ReportPage write() {
    const std::string pictures = all_pictures();
    std::string html =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\">\n<title>plumb: speed by " +
        html_escape(axis_title(sweep_.dimension)) + "</title>\n<style>" + std::string(kStyle) +
        "</style></head><body>\n" + heading();
    if (!missing_.empty())
      html += "<p class=\"note\">No pictures: " + html_escape(missing_) +
              ". The tables below have the numbers that the pictures would show.</p>\n";
    html += pictures + laws() + slow_bits() + times() + operations();
    return {html + "</body></html>\n", first_picture_,
            missing_.empty() ? "" : "no pictures in the report: " + missing_};
  }

 private:
  std::string heading() const {
    const SystemInfo& s = sweep_.system;
    std::array<char, 64> when{};
    std::tm utc{};
    gmtime_r(&in_.when, &utc);
    std::strftime(when.data(), when.size(), "%Y-%m-%d %H:%M UTC", &utc);
    const int threads = threads_used();
    std::string html = "<h1>How does speed depend on " + html_escape(axis_title(sweep_.dimension)) + "?</h1>\n<p>";
    html += html_escape(formatted(
        "{}, {} thread{}, kernels {}, last cache {:.3g} MB, pages of {:.0f} bytes, huge pages {}, governor {}{}; {}.",
        s.cpu, threads, threads == 1 ? "" : "s", sweep_.tier, s.last_cache_bytes() * 1e-6, s.page_bytes, s.huge_pages,
        s.governor.empty() ? "not shown" : s.governor, s.virtual_machine ? ", a virtual machine" : "", when.data()));
    html += "</p>\n";
    return html +
           "<p>Weights are random: speed does not depend on their values. Each measured time is the median of "
           "repetitions that took turns with those of the other points. Predictions divide the counted bytes "
           "and operations by the measured ceilings of the machine, and know nothing of these times.</p>\n";
  }

  /// Whether the times of operations are traced or predicted.
  std::string how() const { return !passes_.empty() && passes_.front().measured ? "measured" : "predicted"; }

  int threads_used() const {
    for (const SweepPoint& p : sweep_.points)
      if (p.measured) return p.measured->threads;
    return in_.machine ? in_.machine->max_threads() : 1;
  }

  std::string picture(const std::string& script, std::string_view name, std::string_view caption) {
    if (!missing_.empty()) return "";
    const Picture drawn = run_gnuplot(script, name);
    missing_ = drawn.error;
    if (first_picture_.empty()) first_picture_ = drawn.svg;
    if (drawn.svg.empty()) return "";
    return formatted("<figure>{}<figcaption>{}</figcaption></figure>\n", drawn.svg, html_escape(caption));
  }

  bool any(bool prefill) const {
    return std::any_of(sweep_.points.begin(), sweep_.points.end(), [&](const SweepPoint& p) {
      return prefill ? p.prefill_seconds() + p.prefill_predicted() > 0 : p.decode_seconds() + p.decode_predicted() > 0;
    });
  }

  std::string all_pictures() {
    std::string html;
    if (any(false))
      html += picture(latency_plot(sweep_, false), "decode",
                      "Decoding: time of one step. Dots are measured, lines predicted.");
    if (any(true)) html += picture(latency_plot(sweep_, true), "prompt", "Reading a prompt: time of the whole of it.");
    if (in_.machine)
      html += picture(ratio_plot(sweep_), "ratio",
                      "Predicted over measured; points beyond 0.4 and 2.5 are drawn at the edge.");
    if (!passes_.empty()) {
      html +=
          picture(breakdown_plot(passes_), "share", "Where the time of a token and of a prompt goes, " + how() + ".");
      const auto last_decode = std::find_if(passes_.rbegin(), passes_.rend(), [](const auto& p) { return !p.prefill; });
      if (in_.machine && last_decode != passes_.rend())
        html += picture(roofline_plot(*in_.machine, threads_used(), *last_decode, passes_.back()), "roof",
                        "Roofline of " + passes_.back().label +
                            ": dots are operations of decoding, triangles those of a prompt, at their " + how() +
                            " speed. "
                            "Left of the bend memory limits, right of it arithmetic. Dots above the slope come from "
                            "a cache.");
    }
    return html.empty() ? "" : "<h2>Pictures</h2>\n<div class=\"pictures\">\n" + html + "</div>\n";
  }

  std::string laws() const {
    if (sweep_.laws.empty()) return "";
    std::string html =
        "<h2>Fitted laws</h2>\n<p>time = overhead + bytes / bandwidth + operations / rate, least squares of "
        "relative errors, costs not below zero, 95% intervals in brackets. A term that moves together "
        "with another cannot be told apart from it. Where the standard error is large the law is "
        "wrong, not the clock: small models live in caches, whose bandwidth is another.</p>\n<ul>\n";
    for (const SeriesLaw& law : sweep_.laws) html += "<li>" + html_escape(describe_law(sweep_, law)) + "</li>\n";
    return html + "</ul>\n";
  }

  std::string slow_bits() const {
    std::string html = "<h2>Fewer bits are not always faster</h2>\n" + cases(sweep_);
    if (!in_.types) return html;
    return html + "<p>The same small model in all types:</p>\n" + cases(*in_.types) + times_table(*in_.types);
  }

  static std::string cases(const Sweep& sweep) {
    if (sweep.slow_bits.empty()) return "<p>No such case among these points.</p>\n";
    std::string html = "<ul>\n";
    const std::size_t shown = std::min<std::size_t>(sweep.slow_bits.size(), 4);
    for (std::size_t i = 0; i < shown; ++i)
      html += "<li>" + html_escape(describe_slow_bits(sweep, sweep.slow_bits[i])) + "</li>\n";
    html += "</ul>\n";
    if (sweep.slow_bits.size() > shown)
      html += formatted("<p>And {} more, with smaller ratios.</p>\n", sweep.slow_bits.size() - shown);
    return html;
  }

  std::string times() const {
    return "<h2>Times</h2>\n<p>Milliseconds; spread is the middle half of the runs over their median.</p>\n" +
           times_table(sweep_);
  }

  static std::string times_table(const Sweep& sweep) {
    std::vector<Row> rows;
    for (const SweepPoint& p : sweep.points) {
      const bool d = p.measured && p.measured->decode.passes > 0;
      rows.push_back({p.setting.label, p.setting.type, count(p.parameters), milliseconds(p.decode_seconds()),
                      milliseconds(p.decode_predicted()), ratio(p.decode_predicted(), p.decode_seconds()),
                      d ? formatted("{:.1f}%", 100 * p.measured->decode.spread()) : "-",
                      d ? formatted("{:.4g}", p.measured->decode.gigabytes_per_second()) : "-",
                      milliseconds(p.prefill_seconds()), milliseconds(p.prefill_predicted()),
                      ratio(p.prefill_predicted(), p.prefill_seconds()),
                      p.prefill_seconds() > 0 ? formatted("{:.4g}", p.measured->prefill.gigaops_per_second()) : "-"});
    }
    return table({"point", "type", "parameters", "token", "predicted", "ratio", "spread", "GB/s", "prompt", "predicted",
                  "ratio", "GOP/s"},
                 rows);
  }

  std::string operations() const {
    std::string html;
    if (passes_.empty()) return html;
    std::vector<std::string> titles = {"operation"};
    std::vector<Row> rows;
    for (const PassBreakdown& pass : passes_) titles.push_back(pass.label + (pass.prefill ? " prompt" : " token"));
    const auto share = [](double part, const PassBreakdown& pass) {
      return formatted("{:.1f}%", 100 * part / pass.seconds());
    };
    for (const OpGroup& group : op_groups()) {
      Row row = {std::string(group.name)};
      for (const PassBreakdown& pass : passes_) row.push_back(share(seconds_of(pass, group), pass));
      rows.push_back(row);
    }
    Row meeting = {"threads meeting"};
    for (const PassBreakdown& pass : passes_) meeting.push_back(share(pass.meeting, pass));
    rows.push_back(meeting);
    return "<h2>Where the time goes</h2>\n<p>Shares of the time, " + how() + ".</p>\n" + table(titles, rows);
  }

  const ReportInput& in_;
  const Sweep& sweep_;
  std::vector<PassBreakdown> passes_;
  std::string missing_, first_picture_;
};

}  // namespace

ReportPage report_page(const ReportInput& input) { return Page(input).write(); }

ReportResult write_report(const std::filesystem::path& folder, const ReportInput& input) {
  const ReportPage page = report_page(input);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(ErrorCode::io, quote(folder.native()) + ": cannot make this folder: " + error.message());
  const auto write = [&](const char* name, const std::string& text) {
    AtomicFile file(folder / name);
    file.write(text);
    file.commit();
  };
  write("report.html", page.html);
  if (!page.latency_svg.empty()) write("latency.svg", page.latency_svg);
  return {folder / "report.html", page.warning};
}

}  // namespace plumb
